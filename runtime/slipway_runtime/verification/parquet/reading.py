"""Reads a parquet file batch by batch, within bounds; in a process of its own.

The library that it is read with trusts what a file says of itself, and may end the process that
it is in: what keeps that from the server does not belong here.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from arro3.core import RecordBatch, RecordBatchReader, Schema
from arro3.io import read_parquet

from slipway_runtime.checks import MOST_DATASET_BYTES
from slipway_runtime.tensors import Array
from slipway_runtime.verification.npz import MOST_ARRAYS, UnreadableError
from slipway_runtime.verification.parquet import MOST_SAID, arrays, footer
from slipway_runtime.verification.parquet.arrays import Place

BATCH_BYTES = 8 << 20
STRING_BYTES = 8
"""Of a string, beside its characters: numpy holds a pointer."""

WRAPPED = (
    re.compile(r"`Err` value: (.*)", re.DOTALL),
    re.compile(r'^\w+\("(.*)"\)$', re.DOTALL),
    re.compile(
        r"^(?:C Data interface error: |Parquet argument error: |Parquet error: |External: )+(.*)",
        re.DOTALL,
    ),
)
Rows = dict[str, Array]


def batches(content: bytes) -> Iterator[Rows]:
    """Read a file, some rows of all columns at a time.

    Raises:
        UnreadableError: It is none, too large, or holds what can't be a column.
    """
    said = footer.read(content)
    size = max(1, min(said.rows, said.rows * BATCH_BYTES // max(1, said.unpacked)))
    with _library():
        reader = read_parquet(content, batch_size=size)
        schema = reader.schema
    _check_schema(schema)
    rows, total, shapes = 0, 0, dict[str, tuple[int, ...]]()
    for batch in _each(reader):
        with _library():
            read = _rows(batch, schema.names, rows)
        for name, array in read.items():
            _check_shape(name, rows, array.shape[1:], shapes.setdefault(name, array.shape[1:]))
        total += sum(map(_size, read.values()))
        rows += batch.num_rows
        if total > MOST_DATASET_BYTES:
            raise UnreadableError(
                f"its first {rows} of {said.rows} rows have {total} bytes unpacked; the most are "
                f"{MOST_DATASET_BYTES}: write fewer rows"
            )
        yield read
    if rows != said.rows:
        raise UnreadableError(
            f"it says that it has {said.rows} rows, and has {rows}; write it anew"
        )


def _each(reader: RecordBatchReader) -> Iterator[RecordBatch]:
    while True:
        with _library():
            batch = next(iter(reader), None)
        if batch is None:
            return
        yield batch


def _rows(batch: RecordBatch, names: list[str], start: int) -> Rows:
    return {name: arrays.values(batch.column(name), Place(name, start)) for name in names}


def _check_schema(schema: Schema) -> None:
    names = schema.names
    if len(names) > MOST_ARRAYS:
        raise UnreadableError(f"it has {len(names)} columns; the most are {MOST_ARRAYS}")
    for name in names:
        if names.count(name) > 1:
            raise UnreadableError(f"{names.count(name)} columns are called {name!r}; rename them")
        arrays.check_type(name, schema.field(name).type)


def _check_shape(name: str, row: int, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise UnreadableError(
            f"{Place(name, row).at(0)} has shape {list(found)} where {list(expected)} is expected, "
            "as in the rows before; all rows need the same shape"
        )


def _size(array: Array) -> int:
    if array.dtype.kind != "O":
        return array.nbytes
    return sum(STRING_BYTES + len(text.encode()) for text in array.flat)


@contextmanager
def _library() -> Iterator[None]:
    """Say in one way what the library says in many: its panics are no Exceptions.

    Raises:
        UnreadableError: It can't read the file.
        MemoryError: Not within the memory that there is.
    """
    try:
        yield
    except (UnreadableError, MemoryError):
        raise
    except BaseException as problem:
        text = str(problem) or type(problem).__name__
        if "out of memory" in text:
            raise MemoryError from None
        raise UnreadableError(f"it can't be read: {_plain(text)}; write it anew") from None


def _plain(text: str) -> str:
    """Keep of a message what is about the file."""
    for wrapped in WRAPPED:
        found = wrapped.search(text)
        text = found[1] if found else text
    return text.partition("\n")[0][:MOST_SAID]
