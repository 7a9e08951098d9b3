from decimal import Decimal
from typing import Any

import pytest

from slipway_operator.core.manifest import covers, quantity


@pytest.mark.parametrize(
    ("live", "desired"),
    [
        pytest.param({"a": 1, "defaulted": 2}, {"a": 1}, id="the API server adds defaults"),
        pytest.param({"a": 1}, {"a": 1, "empty": {}}, id="and drops what is empty"),
        pytest.param([{"n": 1, "d": 2}], [{"n": 1}], id="in lists too"),
        pytest.param({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1000m"}}, id="and rewrites"),
        pytest.param({"averageValue": "1"}, {"averageValue": "1000m"}, id="in metrics, too"),
        pytest.param({"labelSelector": {}}, {"labelSelector": {"matchLabels": {}}}, id="selectors"),
    ],
)
def test_what_the_api_server_does_to_an_object_is_no_drift(live: Any, desired: Any) -> None:
    assert covers(live, desired)


@pytest.mark.parametrize(
    ("live", "desired"),
    [
        ({"a": 2}, {"a": 1}),
        ({}, {"a": 1}),
        ([{"n": 1}, {"n": 2}], [{"n": 1}]),
        ([], [{"n": 1}]),
        (None, {"a": 1}),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "1"}}),
        ({"limits": {}}, {"limits": {"cpu": "1"}}),
        pytest.param({"selector": {"a": "1", "b": "2"}}, {"selector": {"a": "1"}}, id="narrowed"),
        ({"averageValue": "2"}, {"averageValue": "1"}),
    ],
)
def test_anything_else_is(live: Any, desired: Any) -> None:
    assert not covers(live, desired)


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", "0.5"), ("2", "2"), ("64Mi", str(64 * 2**20)), ("1k", "1000"), ("1E", "1e18"),
     ("1Ei", str(2**60)), (3, "3"), ("100n", "1e-7")],
)  # fmt: skip
def test_quantities(text: str | int, value: str) -> None:
    assert quantity(text) == Decimal(value)


def test_what_is_no_quantity_is_said_so() -> None:
    with pytest.raises(ValueError, match="'many' is not a quantity"):
        quantity("many")
