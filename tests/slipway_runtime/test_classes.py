import ml_dtypes
import numpy as np
import pytest

from slipway_runtime.classes import Classes
from slipway_runtime.datatypes import DATATYPES

BY_NAME = {datatype.name: datatype for datatype in DATATYPES}


@pytest.mark.parametrize(
    ("datatype", "given", "count", "expected"),
    [
        pytest.param("FP32", [1, 5, 10, 4], 2, ["10.000000:2", "5.000000:1"], id="one row"),
        pytest.param("INT64", [[1, 5], [9, 2]], 1, [["5:1"], ["9:0"]], id="rows"),
        pytest.param("UINT8", [[0, 255, 1]], 9, [["255:1", "1:2", "0:0"]], id="all there are"),
        pytest.param("INT32", [7, 7, 8, 7], 3, ["8:2", "7:0", "7:1"], id="the first of equals"),
        pytest.param("INT64", [[[1, 2], [4, 3]]], 2, [["4:2", "3:3"]], id="a deep row"),
        pytest.param("FP64", 0.5, 1, ["0.500000:0"], id="a scalar"),
        pytest.param("INT64", [2**63 - 1, 2**63 - 2], 1, [f"{2**63 - 1}:0"], id="64 bits"),
        pytest.param("FP16", [0.25, -np.inf], 2, ["0.250000:0", "-inf:1"], id="half precision"),
    ],
)
def test_the_highest_values_come_first(
    datatype: str, given: object, count: int, expected: object
) -> None:
    array = np.array(given, BY_NAME[datatype].dtype)
    assert Classes(BY_NAME[datatype], count).of(array).tolist() == expected


def test_bfloat16_is_compared_as_a_number() -> None:
    array = np.array([[-1, 0.5]], ml_dtypes.bfloat16).view(np.uint16)
    assert Classes(BY_NAME["BF16"], 1).of(array).tolist() == [["0.500000:1"]]


def test_no_rows_have_no_classes() -> None:
    assert Classes(BY_NAME["FP32"], 2).of(np.empty((0, 3), np.float32)).shape == (0, 2)
