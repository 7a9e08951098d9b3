import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway_runtime import json_tensors
from slipway_runtime.datatypes import TensorSpec
from slipway_runtime.errors import InvalidRequestError
from support.tensors import BY_NAME, a_spec, arrays


@given(arrays(in_json=True))
def test_what_is_written_as_json_is_read_again(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    read = json_tensors.read(spec, list(array.shape), json_tensors.write("y", array))
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


@given(arrays(in_json=True))
def test_nested_data_means_the_same_as_flat_data(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    nested = json.dumps(array.tolist()).encode()
    assert np.array_equal(json_tensors.read(spec, list(array.shape), nested), array)


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
        pytest.param("FP32", [1], "[1e39]", "Expected `float` < 3.40", id="beyond a float"),
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
        json_tensors.read(spec, shape, data.encode())
    assert expected in str(refusal.value)
    assert "'x'" in str(refusal.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_null_in_json(number: float) -> None:
    with pytest.raises(InvalidRequestError, match="ask for it as binary"):
        json_tensors.write("y", np.array([1, number], np.float32))


def test_the_text_null_is_no_missing_number() -> None:
    array = np.array(["null"], object)
    assert json_tensors.write("y", array) == b'["null"]'


@st.composite
def large(draw: st.DrawFn) -> tuple[TensorSpec, Any, bytes]:
    """Draw a tensor of several pieces, and its JSON, flat or nested, with spaces or without."""
    name = draw(st.sampled_from(["FP32", "FP64", "INT8", "UINT64", "BOOL"]))
    shape = draw(st.sampled_from([[40_000], [200, 200], [1, 40_000], [40_000, 1], [2, 100, 200]]))
    dtype = BY_NAME[name].dtype
    count = int(np.prod(shape))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    array = (rng.integers(0, 128, count) / (8 if dtype.kind == "f" else 1)).astype(dtype)
    array = array.reshape(shape)
    listed = array.tolist() if draw(st.booleans()) else array.ravel().tolist()
    text = json.dumps(listed, separators=draw(st.sampled_from([(",", ":"), (" , ", ":")])))
    return a_spec(BY_NAME[name], *(-1 for _ in shape)), array, text.encode()


@given(large())
@settings(max_examples=20, deadline=None)
def test_large_data_is_read_in_pieces_as_small_data_is(case: tuple[TensorSpec, Any, bytes]) -> None:
    spec, array, text = case
    assert len(text) > json_tensors.PIECE_BYTES
    read = json_tensors.read(spec, list(array.shape), text)
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


LONG = b"1.5," * 40_000
NESTED = b"[" + b"[1.5,2.5]," * 20_000


@pytest.mark.parametrize(
    ("shape", "data", "expected"),
    [
        pytest.param([40_000], b"[" + LONG + b"1]", "data has 40001 elements", id="one too many"),
        pytest.param([40_001], b"[" + LONG[:-1] + b"]", "has 40000 elements", id="one too few"),
        pytest.param([40_001], b"[" + LONG + b"1e39]", "Expected `float` <", id="beyond a float"),
        pytest.param([40_001], b"[" + LONG + b'"1"]', "Expected `float`, got `str`", id="text"),
        pytest.param([40_001], b"[" + LONG + b"{}]", "Expected `float`, got `object`", id="a map"),
        pytest.param([40_001], b"[" + LONG + b"[1]]", "not nested as", id="nested at its end"),
        pytest.param([20_001, 2], NESTED + b"[1,2]]", "", id="right"),
        pytest.param([20_001, 2], NESTED + b"[1]]", "data has 40001 elements", id="a short row"),
        pytest.param([20_001, 2], NESTED + b"[1,[2]]]", "not nested as", id="nested too deep"),
        pytest.param([20_001, 2], NESTED + b"1,2]", "not nested as", id="nested too little"),
        pytest.param(
            [20_002, 2], NESTED + b"[1],[2,3,4]]", "not nested as", id="one in another's row"
        ),
        pytest.param([2, 20_001], NESTED + b"[1,2]]", "not nested as", id="transposed"),
        pytest.param(
            [1 << 40], b"[" + LONG + b"1]", "data has 40001 elements", id="a shape of terabytes"
        ),
        pytest.param(
            [1 << 60, 1 << 60], NESTED + b"[1,2]]", "data has 40002 elements", id="overflowing"
        ),
    ],
)
def test_large_data_that_does_not_fit_is_refused(
    shape: list[int], data: bytes, expected: str
) -> None:
    spec = a_spec(BY_NAME["FP32"], *(-1 for _ in shape))
    if not expected:
        assert json_tensors.read(spec, shape, data).shape == tuple(shape)
        return
    with pytest.raises(InvalidRequestError, match=expected):
        json_tensors.read(spec, shape, data)


def test_a_large_output_is_written_as_a_small_one_is() -> None:
    array = np.arange(100_000, dtype=np.float32) / 8
    assert json.loads(b"".join(json_tensors.write_in_pieces("y", array))) == array.tolist()
