"""From a data set's file to rows, whatever is in the file."""

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway_runtime import checks
from slipway_runtime.datatypes import BF16, Signature, TensorSpec
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.verification import datasets
from slipway_runtime.verification.columns import BY_NAME, Table, from_bfloat16, to_bfloat16

SIGNATURE = Signature({"x": TensorSpec("x", BY_NAME["FP32"], (-1, 2))}, {})
X = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}
Y = {"name": "y", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}


def read(path: Path, signature: Signature = SIGNATURE) -> Table:
    return datasets.read(checks.Dataset(name="golden", path=str(path)), signature)


def refused(path: Path) -> Fault:
    with pytest.raises(Fault) as fault:
        read(path)
    assert "golden" in fault.value.message
    assert str(path) in fault.value.message
    return fault.value


def saved(directory: Path, **arrays: Any) -> Path:
    np.savez(directory / "g.npz", **arrays)
    return directory / "g.npz"


def written(directory: Path, *cases: Any) -> Path:
    (directory / "g.json").write_text(json.dumps({"cases": cases}))
    return directory / "g.json"


def packed(directory: Path, content: bytes, name: str = "x.npy") -> Path:
    with zipfile.ZipFile(directory / "g.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return directory / "g.npz"


def test_arrays_named_like_inputs_are_asked_and_others_compared_with(tmp_path: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = read(saved(tmp_path, x=x, label=np.array(["a", "b", "ü"]), y=np.array([b"q"] * 3)))
    assert table.rows == 3
    assert (table.inputs["x"].datatype.name, table.inputs["x"].values.tolist()) == (
        "FP32",
        x.tolist(),
    )
    assert table.columns["label"].tolist() == ["a", "b", "ü"]
    assert table.columns["y"].tolist() == ["q"] * 3


def test_arrays_of_another_order_are_the_same_numbers(tmp_path: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    for array in (np.asfortranarray(x), x.astype(">f4"), x[:, ::-1][:, ::-1]):
        table = read(saved(tmp_path, x=array))
        assert table.inputs["x"].values.tolist() == x.tolist()
        assert table.inputs["x"].datatype.name == "FP32"


def test_an_arrays_datatype_is_what_is_sent(tmp_path: Path) -> None:
    """Callers who send it would be refused as well."""
    table = read(saved(tmp_path, x=np.zeros((1, 2))))
    assert table.inputs["x"].datatype.name == "FP64"


def test_float32_is_rounded_for_a_model_of_bfloat16(tmp_path: Path) -> None:
    signature = Signature({"x": TensorSpec("x", BF16, (-1,))}, {})
    table = read(saved(tmp_path, x=np.array([1.0, 1.005, -3.39e38, np.nan], "f4")), signature)
    bits = table.inputs["x"].wire()
    assert bits.dtype == np.uint16
    assert from_bfloat16(bits)[:2].tolist() == [1.0, 1.0078125]
    assert np.isnan(from_bfloat16(bits)[3])


def test_bfloat16_is_rounded_to_the_nearest_and_to_even() -> None:
    halves = np.array([0x3F808000, 0x3F818000, 0x3F808001], np.uint32).view(np.float32)
    assert [hex(bits) for bits in to_bfloat16(halves)] == ["0x3f80", "0x3f82", "0x3f81"]


def test_the_rows_of_all_cases_follow_each_other(tmp_path: Path) -> None:
    more = X | {"shape": [1, 2], "data": [[5, 6]]}
    cases = (
        {"inputs": [X], "outputs": [Y]},
        {"inputs": [more], "outputs": [Y | {"shape": [1], "data": ["c"]}]},
    )
    table = read(written(tmp_path, *cases))
    assert table.inputs["x"].values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert table.columns["y"].tolist() == ["a", "b", "c"]


def test_json_may_have_numbers_for_types_that_requests_can_not_write(tmp_path: Path) -> None:
    half = {"name": "h", "datatype": "FP16", "shape": [1], "data": [0.1]}
    table = read(written(tmp_path, {"inputs": [half]}))
    assert table.inputs["h"].wire().dtype == np.float16


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ([], "has no rows"),
        ([{"inputs": []}], "has no rows"),
        ([{"inputs": [X], "labels": []}], "unknown field `labels`"),
        ([{"inputs": [X | {"datatype": "FP8"}]}], "FP8"),
        ([{"inputs": [X | {"shape": []}]}], "begins with the number of rows"),
        ([{"inputs": [X | {"data": [1, 2]}]}], "2 elements"),
        ([{"inputs": [X], "outputs": [Y | {"shape": [1], "data": ["a"]}]}], "differ in their rows"),
        (
            [{"inputs": [X]}, {"inputs": [X], "outputs": [Y]}],
            "case 1 has y where case 0 has nothing",
        ),
        ([{"inputs": [X]}, {"inputs": [X | {"shape": [4, 1]}]}], "another shape in some cases"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path: Path, cases: Any, message: str) -> None:
    fault = refused(written(tmp_path, *cases))
    assert fault.reason is Reason.DATASET_INVALID
    assert message in fault.message


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"cases": 1}', b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "g.json"
    path.write_bytes(content)
    assert refused(path).reason is Reason.DATASET_INVALID


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    for name in ("g.npz", "g.json"):
        assert refused(tmp_path / name).reason is Reason.DATASET_MISSING


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no array of numpy.save"),
        (b"\x93NUMPY\x01\x00\xff\xff", "no array of numpy.save"),
        (npy("__import__('os')"), "no header"),
        (npy("(" * 300), "no header"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}"), "has 0 bytes"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "dtype"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"."), "dtype object"),
        (npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", b"." * 8), "datetime"),
        (npy("{'descr': '|S1', 'fortran_order': False, 'shape': (1,)}", b"\xff"), "not UTF-8"),
    ],
)
def test_an_array_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    fault = refused(packed(tmp_path, content))
    assert fault.reason is Reason.DATASET_INVALID
    assert message in fault.message


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    fault = refused(saved(tmp_path, x=np.array([{"a": 1}], object)))
    assert "dtype object" in fault.message


def test_a_file_that_would_unpack_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    content = BytesIO()
    np.save(content, np.zeros(checks.MOST_DATASET_BYTES, np.uint8))
    path = packed(tmp_path, content.getvalue())
    assert path.stat().st_size < 1 << 20
    assert "the most are" in refused(path).message


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, x=np.zeros((100, 2), np.float32))
    for size in (0, 100, path.stat().st_size - 1):
        path.write_bytes(path.read_bytes()[:size])
        assert refused(path).reason is Reason.DATASET_INVALID


@pytest.mark.parametrize("x", [np.float32(1), np.zeros((0, 2), np.float32)])
def test_columns_without_rows_are_refused(tmp_path: Path, x: Any) -> None:
    assert refused(saved(tmp_path, x=x)).reason is Reason.DATASET_INVALID


def test_columns_of_other_lengths_are_told_with_their_rows(tmp_path: Path) -> None:
    path = saved(tmp_path, x=np.zeros((3, 2), np.float32), label=np.zeros(2))
    assert "x 3, label 2" in refused(path).message
