"""From a parquet file to the arrays that npz would give, or to what is wrong with it."""

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, DataType, Field, Table, fixed_size_list_array, list_array
from arro3.core import struct_array as struct
from arro3.io import write_parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from slipway_runtime import checks
from slipway_runtime.datatypes import BF16, Signature, TensorSpec
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.verification import datasets, npz, parquet
from slipway_runtime.verification.columns import BY_NAME
from slipway_runtime.verification.columns import Table as Rows
from slipway_runtime.verification.npz import UnreadableError
from slipway_runtime.verification.parquet.__main__ import told
from slipway_runtime.verification.parquet.wire import packed
from support import parquet as files
from support.parquet import (
    BYTE_ARRAY,
    FLOAT,
    RLE_DICTIONARY,
    Long,
    chunk,
    footer,
    forged,
    page,
    saved,
)

MOST = checks.MOST_DATASET_BYTES
FOUR = np.arange(4, dtype=np.float32)
PAGE = page(FOUR.tobytes(), 4)
CODECS = ("uncompressed", "snappy", "gzip(6)", "zstd(3)", "lz4", "lz4_raw", "brotli(5)")


def signature(*shape: int, datatype: str = "FP32") -> Signature:
    return Signature({"x": TensorSpec("x", BY_NAME[datatype], shape)}, {})


def read(path: Path, model: Signature | None = None) -> Rows:
    dataset = checks.Dataset(name="golden", path=str(path))
    return datasets.read(dataset, model or signature(-1, 2))


def refused(path: Path) -> str:
    with pytest.raises(Fault) as fault:
        read(path)
    assert fault.value.reason is Reason.DATASET_INVALID
    assert f"data set 'golden' ({path}): " in fault.value.message
    return fault.value.message


def here(content: bytes) -> dict[str, Any]:
    """Read in this process, which is faster, and may end it."""
    return parquet.joined(b"".join(map(packed, told(content))))


def strings(*texts: str | None) -> Array:
    return Array(list(texts), DataType.string())


def lists(ends: list[int], values: Array, mask: Array | None = None) -> Array:
    return list_array(Array.from_numpy(np.array([0, *ends], np.int32)), values, mask=mask)


def test_columns_named_like_inputs_are_asked_and_others_compared_with(tmp_path: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    label, sure = np.array(["a", "b", "ü"]), np.array([True, False, True])
    table = read(saved(tmp_path / "g.parquet", {"x": x, "label": label, "sure": sure}))
    assert table.rows == 3
    assert table.inputs["x"].datatype.name == "FP32"
    assert table.inputs["x"].values.tolist() == x.tolist()
    assert table.columns["label"].tolist() == ["a", "b", "ü"]
    assert table.columns["sure"].dtype == bool


@pytest.mark.parametrize(
    ("shape", "sent"), [((-1,), (4,)), ((-1, 1), (4, 1)), ((2, 1, 1), (4, 1, 1)), ((-1, 2), (4,))]
)
def test_one_number_a_row_has_the_shape_that_the_model_asks_for(
    tmp_path: Path, shape: tuple[int, ...], sent: tuple[int, ...]
) -> None:
    path = saved(tmp_path / "g.parquet", {"x": FOUR, "y": FOUR})
    table = read(path, signature(*shape))
    assert table.inputs["x"].values.shape == sent
    assert table.columns["y"].shape == (4,)


def test_a_list_of_one_number_stays_one(tmp_path: Path) -> None:
    path = saved(tmp_path / "g.parquet", {"x": FOUR.reshape(4, 1)})
    assert read(path, signature(-1)).inputs["x"].values.shape == (4, 1)


def test_float32_does_for_a_model_of_bfloat16(tmp_path: Path) -> None:
    path = saved(tmp_path / "g.parquet", {"x": FOUR})
    model = Signature({"x": TensorSpec("x", BF16, (-1,))}, {})
    assert read(path, model).inputs["x"].datatype is BF16


@pytest.mark.parametrize(
    "kind", ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
)
@pytest.mark.parametrize("skip_arrow_metadata", [False, True])
def test_every_datatype_comes_back(tmp_path: Path, kind: str, skip_arrow_metadata: bool) -> None:
    wide = np.array([[0, 1], [1, 0]]).astype(kind)
    options = {"skip_arrow_metadata": skip_arrow_metadata}
    path = saved(tmp_path / "g.parquet", {"x": wide[:, 1], "wide": wide}, **options)
    found = here(path.read_bytes())
    assert found["x"].dtype == found["wide"].dtype == wide.dtype
    assert found["wide"].tolist() == wide.tolist()


@pytest.mark.parametrize("codec", CODECS)
def test_every_compression_is_read(tmp_path: Path, codec: str) -> None:
    x = np.tile(FOUR, (50, 3))
    path = saved(tmp_path / "g.parquet", {"x": x}, compression=codec)
    assert here(path.read_bytes())["x"].tolist() == x.tolist()


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
KINDS = st.sampled_from(
    ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "U"]
)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    rows = draw(st.integers(1, 40))
    columns = {}
    for name in draw(st.sets(st.sampled_from(["x", "ü y", "a.b", "element"]), min_size=1)):
        shape = (rows, *draw(SHAPES)[1:])
        kind = draw(KINDS)
        if kind == "U":
            columns[name] = draw(hnp.arrays(object, shape, elements=TEXT)).astype(str)
        else:
            columns[name] = draw(hnp.arrays(np.dtype(kind), shape))
    return columns


OPTIONS = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(CODECS),
        "fixed": st.booleans(),
        "max_row_group_size": st.integers(1, 50),
        "dictionary_enabled": st.booleans(),
        "writer_version": st.sampled_from(["parquet_1_0", "parquet_2_0"]),
        "skip_arrow_metadata": st.booleans(),
    }
)


@settings(deadline=None)
@given(columns=tables(), options=OPTIONS)
def test_parquet_gives_what_npz_gives(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, Any], options: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("both")
    np.savez(folder / "g.npz", **columns)
    expected = npz.read(folder / "g.npz")
    found = here(saved(folder / "g.parquet", columns, **options).read_bytes())
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_rows_of_several_batches_follow_each_other(tmp_path: Path) -> None:
    x = np.random.default_rng(1).integers(0, 1 << 60, (300, 1000, 9), np.int64)
    path = saved(tmp_path / "g.parquet", {"x": x}, max_row_group_size=70, dictionary_enabled=False)
    assert sum(1 for _ in told(path.read_bytes())) > 2
    assert (parquet.read(path)["x"] == x).all()


def test_the_server_does_not_load_the_library(tmp_path: Path) -> None:
    path = saved(tmp_path / "g.parquet", {"x": FOUR})
    asked = (
        "import sys, pathlib; from slipway_runtime.verification import datasets; "
        "assert 'slipway_runtime.verification.parquet' not in sys.modules; "
        "from slipway_runtime.verification import parquet; "
        f"parquet.read(pathlib.Path({str(path)!r})); print('arro3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Fault) as fault:
        read(tmp_path / "g.parquet")
    assert fault.value.reason is Reason.DATASET_MISSING


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "g.parquet").mkdir()
    assert "can't be read: Is a directory" in refused(tmp_path / "g.parquet")


def test_a_column_that_a_check_needs_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "g.parquet", {"x": FOUR, "y": FOUR})
    dataset = checks.Dataset(name="golden", path=str(path))
    check = checks.Output(name="sane", dataset="golden")
    with pytest.raises(Fault) as fault:
        datasets.check_columns(dataset, read(path), [(check, "label")])
    assert "no column 'label'" in fault.value.message
    assert "it has x, y" in fault.value.message


NULL = "is null; write a value for each row"
SIX = Array.from_numpy(np.arange(6, dtype=np.int32))
THIRD = Array([False, False, True, False], DataType.bool())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (strings("a", "b", None, None), f"column 'x', row 2 {NULL}"),
        (
            Array([1.0, None], DataType.float32()),
            "column 'x', row 1 is null; write a number, or where it is NaN, which pandas writes as",
        ),
        (lists([2, 4, 4, 6], SIX, THIRD), f"column 'x', row 2 {NULL}"),
        (lists([2, 4], strings("a", "b", "c", None)), f"column 'x', row 1 {NULL}"),
        (
            fixed_size_list_array(lists([1, 2, 3, 4], strings("a", "b", None, "d")), 2),
            f"column 'x', row 1 {NULL}",
        ),
        (
            lists([2, 4, 5], SIX.slice(0, 5)),
            "column 'x', row 2 has a list of 1 elements where one of 2 is expected",
        ),
        (
            lists([2, 4], lists([1, 2, 4, 5], SIX.slice(0, 5))),
            "column 'x', row 1 has a list of 2 elements where one of 1 is expected",
        ),
        (
            Array([b"a", b"\xff"], DataType.binary()),
            "column 'x', row 1 has bytes that are not UTF-8; write it as a string",
        ),
    ],
)
def test_rows_that_are_no_tensor_are_named(tmp_path: Path, x: Array, message: str) -> None:
    assert message in refused(saved(tmp_path / "g.parquet", {"x": x}))


def test_a_null_is_named_by_its_row_in_the_file(tmp_path: Path) -> None:
    x = np.random.default_rng(1).random((4, 1 << 20), np.float32)
    y = strings("a", "b", "c", None)
    path = saved(tmp_path / "g.parquet", {"x": x, "y": y}, dictionary_enabled=False)
    assert f"column 'y', row 3 {NULL}" in refused(path)


@pytest.mark.parametrize("first", range(9))
def test_the_first_null_is_named(tmp_path: Path, first: int) -> None:
    texts = ["a"] * first + [None] + [None, "b"] * 4
    path = saved(tmp_path / "g.parquet", {"x": strings(*texts)})
    with pytest.raises(UnreadableError, match=f"column 'x', row {first} is null"):
        here(path.read_bytes())


def test_lists_as_old_writers_write_them_are_read(tmp_path: Path) -> None:
    """The column itself is repeated, and has more values than there are rows."""
    repeated, present = b"\2\0\0\0\3\x0a", b"\2\0\0\0\x08\1"
    pages = page(repeated + present + FOUR.tobytes(), 4)
    said = footer(2, chunk("x", FLOAT, 4) | {7: Long(len(pages))})
    said[2][1][3] = 2
    path = forged(tmp_path / "g.parquet", pages, said)
    assert here(path.read_bytes())["x"].tolist() == [[0, 1], [2, 3]]


def test_its_process_has_bounds_of_its_own() -> None:
    asked = (
        "import resource; most = resource.getrlimit(resource.RLIMIT_CORE)[1]; "
        "resource.setrlimit(resource.RLIMIT_CORE, (most, most)); "
        "from slipway_runtime.verification.parquet.__main__ import bound; bound();"
        "print(*(resource.getrlimit(each)[0] for each in (resource.RLIMIT_CPU, "
        "resource.RLIMIT_CORE, resource.RLIMIT_AS)))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True)
    seconds, core, memory = map(int, done.stdout.split())
    assert (seconds, core) == (60, 0)
    assert parquet.MOST_MEMORY_BYTES < memory < 8 * parquet.MOST_MEMORY_BYTES


def test_batches_of_different_shapes_are_refused(tmp_path: Path) -> None:
    size = 1 << 21
    values = Array.from_numpy(np.random.default_rng(1).random(3 * size - 1, np.float32))
    x = lists([size, 2 * size, 3 * size - 1], values)
    path = saved(tmp_path / "g.parquet", {"x": x}, dictionary_enabled=False)
    shapes = f"row 2 has shape [{size - 1}] where [{size}] is expected, as in the rows before"
    assert f"column 'x', {shapes}" in refused(path)


INTEGER = Array.from_numpy(np.arange(2, dtype=np.int64))
PLAIN = "write numbers, booleans, strings, or lists of them"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (INTEGER.cast(DataType.timestamp("ms")), f"is of type Timestamp(ms); {PLAIN}"),
        (INTEGER.cast(DataType.duration("s")), f"is of type Duration(s); {PLAIN}"),
        (INTEGER.cast(DataType.time64("us")), f"is of type Time64(µs); {PLAIN}"),
        (INTEGER.cast(DataType.decimal128(9, 2)), f"is of type Decimal128(9, 2); {PLAIN}"),
        (INTEGER.cast(DataType.int32()).cast(DataType.date32()), f"is of type Date32; {PLAIN}"),
        (struct([INTEGER], fields=[Field("a", DataType.int64())]), "is of type Struct("),
        (
            strings("a", "b").cast(DataType.dictionary(DataType.int8(), DataType.string())),
            "is of type Dictionary(Int8, Utf8); write its plain values, as with astype(str)",
        ),
        (
            lists([1, 2], INTEGER.cast(DataType.timestamp("s"))),
            f"is of type List(Timestamp(s), field: ''); {PLAIN}",
        ),
    ],
)
def test_what_is_no_tensor_is_refused_with_its_type(tmp_path: Path, x: Array, message: str) -> None:
    assert f"column 'x' {message}" in refused(saved(tmp_path / "g.parquet", {"x": x}))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    size = len(PAGE)
    first, second = chunk("x", FLOAT, 4), chunk("x", FLOAT, 4)
    second[9] = Long(4 + size)
    path = forged(tmp_path / "g.parquet", PAGE + PAGE, footer(4, first, second))
    assert "2 columns are called 'x'; rename them" in refused(path)


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "g.parquet", {f"c{number}": FOUR for number in range(257)})
    assert "it has 257 columns; the most are 256" in refused(path)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert "it has no rows" in refused(saved(tmp_path / "g.parquet", {"x": FOUR[:0]}))


def told_by(**more: Any) -> dict[int, Any]:
    return footer(4, chunk("x", FLOAT, 4), **more)


def changed(**fields: Any) -> dict[int, Any]:
    """Say something else of the one column."""
    column = chunk("x", FLOAT, 4)
    return footer(4, column | {int(key.removeprefix("field")): v for key, v in fields.items()})


def in_column(number: int, value: Any) -> dict[int, Any]:
    """Say something of the one column, beside what its pages are."""
    said = told_by()
    [column] = said[4][0][1]
    said[4][0][1] = [dict(sorted((column | {number: value}).items()))]
    return said


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (told_by(field8={1: {}}), "it is encrypted, and a server has no key"),
        (in_column(8, {1: {}}), "a column is encrypted, and a server has no key"),
        (in_column(1, b"b.parquet"), "its columns are in other files; write all into one"),
        (changed(field4=3), "column 'x' is packed with LZO; write it with snappy, zstd"),
        (changed(field4=8), "column 'x' is packed with 8; write it with snappy, zstd"),
        (changed(field4=-1), "column 'x' is packed with -1; write it with snappy, zstd"),
        (changed(field5=Long(-1)), "column 'x' has -1 values of 64 bytes"),
        (changed(field6=Long(-1)), "column 'x' has 4 values of -1 bytes"),
        (changed(field5=Long(3)), "column 'x' has 3 values where 4 rows are expected"),
        (
            changed(field6=Long(MOST + 1)),
            f"its 4 rows have {MOST + 1} bytes unpacked, most of them in column 'x'; the most are",
        ),
        (
            footer(MOST, chunk("x", FLOAT, MOST)),
            f"its {MOST} rows have {4 * MOST} bytes unpacked, most of them in column 'x'",
        ),
        (
            footer(5, chunk("x", FLOAT, 5) | {7: Long(len(PAGE))}),
            "it says that it has 5 rows, and has 4",
        ),
        (b"\x19\xfc\xff\xff\xff\xff\x0f", "its footer is broken: it says that 4294967295 elements"),
        (b"\x18\xff\xff\xff\xff\x0f", "its footer is broken: it says that 4294967295 bytes"),
        (b"\x1c" * 99, "its footer is broken: it has more than 32 levels"),
        (b"\x1d\0", "its footer is broken: it has a value of kind 13"),
        (b"\x15" + b"\xff" * 11, "its footer is broken: it has a number of more than ten bytes"),
        (b"\x15", "its footer is broken: it says that 1 bytes follow, and ends"),
        (b"\0", "its footer is not that of a parquet file"),
        ({1: 1, 2: 3, 3: 4, 4: 5}, "its footer is not that of a parquet file"),
        (b"\0" * ((4 << 20) + 1), "it says that its footer has 4194305 bytes"),
    ],
)
def test_what_a_footer_says_is_not_believed(tmp_path: Path, said: Any, message: str) -> None:
    assert message in refused(forged(tmp_path / "g.parquet", PAGE, said))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no parquet file, which would begin with PAR1"),
        (b"PAR1", "it is no parquet file"),
        (b"PK\3\4" + b"0" * 99, "it is no parquet file"),
        (b"PAR1" + b"0" * 99, "it is cut: its 103 bytes do not end with PAR1"),
        (b"PARE" + b"0" * 99 + b"PARE", "its footer is encrypted, and a server has no key"),
        (b"PAR1" + b"0" * 20 + b"\xff\xff\0\0PAR1", "it says that its footer has 65535 bytes"),
        (b"PAR1" + b"0" * 20 + b"\0\0\0\0PAR1", "it says that its footer has 0 bytes"),
    ],
)
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "g.parquet").write_bytes(content)
    assert message in refused(tmp_path / "g.parquet")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "g.parquet"
    with path.open("wb") as file:
        file.truncate(MOST + 1)
    assert f"it has {MOST + 1} bytes, the most are {MOST}" in refused(path)


def test_a_string_that_is_repeated_too_often_is_counted_each_time(tmp_path: Path) -> None:
    """The file has it once, and says so."""
    path = saved(tmp_path / "g.parquet", {"x": np.array(["a" * 100_000] * 800)})
    assert path.stat().st_size < 1 << 20
    message = refused(path)
    assert "of 800 rows have" in message
    assert f"the most are {MOST}: write fewer rows" in message


TOO_MUCH = f"it takes more than {parquet.MOST_MEMORY_BYTES} bytes of memory to unpack"
GZIP, ZSTD = 2, 6


def bombs() -> Iterator[Any]:
    zeros = gzip.compress(bytes(1 << 29))
    yield pytest.param(page(zeros, 4, unpacked=16), FLOAT, GZIP, id="gzip of more than it says")
    huge = page(FOUR.tobytes(), 4, unpacked=(1 << 31) - 1)
    yield pytest.param(huge, FLOAT, ZSTD, id="a page that says it is huge")
    text = (1 << 24).to_bytes(4, "little") + bytes(1 << 24)
    often = page(b"\1\x80\x02\0", 128, encoding=RLE_DICTIONARY)
    repeated = files.dictionary(text, 1) + often
    yield pytest.param(repeated, BYTE_ARRAY, 0, id="one string, many times")


@pytest.mark.parametrize(("pages", "kind", "codec"), [*bombs()])
def test_what_unpacks_to_more_than_it_says_takes_no_more_memory_than_it_may(
    tmp_path: Path, pages: bytes, kind: int, codec: int
) -> None:
    rows = 128 if kind == BYTE_ARRAY else 4
    path = files.one(tmp_path / "g.parquet", pages, rows, kind, codec)
    assert TOO_MUCH in refused(path)


@pytest.mark.parametrize(
    ("status", "stderr", "message"),
    [
        (-signal.SIGABRT, b"memory allocation of 9 bytes failed", "bytes of memory to unpack"),
        (
            -signal.SIGABRT,
            b"thread '<unnamed>' panicked at a.rs:1:\nwrong bits\npanicked at b.rs:1:\nagain\n",
            "it can't be read: wrong bits; write it anew",
        ),
        (-signal.SIGKILL, b"", "or more than the pod has"),
        (-signal.SIGXCPU, b"", "it takes more than 60 s to unpack; write fewer rows"),
        (-signal.SIGSEGV, b"", "its reader has ended with signal SIGSEGV (it says nothing)"),
        (1, b"a\nImportError: b\n", "its reader has ended with status 1 (ImportError: b)"),
    ],
)
def test_how_its_reader_ends_is_told(status: int, stderr: bytes, message: str) -> None:
    assert message in parquet.death(status, stderr)


def a_file() -> bytes:
    """Write a small file with something of all."""
    columns: dict[str, Any] = {
        "x": np.arange(24, dtype=np.float32).reshape(4, 3, 2),
        "y": np.array([[1, 2]] * 4, np.int64),
        "label": np.array(["a", "bc", "", "ü"]),
        "sure": np.array([True, False, True, True]),
        "half": np.ones(4, np.float16),
    }
    table = Table.from_pydict({name: files.column(each) for name, each in columns.items()})
    content = BytesIO()
    write_parquet(table, content, compression="snappy", max_row_group_size=3)
    return content.getvalue()


FUZZ = """
import mmap, os, random, sys
from slipway_runtime.verification.parquet.__main__ import bound, told
whole, shared, start = sys.stdin.buffer.read(), mmap.mmap(-1, 8), 0
bound()
while True:
    child = os.fork()
    if child == 0:
        for at in range(start, 3 * len(whole)):
            shared[:] = at.to_bytes(8)
            place, way = divmod(at, 3)
            content = bytearray(whole)
            if way == 2:
                del content[place:]
            else:
                content[place] ^= (0x80 if way else 1 << random.Random(at).randrange(7))
            list(told(bytes(content)))
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    start = int.from_bytes(shared[:]) + 1
    print(start, ended)
    if ended >= 0:
        break
"""
ENDED = {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGXCPU}


@pytest.mark.timeout(600)
def test_a_broken_file_gives_rows_or_a_problem_wherever_it_is_broken() -> None:
    """Where the library ends its process, that is told as well: go on behind it."""
    content = a_file()
    done = subprocess.run(
        [sys.executable, "-c", FUZZ],
        input=content,
        capture_output=True,
        check=False,
        env={**os.environ, **parquet.ALONE},
    )
    *deaths, last = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    assert last == (3 * len(content), 0), done.stderr.decode()[-2000:]
    assert {ended for _, ended in deaths} <= ENDED
    assert len(deaths) < 40


@pytest.mark.parametrize("place", range(3, 24))
def test_a_broken_file_is_no_more_than_unreadable(tmp_path: Path, place: int) -> None:
    content = bytearray(a_file())
    at = len(content) * place // 24
    content[at] ^= 0x55
    for broken in (bytes(content), bytes(content[:at])):
        (tmp_path / "g.parquet").write_bytes(broken)
        with suppress(UnreadableError):
            parquet.read(tmp_path / "g.parquet")
