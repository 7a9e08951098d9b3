"""Each row of the state machine's table, and who has pods meanwhile."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.rollout import Course, Phase, advance
from slipway_operator.core.spec import Spec
from support.builders import NOON, a_raw_spec, a_revision, a_spec, a_world, an_autoscaled_spec

B = a_spec().fingerprint
OLD = a_revision("old")
NEW, COMING = a_revision(B, 2), a_revision(B, 2, ready=0)
LONE, LONE_COMING = a_revision(B), a_revision(B, ready=0)
PAST = replace(a_revision("past", 0, wanted=0, replicas=0, ready=0), retired=NOON)
BACK = replace(a_revision("past", 0), retired=NOON)


def wish(**rollout: Any) -> Spec:
    return a_spec(rollout=a_raw_spec()["rollout"] | rollout)


def serves(*others: Revision) -> Observed:
    """The old revision serves."""
    return a_world(OLD, *others, good="old", track="old")


def is_good(*others: Revision) -> Observed:
    """The latest revision serves."""
    return a_world(*others, NEW, good=B, track=B)


def course(seen: Observed, spec: Spec | None = None, **known: bool) -> Course:
    return advance(spec or wish(), seen, **{"trusted": True, "refused": False} | known)


ROWS = [
    # refused, trusted, held, seen, phase, track
    pytest.param(False, False, True, is_good(), Phase.COMPLETE, B, id="the latest serves"),
    pytest.param(False, True, False, serves(COMING), Phase.PREPARING, "old", id="on its way"),
    pytest.param(False, False, False, serves(NEW), Phase.VERIFYING, "old", id="to be verified"),
    pytest.param(False, True, True, serves(NEW), Phase.PAUSED, "old", id="held"),
    pytest.param(False, True, False, serves(NEW), Phase.COMPLETE, B, id="promoted"),
    pytest.param(False, True, False, a_world(LONE_COMING), Phase.PREPARING, B, id="first"),
    pytest.param(
        False, False, False, a_world(LONE_COMING), Phase.PREPARING, "none", id="first, unknown"
    ),
    pytest.param(False, False, False, a_world(LONE), Phase.VERIFYING, "none", id="first, ready"),
    pytest.param(
        False, True, True, a_world(LONE_COMING), Phase.PREPARING, "none", id="first, held"
    ),
    pytest.param(False, True, True, a_world(LONE), Phase.PAUSED, "none", id="first, held, ready"),
    pytest.param(False, True, False, a_world(LONE), Phase.COMPLETE, B, id="first, promoted"),
    pytest.param(
        True, True, False, a_world(a_revision("old", ready=0), NEW, good="old", track="old"),
        Phase.ROLLING_BACK, "old", id="refused, and what is good has to come up",
    ),
    pytest.param(True, True, True, serves(NEW), Phase.ROLLED_BACK, "old", id="refused"),
    pytest.param(True, True, False, is_good(PAST), Phase.ROLLING_BACK, B, id="refused too late"),
    pytest.param(True, True, False, is_good(BACK), Phase.ROLLED_BACK, "past", id="and gone back"),
    pytest.param(True, True, False, is_good(), Phase.REFUSED, B, id="nothing to go back to"),
    pytest.param(True, True, False, a_world(LONE), Phase.REFUSED, "none", id="refused, first"),
]  # fmt: skip


@pytest.mark.parametrize(("refused", "trusted", "held", "seen", "phase", "track"), ROWS)
def test_a_row_of_the_table(
    refused: bool, trusted: bool, held: bool, seen: Observed, phase: Phase, track: str
) -> None:
    found = course(seen, wish(paused=held), refused=refused, trusted=trusted)
    assert (found.phase, found.traffic.track) == (phase, track)


@pytest.mark.parametrize(
    "candidate",
    [
        pytest.param(a_revision(B, 2, ready=1), id="half of the pods"),
        pytest.param(a_revision(B, 2, current=False), id="counts that are of its past"),
        pytest.param(a_revision(B, 2, wanted=1, replicas=1, ready=1), id="too few, all ready"),
    ],
)
def test_what_is_not_proven_is_not_promoted(candidate: Revision) -> None:
    assert course(serves(candidate)).traffic.track == "old"


def test_a_pause_ends_for_the_revision_that_is_promoted_and_for_no_other() -> None:
    assert course(serves(NEW), wish(paused=True, promote=f"fraud-{B}")).traffic.track == B
    other = wish(paused=True, promote="fraud-00000000")
    assert course(serves(NEW), other).phase is Phase.PAUSED


def test_what_is_promoted_must_have_passed_all_the_same() -> None:
    promoted = wish(paused=True, promote=f"fraud-{B}")
    assert course(serves(NEW), promoted, trusted=False).phase is Phase.VERIFYING
    assert course(serves(COMING), promoted).phase is Phase.PREPARING


def test_both_have_pods_while_one_is_on_its_way() -> None:
    assert course(serves(COMING)).active == {"old", B}


@pytest.mark.parametrize(("good", "track"), [("old", B), (B, "old")])
def test_what_served_keeps_its_pods_while_anything_holds_it(good: str, track: str) -> None:
    assert course(a_world(OLD, NEW, good=good, track=track)).active == {"old", B}


def test_what_is_refused_has_no_pods_where_another_serves() -> None:
    assert course(serves(NEW), refused=True).active == {"old"}
    assert course(a_world(LONE), refused=True).active == {B}


def test_what_is_refused_too_late_keeps_its_pods_until_another_can_serve() -> None:
    assert course(is_good(PAST), refused=True).active == {"past", B}
    assert course(is_good(BACK), refused=True).active == {"past", B}
    done = a_world(BACK, NEW, good="past", track="past")
    assert course(done, refused=True).active == {"past"}


def test_of_several_that_served_the_last_one_is_gone_back_to_unless_it_was_refused() -> None:
    earlier = replace(PAST, fingerprint="earlier", retired=NOON - timedelta(hours=1))
    assert course(is_good(earlier, PAST), refused=True).aim == "past"
    bad = replace(PAST, refusal=Refusal("AnswersWrong", "m"))
    assert course(is_good(earlier, bad), refused=True).aim == "earlier"


@pytest.mark.parametrize(
    ("age", "window", "left"),
    [
        pytest.param(10, "1m", 50, id="open"),
        pytest.param(60, "1m", None, id="over"),
        pytest.param(0, "0s", None, id="none"),
    ],
)
def test_the_one_before_keeps_its_pods_for_the_window(
    age: int, window: str, left: int | None
) -> None:
    before = replace(BACK, retired=NOON - timedelta(seconds=age))
    found = course(is_good(before), wish(rollbackWindow=window))
    assert ("past" in found.active) == (left is not None)
    assert found.until == (None if left is None else timedelta(seconds=left))


def test_the_window_closes_when_something_else_begins() -> None:
    before = replace(BACK, retired=NOON)
    seen = a_world(before, OLD, COMING, good="old", track="old")
    assert course(seen, wish(rollbackWindow="1h")).active == {"old", B}


RECREATE = wish(strategy="Recreate")
ENDED = a_revision("old", wanted=0, replicas=0, ready=0)
UNMADE = replace(NEW, workload=None)
STOPPED = a_revision(B, 2, wanted=0, replicas=0, ready=0)
NOBODY: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("old", "new", "present", "active", "phase"),
    [
        pytest.param(OLD, UNMADE, {"old"}, NOBODY, Phase.STOPPING, id="the old ones are told"),
        pytest.param(ENDED, UNMADE, {"old"}, NOBODY, Phase.STOPPING, id="they are ending"),
        pytest.param(ENDED, UNMADE, None, NOBODY, Phase.STOPPING, id="nobody has looked"),
        pytest.param(ENDED, UNMADE, set(), {B}, Phase.PREPARING, id="they have ended"),
        pytest.param(ENDED, COMING, {B}, {B}, Phase.PREPARING, id="the new ones come"),
        pytest.param(ENDED, NEW, {B}, {B}, Phase.COMPLETE, id="the new ones are ready"),
    ],
)
def test_with_recreate_one_revision_at_a_time_has_pods(
    old: Revision, new: Revision, present: set[str] | None, active: frozenset[str], phase: Phase
) -> None:
    seen = a_world(
        old, new, good="old", track="old",
        present=None if present is None else frozenset(present),
    )  # fmt: skip
    found = course(seen, RECREATE)
    assert (found.active, found.phase) == (active, phase)


@pytest.mark.parametrize(
    ("old", "new", "present", "active", "phase"),
    [
        pytest.param(ENDED, COMING, {B}, NOBODY, Phase.STOPPING, id="the new ones are told"),
        pytest.param(ENDED, STOPPED, {B}, NOBODY, Phase.STOPPING, id="they are ending"),
        pytest.param(ENDED, STOPPED, set(), {"old"}, Phase.ROLLING_BACK, id="they have ended"),
        pytest.param(
            a_revision("old", ready=0), STOPPED, {"old"}, {"old"}, Phase.ROLLING_BACK, id="coming"
        ),
        pytest.param(OLD, STOPPED, {"old"}, {"old"}, Phase.ROLLED_BACK, id="back"),
    ],
)
def test_with_recreate_what_is_refused_gives_way_again(
    old: Revision, new: Revision, present: set[str], active: frozenset[str], phase: Phase
) -> None:
    seen = a_world(old, new, good="old", track="old", present=frozenset(present))
    found = course(seen, RECREATE, refused=True)
    assert (found.active, found.phase, found.traffic.track) == (active, phase, "old")


def test_a_pause_holds_recreate_only_before_it_begins() -> None:
    paused = wish(strategy="Recreate", paused=True)
    before = course(serves(UNMADE), paused)
    assert (before.active, before.phase) == (frozenset({"old"}), Phase.PAUSED)
    after = course(a_world(ENDED, NEW, good="old", track="old", present=frozenset({B})), paused)
    assert after.traffic.track == B


def test_a_first_revision_needs_nobody_to_end() -> None:
    assert course(a_world(replace(LONE, workload=None)), RECREATE).active == {B}


def test_under_an_hpa_a_candidate_takes_over_only_with_as_many_pods_as_serve() -> None:
    auto = Spec.parse("fraud", an_autoscaled_spec())
    busy = a_revision("old", wanted=5, ready=5)
    few = a_revision(auto.fingerprint, 2)
    assert course(a_world(busy, few, good="old", track="old"), auto).traffic.track == "old"
    enough = a_revision(auto.fingerprint, 2, wanted=5, ready=5)
    found = course(a_world(busy, enough, good="old", track="old"), auto)
    assert found.traffic.track == auto.fingerprint
