from dataclasses import replace

import pytest

from slipway_operator.core.observed import Observed
from slipway_operator.core.rollout import Traffic, complete, last_good, route, wanted
from slipway_operator.core.spec import Autoscaled, Fixed
from support.builders import a_revision, a_world

A, B = a_revision("a"), a_revision("b", 2)
A_DOWN, B_DOWN = a_revision("a", ready=0), a_revision("b", 2, ready=0)
TWO = Fixed(2)
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


@pytest.mark.parametrize(
    ("latest", "seen", "expected"),
    [
        pytest.param("a", a_world(A_DOWN), Traffic(track="a", good=None), id="first, starting"),
        pytest.param("a", a_world(A), Traffic(track="a", good="a"), id="first, ready"),
        pytest.param(
            "a", a_world(A_DOWN, good="a", track="a"), Traffic(track="a", good="a"), id="only one"
        ),
        pytest.param(
            "b", a_world(A, B_DOWN, good="a", track="a"), Traffic(track="a", good="a"), id="rolling"
        ),
        pytest.param(
            "b", a_world(A, B, good="a", track="a"), Traffic(track="b", good="b"), id="promotion"
        ),
        pytest.param(
            "b",
            a_world(A, a_revision("b", 2, ready=1), good="a", track="a"),
            Traffic(track="a", good="a"),
            id="half of the candidate is not enough",
        ),
        pytest.param(
            "b",
            a_world(A, a_revision("b", 2, current=False), good="a", track="a"),
            Traffic(track="a", good="a"),
            id="counts of pods that may be ending prove nothing",
        ),
        pytest.param(
            "a",
            a_world(a_revision("a", current=False), good="a", track="a"),
            Traffic(track="a", good="a"),
            id="being scaled",
        ),
        pytest.param(
            "b",
            a_world(A_DOWN, B_DOWN, track="a"),
            Traffic(track="b", good=None),
            id="a first revision that never served keeps nothing",
        ),
    ],
)
def test_where_the_traffic_goes(latest: str, seen: Observed, expected: Traffic) -> None:
    assert route(latest, seen, TWO) == expected


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


def test_under_an_hpa_a_candidate_takes_over_only_with_as_many_pods_as_serve() -> None:
    busy = a_revision("a", wanted=5, ready=5)
    assert route("b", a_world(busy, B, good="a", track="a"), RANGE).track == "a"
    enough = a_revision("b", 2, wanted=5, ready=5)
    assert route("b", a_world(busy, enough, good="a", track="a"), RANGE).track == "b"
