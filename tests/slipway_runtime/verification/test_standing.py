"""When a pod that is wrong turns callers away, and when it takes them back."""

from functools import reduce

import pytest

from slipway_runtime.verification.standing import Result, Standing

RIGHT, WRONG, ERROR = Result.RIGHT, Result.WRONG, Result.ERROR


def after(*results: Result) -> Standing:
    return reduce(Standing.after, results, Standing(3))


def heard(standing: Standing, *rights: bool) -> Standing:
    return reduce(Standing.heard, rights, standing)


WRONG_POD = after(WRONG, WRONG, WRONG)


@pytest.mark.parametrize(
    ("rounds", "wrong"),
    [
        ((WRONG, WRONG), False),
        ((WRONG, WRONG, WRONG), True),
        ((WRONG, WRONG, RIGHT, WRONG), False),
        ((WRONG, ERROR, WRONG, ERROR, WRONG), True),
        ((ERROR,) * 9, False),
        ((WRONG,) * 3 + (RIGHT,) * 2, True),
        ((WRONG,) * 3 + (RIGHT,) * 3, False),
        ((WRONG,) * 3 + (RIGHT, RIGHT, WRONG, RIGHT), True),
        ((WRONG,) * 3 + (RIGHT, ERROR, RIGHT, RIGHT), False),
    ],
)
def test_rounds_in_a_row_make_a_pod_wrong_and_right(
    rounds: tuple[Result, ...], wrong: bool
) -> None:
    standing = after(*rounds)
    assert standing.wrong is wrong
    assert standing.rounds == len(rounds)


def test_a_wrong_pod_keeps_its_callers_until_somebody_else_is_right() -> None:
    assert not WRONG_POD.away
    assert not heard(WRONG_POD, False, False, False, False).away
    assert heard(WRONG_POD, False, True).away


def test_a_pod_that_is_right_again_takes_callers_back() -> None:
    standing = reduce(Standing.after, [RIGHT, RIGHT, RIGHT], heard(WRONG_POD, True))
    assert (standing.away, standing.wrong, standing.peers_right) == (False, False, None)


def test_when_nobody_is_right_any_more_callers_come_back() -> None:
    away = heard(WRONG_POD, True)
    assert heard(away, False, False).away
    assert not heard(away, False, False, False).away
    assert heard(away, False, False, True, False, False).away
