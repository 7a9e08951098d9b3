import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from slipway_runtime import tensors
from slipway_runtime.datatypes import DATATYPES, Datatype, TensorSpec
from slipway_runtime.errors import InvalidRequestError

BY_NAME = {datatype.name: datatype for datatype in DATATYPES}
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def a_spec(datatype: Datatype, *shape: int) -> TensorSpec:
    return TensorSpec("x", datatype, shape)


@st.composite
def arrays(draw: st.DrawFn, in_json: bool) -> tuple[TensorSpec, Any]:
    datatype = draw(st.sampled_from([d for d in DATATYPES if d.in_json or not in_json]))
    shape = draw(SHAPES)
    if datatype.name == "BYTES":
        array = draw(hnp.arrays(object, shape, elements=TEXT))
    elif in_json and datatype.dtype.kind == "f":
        width: Any = datatype.dtype.itemsize * 8
        finite = st.floats(width=width, allow_nan=False, allow_infinity=False)
        array = draw(hnp.arrays(datatype.dtype, shape, elements=finite))
    else:
        array = draw(hnp.arrays(datatype.dtype, shape))
    return a_spec(datatype, *(-1 for _ in shape)), array


@given(arrays(in_json=False))
def test_what_is_written_as_binary_is_read_again(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    read = tensors.from_bytes(spec, list(array.shape), bytes(tensors.to_bytes(spec, array)))
    assert read.shape == array.shape
    assert read.dtype == array.dtype
    assert read.tolist() == array.tolist() or read.tobytes() == array.tobytes()


@given(arrays(in_json=True))
def test_what_is_written_as_json_is_read_again(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    read = tensors.from_json(spec, list(array.shape), tensors.to_json(spec, array))
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


@given(arrays(in_json=True))
def test_nested_data_means_the_same_as_flat_data(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    nested = json.dumps(array.tolist()).encode()
    assert np.array_equal(tensors.from_json(spec, list(array.shape), nested), array)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


@given(
    st.sampled_from(DATATYPES),
    st.lists(st.integers(-2, 3) | st.integers(), max_size=4),
    ANY_JSON | st.binary() | st.from_regex(rb"\[[\[\], .0-9e\"a-z-]{0,20}\]", fullmatch=True),
)
def test_any_data_gives_a_tensor_of_its_shape_or_a_refusal(
    datatype: Datatype, shape: list[int], data: bytes
) -> None:
    spec = a_spec(datatype, *(-1 for _ in shape))
    for read in (tensors.from_json, tensors.from_bytes):
        try:
            array = read(spec, shape, data)
        except InvalidRequestError:
            continue
        assert array.shape == tuple(shape)
        assert array.dtype == datatype.dtype


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "expected"),
    [
        pytest.param("FP32", [2], "[1]", "has 1 elements", id="too few"),
        pytest.param("FP32", [1], "[1, 2]", "has 2 elements", id="too many"),
        pytest.param("FP32", [2, 2], "[[1, 2], [3]]", "differ in length", id="ragged"),
        pytest.param("BYTES", [2, 1], '[["a", "b"], ["c"]]', "elements in shape", id="ragged text"),
        pytest.param("FP32", [2, 1], "[[1, 2]]", "in shape [1, 2]", id="transposed"),
        pytest.param("FP32", [1, 1, 1], "[[1]]", "nested 2 deep", id="half nested"),
        pytest.param("FP32", [1], '["1.5"]', "Expected `float`, got `str`", id="a quoted number"),
        pytest.param("FP32", [1], "[true]", "Expected `float`, got `bool`", id="a boolean"),
        pytest.param("FP32", [1], "[null]", "Expected `float`, got `null`", id="null"),
        pytest.param("FP32", [1], "[1e39]", "beyond FP32", id="beyond a float"),
        pytest.param("FP64", [1], "[1e400]", "out of range", id="beyond a double"),
        pytest.param("INT32", [1], "[1.5]", "Expected `int`, got `float`", id="a fraction"),
        pytest.param("INT8", [1], "[128]", "beyond INT8", id="beyond eight bits"),
        pytest.param("UINT8", [1], "[-1]", "beyond UINT8", id="negative"),
        pytest.param("UINT64", [1], "[18446744073709551616]", "beyond UINT64", id="beyond 64 bits"),
        pytest.param("BOOL", [1], "[1]", "Expected `bool`, got `int`", id="a number"),
        pytest.param("BYTES", [1], "[1]", "Expected `str`, got `int`", id="no text"),
        pytest.param("FP16", [1], "[1]", "has no JSON form", id="half precision"),
        pytest.param("FP32", [-1], "[1]", "negative dimension", id="negative dimension"),
        pytest.param("FP32", [2**63, 2**63], "[]", "takes 8507", id="an overflowing shape"),
        pytest.param("FP32", [2**40, 0], "[]", "too large for an empty", id="a phantom"),
        pytest.param("FP32", [1] * 33, "[1]", "33 dimensions", id="too many dimensions"),
    ],
)
def test_a_refusal_names_what_came(
    datatype: str, shape: list[int], data: str, expected: str
) -> None:
    spec = a_spec(BY_NAME[datatype], *(-1 for _ in shape))
    with pytest.raises(InvalidRequestError) as refusal:
        tensors.from_json(spec, shape, data.encode())
    assert expected in str(refusal.value)
    assert "'x'" in str(refusal.value)


@pytest.mark.parametrize("shape", [[2, 3], [2], [2, 4, 1], []])
def test_a_shape_that_is_not_the_models_is_refused(shape: list[int]) -> None:
    with pytest.raises(InvalidRequestError, match=r"the model takes \[-1, 4\]"):
        tensors.check_shape(a_spec(BY_NAME["FP32"], -1, 4), shape)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "expected"),
    [
        pytest.param("FP32", [1], b"123", "3 bytes came", id="a byte too few"),
        pytest.param("FP32", [1], b"12345", "5 bytes came", id="a byte too many"),
        pytest.param("BOOL", [2], b"\x01\x02", "0 or 1", id="neither true nor false"),
        pytest.param("BYTES", [1], b"\x05\0\0\0abc", "runs past", id="a string too long"),
        pytest.param("BYTES", [1], b"\x05\0", "runs past", id="half a length"),
        pytest.param("BYTES", [2], b"\x01\0\0\0a", "first 1 of them", id="a string too few"),
        pytest.param("BYTES", [1], b"\0\0\0\0\0", "4 of 5 bytes", id="bytes after the last"),
        pytest.param("BYTES", [1], b"\x01\0\0\0\xff", "not UTF-8", id="no text"),
    ],
)
def test_binary_data_that_does_not_fit_is_refused(
    datatype: str, shape: list[int], data: bytes, expected: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        tensors.from_bytes(a_spec(BY_NAME[datatype], *(-1 for _ in shape)), shape, data)
    assert expected in str(refusal.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_null_in_json(number: float) -> None:
    with pytest.raises(InvalidRequestError, match="ask for it as binary"):
        tensors.to_json(a_spec(BY_NAME["FP32"], -1), np.array([1, number], np.float32))


def test_the_text_null_is_no_missing_number() -> None:
    array = np.array(["null"], object)
    assert tensors.to_json(a_spec(BY_NAME["BYTES"], -1), array) == b'["null"]'


def test_binary_data_anywhere_in_a_body_is_aligned_in_memory() -> None:
    body = memoryview(b"." + np.arange(3, dtype="<f8").tobytes())
    array = tensors.from_bytes(a_spec(BY_NAME["FP64"], -1), [3], body[1:])
    assert array.flags.aligned
    assert array.tolist() == [0, 1, 2]


def test_a_large_output_is_not_copied() -> None:
    array = np.zeros(100_000, np.float32)
    written = tensors.to_bytes(a_spec(BY_NAME["FP32"], -1), array)
    assert np.shares_memory(np.frombuffer(written, np.uint8), array)
