"""Writes parquet files: with a library, as users do, and by hand, as no library would."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from arro3.core import Array, DataType, Table, fixed_size_list_array, list_array
from arro3.io import write_parquet

from slipway_runtime.verification.parquet.thrift import Kind

Values = np.ndarray[Any, Any]


def column(values: Values, *, fixed: bool = False) -> Array:
    """Make a column of Arrow: an axis beyond the first is a list, or one of a fixed size."""
    if values.ndim > 1:
        inner = column(values.reshape(-1, *values.shape[2:]), fixed=fixed)
        if fixed:
            return fixed_size_list_array(inner, values.shape[1])
        ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        return list_array(Array.from_numpy(ends), inner)
    if values.dtype.kind in "OU":
        return Array(values.tolist(), DataType.string())
    return Array.from_numpy(np.ascontiguousarray(values))


def saved(path: Path, columns: Mapping[str, Values | Array], **options: Any) -> Path:
    """Write a file; ``options`` are those of ``write_parquet``."""
    fixed = options.pop("fixed", False)
    table = Table.from_pydict(
        {
            name: values if isinstance(values, Array) else column(values, fixed=fixed)
            for name, values in columns.items()
        }
    )
    write_parquet(table, path, **options)
    return path


class Long(int):
    """An integer of 64 bits."""


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def _integer(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return Kind.TRUE if value else Kind.FALSE
    kinds = {Long: Kind.I64, int: Kind.I32, bytes: Kind.BINARY, list: Kind.LIST, dict: Kind.STRUCT}
    return kinds[type(value)]


def thrift(value: Any) -> bytes:
    """Write a value in Thrift's compact protocol; a dict is a structure, by its fields' numbers."""
    if isinstance(value, bool):
        return b""
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, bytes):
        return _varint(len(value)) + value
    if isinstance(value, list):
        assert len(value) < 15
        kind = _kind(value[0]) if value else Kind.STRUCT
        return bytes([len(value) << 4 | kind]) + b"".join(map(thrift, value))
    written, last = b"", 0
    for number, each in value.items():
        written += bytes([number - last << 4 | _kind(each)]) + thrift(each)
        last = number
    return written + b"\0"


INT32, INT64, FLOAT, DOUBLE, BYTE_ARRAY = 1, 2, 4, 5, 6
PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8


def page(body: bytes, values: int, *, unpacked: int | None = None, encoding: int = PLAIN) -> bytes:
    """Write a data page, whose body may unpack to another size than it says."""
    size = len(body) if unpacked is None else unpacked
    told = {1: values, 2: encoding, 3: RLE, 4: RLE}
    return thrift({1: 0, 2: size, 3: len(body), 5: told}) + body


def dictionary(body: bytes, values: int) -> bytes:
    """Write a page of values that data pages name by their numbers."""
    return thrift({1: 2, 2: len(body), 3: len(body), 7: {1: values, 2: PLAIN}}) + body


def chunk(name: str, kind: int, values: int, codec: int = 0) -> dict[int, Any]:
    """Say what a column's pages are, which follow the file's first four bytes."""
    path = [name.encode()]
    size, at = Long(64), Long(4)
    return {1: kind, 2: [PLAIN], 3: path, 4: codec, 5: Long(values), 6: size, 7: size, 9: at}


def schema(*columns: tuple[str, int]) -> list[dict[int, Any]]:
    """Name columns, each with a value in each row, and their physical types."""
    leaves = [{1: kind, 3: 0, 4: name.encode()} for name, kind in columns]
    return [{4: b"schema", 5: len(leaves)}, *leaves]


def footer(rows: int, *chunks: dict[int, Any], **more: Any) -> dict[int, Any]:
    """Say what a file of one group of rows has."""
    columns = [{2: Long(0), 3: each} for each in chunks]
    names = [(each[3][0].decode(), each[1]) for each in chunks]
    group = {1: columns, 2: Long(64), 3: Long(rows)}
    said = {1: 1, 2: schema(*names), 3: Long(rows), 4: [group]}
    return said | {int(number.removeprefix("field")): value for number, value in more.items()}


def forged(path: Path, pages: bytes, said: dict[int, Any] | bytes) -> Path:
    """Write a file of which nothing needs to be true."""
    foot = said if isinstance(said, bytes) else thrift(said)
    path.write_bytes(b"PAR1" + pages + foot + len(foot).to_bytes(4, "little") + b"PAR1")
    return path


def one(path: Path, pages: bytes, rows: int, kind: int, codec: int = 0) -> Path:
    """Forge a file of one column, x."""
    told = chunk("x", kind, rows, codec)
    told[7] = Long(len(pages))
    return forged(path, pages, footer(rows, told))
