from dataclasses import replace

import pytest

from slipway_operator.core.observed import Observed
from slipway_operator.core.rollout import complete, last_good, wanted
from slipway_operator.core.spec import Autoscaled
from slipway_operator.core.verdict import Outcome, Verdict
from support.builders import a_revision, a_world

A, B = a_revision("a"), a_revision("b", 2)
A_DOWN, B_DOWN = a_revision("a", ready=0), a_revision("b", 2, ready=0)
RANGE = Autoscaled(low=2, high=10, metrics=(), behavior=None)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(a_world(A, good="a", track="a"), "a", id="status and Service agree"),
        pytest.param(a_world(A, B, good="a", track="b"), "b", id="died after the flip"),
        pytest.param(a_world(A, B_DOWN, good="a", track="b"), "a", id="edited to a dead one"),
        pytest.param(a_world(A, good="a", track="x"), "a", id="edited to nonsense"),
        pytest.param(a_world(A, good="a"), "a", id="the Service is gone"),
        pytest.param(a_world(A_DOWN, good="a", track="a"), "a", id="all its pods are down"),
        pytest.param(a_world(A, track="a"), "a", id="the status was lost"),
        pytest.param(a_world(A_DOWN, track="a"), None, id="none ever served"),
        pytest.param(a_world(A, good="gone"), None, id="its record is gone"),
        pytest.param(a_world(), None, id="nothing exists"),
    ],
)
def test_the_last_known_good(seen: Observed, expected: str | None) -> None:
    assert last_good(seen) == expected


UNVERIFIED = replace(B, record={"settings": {"verification": {"checks": []}}})
PASSED = Verdict(outcome=Outcome.PASSED, held=True)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        pytest.param(None, "a", id="nothing is known"),
        pytest.param(replace(PASSED, outcome=Outcome.FAILED), "a", id="it failed"),
        pytest.param(replace(PASSED, held=False), "a", id="status does not have it yet"),
        pytest.param(PASSED, "b", id="it passed, and the operator died after the flip"),
    ],
)
def test_a_service_that_selects_what_is_not_verified_is_not_believed(
    verdict: Verdict | None, expected: str
) -> None:
    edited = replace(UNVERIFIED, verdict=verdict)
    assert last_good(a_world(A, edited, good="a", track="b")) == expected


@pytest.mark.parametrize(
    ("running", "expected"),
    [pytest.param(1, 2, id="never below min"), (5, 5), pytest.param(50, 10, id="never above max")],
)
def test_under_an_hpa_a_candidate_matches_what_serves(running: int, expected: int) -> None:
    assert wanted(RANGE, a_revision("a", wanted=running)) == expected


def test_a_candidate_below_the_needed_count_is_not_complete_though_all_its_pods_are_ready() -> None:
    assert not complete(a_revision("b", wanted=1, replicas=1, ready=1), 2)
    assert not complete(replace(B, workload=None), 0)
    assert not complete(a_revision("b", wanted=1, replicas=2, ready=2), 2)
