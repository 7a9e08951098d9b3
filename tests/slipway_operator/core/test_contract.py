from typing import Any

import pytest

from slipway_operator.core.contract import Signature, Tensor, broken, widened

X = Tensor("x", "FP32", (-1, 4))
Y = Tensor("y", "FP32", (-1, 3))
BEFORE = Signature((X,), (Y,))


def resized(tensor: Tensor, *shape: int) -> Tensor:
    return tensor._replace(shape=shape)


@pytest.mark.parametrize(
    ("after", "problems"),
    [
        pytest.param(BEFORE, (), id="the same"),
        pytest.param(Signature((X,), (Tensor("z", "FP32", ()), Y)), (), id="a new output, first"),
        pytest.param(Signature((resized(X, -1, -1),), (Y,)), (), id="an input takes more"),
        pytest.param(Signature((X,), (resized(Y, -1, -1),)), (), id="an output's size is open"),
        pytest.param(
            Signature((X, Tensor("w", "FP32", ())), (Y,)),
            ("input w is new, and callers do not send it",),
            id="a new input",
        ),
        pytest.param(
            Signature((Tensor("X", "FP32", (-1, 4)),), (Y,)),
            ("input x is missing", "input X is new, and callers do not send it"),
            id="a renamed input",
        ),
        pytest.param(Signature((X,), ()), ("output y is missing",), id="a lost output"),
        pytest.param(
            Signature((X._replace(datatype="FP64"),), (Y._replace(datatype="INT64"),)),
            ("input x was FP32 and is FP64", "output y was FP32 and is INT64"),
            id="other types",
        ),
        pytest.param(
            Signature((X,), (resized(Y, -1),)),
            ("output y had 2 dimensions and has 1",),
            id="another rank",
        ),
        pytest.param(
            Signature((resized(X, -1, 5),), (Y,)),
            ("input x had the shape [-1, 4] and has [-1, 5]",),
            id="another fixed size",
        ),
        pytest.param(
            Signature((resized(X, 1, 4),), (Y,)),
            ("input x had the shape [-1, 4] and has [1, 4]",),
            id="any size becomes a fixed one",
        ),
    ],
)
def test_what_breaks_a_caller_is_named_field_by_field(
    after: Signature, problems: tuple[str, ...]
) -> None:
    assert broken(BEFORE, after) == problems


@pytest.mark.parametrize(
    ("after", "said"),
    [
        pytest.param(BEFORE, (), id="the same"),
        pytest.param(
            Signature((X,), (Tensor("z", "FP32", ()), Y)), ("output z is new",), id="a new output"
        ),
        pytest.param(
            Signature((resized(X, -1, -1),), (resized(Y, -1, -1),)),
            (
                "input x had the shape [-1, 4] and has [-1, -1]",
                "output y had the shape [-1, 3] and has [-1, -1]",
            ),
            id="open sizes",
        ),
        pytest.param(Signature((resized(X, -1, 5),), (resized(Y, -1),)), (), id="what breaks"),
    ],
)
def test_what_differs_and_breaks_no_caller_is_named_as_well(
    after: Signature, said: tuple[str, ...]
) -> None:
    assert widened(BEFORE, after) == said


def test_status_gives_back_what_was_written_into_it() -> None:
    assert Signature.read(BEFORE.write()) == BEFORE


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        {"inputs": [], "outputs": []},
        {"inputs": [X.write()] * 65, "outputs": []},
        {"inputs": [X.write()], "outputs": None},
        {"inputs": [{"name": "x"}], "outputs": []},
    ],
)
def test_what_is_not_known_is_none(raw: Any) -> None:
    assert Signature.read(raw) is None
