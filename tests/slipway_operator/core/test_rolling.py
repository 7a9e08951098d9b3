"""Each row of the rolling update's table, and who joins its pool."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.core.conditions import available, ready
from slipway_operator.core.decide import decide
from slipway_operator.core.observed import Observed, Progress, Revision
from slipway_operator.core.pods import Pod
from slipway_operator.core.rollout import Course, Move, Phase, advance, moves
from slipway_operator.core.spec import Spec
from support.builders import NOON, a_raw_spec, a_revision, a_spec, a_world, an_autoscaled_spec

ROLLOUT = {**a_raw_spec()["rollout"], "strategy": "RollingUpdate"}


def wish(surge: int | str = 1, **changes: Any) -> Spec:
    """Four pods, so many of which are replaced at a time."""
    rollout = ROLLOUT | {"rollingUpdate": {"maxSurge": surge}}
    return a_spec(replicas=4, rollout=rollout | changes)


B = wish().fingerprint


def has(fingerprint: str, count: int, number: int = 1, **workload: Any) -> Revision:
    """A revision with so many pods, all of them ready unless it is said otherwise."""
    numbers = {"wanted": count, "replicas": count, "ready": count}
    return a_revision(fingerprint, number, **numbers | workload)


def pods(fingerprint: str, count: int, **changes: Any) -> tuple[Pod, ...]:
    pod = Pod(name="", fingerprint=fingerprint, track=fingerprint, pool="old", ready=True)
    name = changes.pop("name", fingerprint)
    return tuple(replace(pod, name=f"{name}-{n}", **changes) for n in range(count))


def amid(*revisions: Revision, of: tuple[Pod, ...] = (), known: bool = True) -> Observed:
    """Be in the middle of it; ``known`` says that status has it."""
    progress = Progress(B, "Rolling", NOON, replicas=4 if known else None)
    return a_world(*revisions, good="old", track="old", pooled=True, pods=of, rollout=progress)


def course(seen: Observed, spec: Spec | None = None, *, trusted: bool = True) -> Course:
    return advance(spec or wish(), seen, trusted=trusted, refused=False)


def counts(seen: Observed, spec: Spec | None = None) -> dict[str, int]:
    found = course(seen, spec).rolling
    assert found is not None
    return dict(found.counts)


LABELLED = (*pods("old", 4), *pods(B, 1))
BEFORE = a_world(has("old", 4), has(B, 1, 2), good="old", track="old")


@pytest.mark.parametrize(
    ("seen", "spec", "trusted", "phase", "pooled"),
    [
        (replace(BEFORE, revisions=(has("old", 4),)), wish(), True, Phase.PREPARING, False),
        (replace(BEFORE, pods=pods("old", 4, pool="")), wish(), True, Phase.ROLLING, False),
        (BEFORE, wish(), False, Phase.VERIFYING, False),
        (BEFORE, wish(paused=True), True, Phase.PAUSED, False),
        (replace(BEFORE, pods=LABELLED), wish(), True, Phase.ROLLING, True),
        (amid(has("old", 3), has(B, 1, 2)), wish(), True, Phase.ROLLING, True),
        (amid(has("old", 3), has(B, 1, 2)), wish(paused=True), True, Phase.PAUSED, True),
        (amid(has("old", 0), has(B, 4, 2)), wish(), True, Phase.COMPLETE, False),
        (amid(has("old", 0), has(B, 4, 2)), wish(paused=True), True, Phase.PAUSED, True),
    ],
)
def test_a_row_of_the_table(
    seen: Observed, spec: Spec, trusted: bool, phase: Phase, pooled: bool
) -> None:
    found = course(seen, spec, trusted=trusted)
    assert (found.phase, found.traffic.pooled) == (phase, pooled)
    complete = phase is Phase.COMPLETE
    assert (found.traffic.track, found.traffic.good) == ((B, B) if complete else ("old", "old"))


def test_as_many_go_as_have_joined_once_status_knows_how_many_serve() -> None:
    two = amid(has("old", 4), has(B, 2, 2), of=pods(B, 2))
    assert counts(two) == {"old": 2, B: 2}
    assert counts(replace(two, rollout=None)) == {"old": 4, B: 2}
    assert counts(amid(has("old", 4), has(B, 2, 2), of=pods(B, 2), known=False))["old"] == 4


@pytest.mark.parametrize(
    "not_yet", [{"pool": ""}, {"pool": "x"}, {"ready": False}, {"leaving": True}]
)
def test_a_pod_that_does_not_serve_in_the_pool_replaces_none(not_yet: dict[str, Any]) -> None:
    seen = amid(has("old", 3), has(B, 2, 2), of=(*pods(B, 1), *pods(B, 1, **not_yet)))
    assert counts(seen)["old"] == 3


def test_the_new_one_gets_what_the_others_leave() -> None:
    assert counts(amid(has("old", 2), has(B, 2, 2), of=pods(B, 2)))[B] == 3
    leaving = has("old", 2, replicas=3)
    assert counts(amid(leaving, has(B, 2, 2), of=pods(B, 2)))[B] == 2, "one is about to go"
    assert counts(amid(has("old", 2), has(B, 2, 2), of=pods(B, 2)), wish(2))[B] == 4


def test_pods_that_wait_in_vain_are_no_longer_asked_for_and_those_that_are_ready_stay() -> None:
    assert counts(amid(has("old", 3), has(B, 4, 2, ready=1), of=pods(B, 1)))[B] == 2
    assert counts(amid(has("old", 3), has(B, 4, 2, ready=3), of=pods(B, 3)))[B] == 3


def test_while_it_is_held_everything_stays_as_it_is() -> None:
    seen = amid(has("old", 2), has(B, 2, 2, ready=1), of=pods(B, 1))
    assert counts(seen, wish(paused=True)) == {"old": 2, B: 2}


def test_of_others_that_which_served_first_stays_longest() -> None:
    seen = amid(has("old", 2), has("mid", 2, 2), has(B, 1, 3), of=(*pods("mid", 2), *pods(B, 1)))
    assert counts(seen) == {"old": 2, "mid": 1, B: 1}
    assert counts(replace(seen, pods=(*pods("mid", 2), *pods(B, 3)))) == {"old": 1, "mid": 0, B: 3}


def test_a_revision_that_has_not_joined_is_nobody_and_keeps_no_room() -> None:
    apart = (*pods("mid", 2), *pods("bad", 1, pool=""), *pods(B, 1, pool=""))
    seen = amid(has("old", 2), has("mid", 2, 2), has("bad", 1, 3), has(B, 1, 4), of=apart)
    assert counts(seen) == {"old": 2, "mid": 2, "bad": 0, B: 1}
    assert course(seen).serving == {"old", "mid", B}
    assert course(seen, trusted=False).serving == {"old", "mid"}


def test_an_hpas_count_is_the_one_that_status_holds() -> None:
    spec = Spec.parse("fraud", an_autoscaled_spec() | {"rollout": ROLLOUT})
    new = spec.fingerprint
    seen = a_world(
        *(has("old", 1), has(new, 3, 2)),
        good="old",
        track="old",
        pooled=True,
        rollout=Progress(new, "Rolling", NOON, replicas=7),
    )
    found = course(seen, spec).rolling
    assert found is not None
    assert found.replicas == 7


@pytest.mark.parametrize(("surge", "first"), [(1, 1), ("1%", 1), ("25%", 1), ("26%", 2), (9, 4)])
def test_it_begins_with_as_many_as_the_surge(surge: int | str, first: int) -> None:
    seen = replace(BEFORE, revisions=(has("old", 4),))
    assert counts(seen, wish(surge))[B] == first


def moved(seen: Observed, *, trusted: bool = True) -> set[str]:
    found = list(moves(seen, course(seen, trusted=trusted), B))
    assert all(move == Move(move.pod, "old", label="slipway.dev/pool") for move in found)
    return {move.pod for move in found}


def test_it_is_late_when_no_further_pod_has_joined_for_too_long() -> None:
    seen = amid(has("old", 3), has(B, 2, 2, ready=1, overdue="old news"), of=pods(B, 1))

    def lasting(minutes: float, updated: int, spec: Spec | None = None) -> str | None:
        since = NOON - timedelta(minutes=minutes)
        rollout = Progress(B, "Rolling", NOON, replicas=4, updated=updated, moved=since)
        found = decide(spec or wish(), replace(seen, rollout=rollout)).lasting
        return found.reason if found else None

    assert lasting(10.1, 1) == "ProgressDeadlineExceeded"
    assert lasting(10, 1) is None
    assert lasting(10.1, 0) is None, "one has joined just now"
    assert lasting(10.1, 2) == "ProgressDeadlineExceeded", "one that had joined is lost again"
    assert lasting(10.1, 1, wish(paused=True)) is None
    assert decide(wish(), seen).lasting is None, "a Deployment's own word is not asked for"


def test_ready_pods_of_both_join_before_the_service_selects_the_pool() -> None:
    old, new = pods("old", 2, pool=""), pods(B, 1, pool="")
    seen = replace(BEFORE, pods=(*old, *new))
    assert moved(seen) == {"old-0", "old-1", f"{B}-0"}
    assert not course(seen).traffic.pooled
    assert moved(seen, trusted=False) == set()


def test_pods_that_start_while_it_is_held_join_all_the_same() -> None:
    late = amid(has("old", 2), has(B, 2, 2), of=(*pods(B, 1), *pods(B, 1, name="new", pool="")))
    found = course(late, wish(paused=True))
    assert [move.pod for move in moves(late, found, B)] == ["new-0"]
    assert found.serving == {"old", B}


def test_who_is_not_ready_not_trusted_or_about_to_go_does_not_join() -> None:
    apart = (*pods(B, 1, pool="", ready=False), *pods("old", 1, pool="", leaving=True))
    assert moved(amid(has("old", 3), has(B, 1, 2), of=apart)) == set()
    late = amid(has("old", 3), has(B, 1, 2), of=(*pods(B, 1, pool=""), *pods("old", 1, pool="")))
    assert moved(late, trusted=False) == {"old-0"}
    assert moved(replace(late, pods=pods(B, 1))) == set(), "it has joined already"


def test_pods_of_the_new_one_alone_are_service_enough() -> None:
    seen = amid(has("old", 0), has(B, 4, 2, current=False), of=pods(B, 4))
    found = available(seen, decide(wish(), seen))
    assert (found.status, found.message) == ("True", f"4 pods of revisions {B} and old ready")


def test_the_one_that_served_is_not_ready_while_another_serves_beside_it() -> None:
    spec = wish()
    seen = replace(
        amid(has(B, 1), has("mid", 3, 2), of=(*pods(B, 1, pool=B), *pods("mid", 3, pool=B))),
        good=B,
        track=B,
    )
    plan = decide(spec, seen)
    assert (plan.traffic.pooled, ready(seen, plan).status) == (True, "False")
    assert plan.recheck_after == timedelta(seconds=2)
