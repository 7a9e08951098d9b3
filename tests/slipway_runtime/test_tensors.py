from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_runtime import json_tensors, tensors
from slipway_runtime.datatypes import DATATYPES, Datatype, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from support.tensors import ANY_JSON, BY_NAME, a_spec, arrays


@given(arrays(in_json=False))
def test_what_is_written_as_binary_is_read_again(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    read = tensors.from_bytes(spec, list(array.shape), bytes(tensors.to_bytes(array)))
    assert read.shape == array.shape
    assert read.dtype == array.dtype
    assert read.tolist() == array.tolist() or read.tobytes() == array.tobytes()


@given(
    st.sampled_from(DATATYPES),
    st.lists(st.integers(-2, 3) | st.integers(), max_size=4),
    ANY_JSON | st.binary() | st.from_regex(rb"\[[\[\], .0-9e\"a-z-]{0,20}\]", fullmatch=True),
)
def test_any_data_gives_a_tensor_of_its_shape_or_a_refusal(
    datatype: Datatype, shape: list[int], data: bytes
) -> None:
    spec = a_spec(datatype, *(-1 for _ in shape))
    for read in (json_tensors.read, tensors.from_bytes):
        try:
            array = read(spec, shape, data)
        except InvalidRequestError:
            continue
        assert array.shape == tuple(shape)
        assert array.dtype == datatype.dtype


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


def test_binary_data_anywhere_in_a_body_is_aligned_in_memory() -> None:
    body = memoryview(b"." + np.arange(3, dtype="<f8").tobytes())
    array = tensors.from_bytes(a_spec(BY_NAME["FP64"], -1), [3], body[1:])
    assert array.flags.aligned
    assert array.tolist() == [0, 1, 2]


def test_a_large_output_is_not_copied() -> None:
    array = np.zeros(100_000, np.float32)
    written = tensors.to_bytes(array)
    assert np.shares_memory(np.frombuffer(written, np.uint8), array)
