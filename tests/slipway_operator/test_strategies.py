"""How one revision follows another: with a way back, held, stopped, or one at a time."""

from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.core.decide import AT_ONCE
from support.builders import a_raw_spec
from support.fakes import DiedError
from support.lives import Life
from support.passes import NEW_URI, change, condition, selected
from support.verifications import CONTINUOUS, a_report, a_verification

BAD_URI = {"uri": "https://models.example.org/bad.onnx", "sha256": "0" * 64}
FIRST_URI = {"uri": "https://models.example.org/fraud.onnx"}


def rollout(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = a_raw_spec()["rollout"] | changes
    return found


def running(life: Life) -> set[str]:
    """Name the revisions that are to have pods."""
    return {name for name in life.cluster.names("Deployment") if life.replicas(name)}


async def test_going_back_within_the_window_is_one_write_to_the_service() -> None:
    life, first = Life.of(rollout=rollout(rollbackWindow="10m"))
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    again = await life.passes()
    assert selected(life.cluster) == second
    assert running(life) == {first, second}
    assert (life.status["rollout"]["strategy"], life.status["rollout"]["phase"]) == (
        "BlueGreen",
        "Complete",
    )
    assert again is not None
    assert again <= timedelta(minutes=10)
    change(life.cluster, model=FIRST_URI)
    await life.passes(1)
    assert selected(life.cluster) == first


async def test_a_window_is_for_the_revision_before_and_starts_no_older_one_again() -> None:
    life, first = Life.of(rollout=rollout(rollbackWindow="10m"))
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    await life.passes()
    third = change(life.cluster, model=BAD_URI)
    seen = []
    for _ in range(8):
        await life.passes(1)
        seen.append(running(life))
    assert seen[-1] == {second, third}
    assert not any(first in crew for crew in seen[seen.index({second, third}) :])


async def test_after_the_window_the_old_pods_go() -> None:
    life, first = Life.of(rollout=rollout(rollbackWindow="10m"))
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    await life.passes()
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before, "an open window is a state of rest"
    life.now += timedelta(minutes=10)
    await life.passes()
    assert running(life) == {second}
    assert "rollout" not in life.status
    assert "retiredTime" in life.entry(first)


async def test_a_paused_rollout_prepares_all_and_moves_no_traffic() -> None:
    life, first = Life.of(rollout=rollout(paused=False))
    await life.passes()
    second = change(life.cluster, model=NEW_URI, rollout=rollout(paused=True))
    await life.passes()
    assert selected(life.cluster) == first
    assert condition(life.cluster, "Ready")["reason"] == "Paused"
    assert life.status["rollout"]["phase"] == "Paused"
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before
    assert not [event for event in life.cluster.told if event.warning]
    change(life.cluster, rollout=rollout(paused=True, promote=second))
    await life.passes()
    assert selected(life.cluster) == second
    assert condition(life.cluster, "Ready")["status"] == "True"


async def test_a_candidate_that_is_aborted_loses_its_pods_and_may_be_tried_again() -> None:
    life, first = Life.of()
    await life.passes()
    second = change(life.cluster, model=NEW_URI, rollout=rollout(paused=True))
    await life.passes()
    change(life.cluster, rollout=rollout(abort=second))
    await life.passes()
    assert running(life) == {first}
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"
    assert life.entry(second)["failure"]["reason"] == "Aborted"
    change(life.cluster, rollout=rollout())
    await life.passes()
    assert selected(life.cluster) == second


async def test_a_revision_that_serves_and_is_aborted_gives_way_to_the_one_before() -> None:
    life, first = Life.of()
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    await life.passes()
    assert running(life) == {second}
    change(life.cluster, rollout=rollout(abort=second))
    await life.passes(1)
    assert selected(life.cluster) == second, "until the other has its pods again"
    assert condition(life.cluster, "Available")["status"] == "True"
    await life.passes()
    assert selected(life.cluster) == first
    assert running(life) == {first}
    third = change(life.cluster, model=BAD_URI)
    await life.passes()
    assert selected(life.cluster) == third, "an abort is about one revision"


async def test_any_kept_revision_serves_again_for_as_long_as_it_is_named() -> None:
    life, first = Life.of()
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    await life.passes()
    third = change(life.cluster, model=BAD_URI)
    await life.passes()
    change(life.cluster, rollout=rollout(rollbackTo=first))
    await life.passes(1)
    assert selected(life.cluster) == third, "until the other has its pods again"
    await life.passes()
    assert (selected(life.cluster), running(life)) == (first, {first})
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"
    assert life.entry(third)["failure"]["reason"] == "RollbackRequested"
    assert life.status["rollouts"][0]["result"] == "RolledBack"
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before
    change(life.cluster, rollout=rollout(rollbackTo=second))
    await life.passes()
    assert (selected(life.cluster), running(life)) == (second, {second})
    change(life.cluster, rollout=rollout())
    await life.passes()
    assert (selected(life.cluster), running(life)) == (third, {third})
    assert condition(life.cluster, "Ready")["status"] == "True"


async def test_a_revision_that_is_not_kept_or_was_refused_can_not_serve_again() -> None:
    life, first = Life.of(verification=a_verification())
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.reports[second] = a_report("Failed")
    await life.passes()
    third = change(life.cluster, model=BAD_URI)
    await life.passes()
    for named in (second, "fraud-00000000"):
        change(life.cluster, rollout=rollout(rollbackTo=named))
        await life.passes()
        assert selected(life.cluster) in {first, third}
        failure = life.entry(third)["failure"]
        assert failure["reason"] == "RevisionUnknown"
        assert first.rpartition("-")[2] in failure["message"]
        assert condition(life.cluster, "Available")["status"] == "True"


async def test_when_all_pods_are_wrong_the_revision_before_takes_over_for_good() -> None:
    life, first = Life.of(verification=a_verification(continuous=CONTINUOUS))
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    await life.passes()
    life.reports[second] = a_report(continuous={"wrong": True})
    assert await life.passes(1) == AT_ONCE
    assert life.entry(second)["refusal"]["reason"] == "AnswersWrong"
    await life.passes()
    assert selected(life.cluster) == first
    assert running(life) == {first}
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"
    assert "AnswersWrong" in condition(life.cluster, "Ready")["message"]
    before = list(life.cluster.writes)
    life.reports.clear()
    await life.passes()
    assert life.cluster.writes == before, "it is not tried again"


async def test_without_a_revision_before_wrong_pods_go_on_serving() -> None:
    life, first = Life.of(verification=a_verification(continuous=CONTINUOUS))
    await life.passes()
    life.reports[first] = a_report(continuous={"wrong": True})
    await life.passes()
    assert selected(life.cluster) == first
    assert condition(life.cluster, "Available")["status"] == "True"
    assert condition(life.cluster, "Verified")["reason"] == "AnswersWrong"
    assert "refusal" not in life.entry(first)


RECREATE = rollout(strategy="Recreate")


async def alone(life: Life, passes: int = 10) -> None:
    """Pass, and see that two revisions never have pods at a time."""
    for _ in range(passes):
        await life.passes(1)
        holders = {
            pod["metadata"]["labels"]["slipway.dev/revision"] for pod in life.cluster.pod_list
        }
        assert len(holders | {name.rpartition("-")[2] for name in running(life)}) <= 1


async def test_with_recreate_two_revisions_never_have_pods_at_a_time() -> None:
    life, first = Life.of(rollout=RECREATE)
    await alone(life)
    assert selected(life.cluster) == first
    second = change(life.cluster, model=NEW_URI)
    await life.passes(2)
    assert condition(life.cluster, "Available")["reason"] == "Recreating"
    assert (life.status["rollout"]["strategy"], life.status["rollout"]["phase"]) == (
        "Recreate",
        "Stopping",
    )
    await alone(life)
    assert selected(life.cluster) == second
    assert running(life) == {second}
    before = list(life.cluster.writes)
    await alone(life)
    assert life.cluster.writes == before


async def test_with_recreate_what_fails_for_good_gives_way_to_what_served_and_is_remembered() -> (
    None
):
    life, first = Life.of(rollout=RECREATE)
    await alone(life)
    bad = change(life.cluster, model=BAD_URI)
    life.broken[bad] = "ModelInvalid"
    await alone(life, 20)
    assert selected(life.cluster) == first
    assert running(life) == {first}
    assert condition(life.cluster, "Available")["status"] == "True"
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"
    assert life.entry(bad)["refusal"]["reason"] == "ModelInvalid"
    life.broken.clear()
    before = list(life.cluster.writes)
    await alone(life)
    assert life.cluster.writes == before, "it is tried again only as another revision"


async def test_with_recreate_what_does_not_get_ready_in_time_gives_way_too() -> None:
    life, first = Life.of(rollout=RECREATE)
    await alone(life)
    slow = change(life.cluster, model=BAD_URI)
    life.broken[slow] = "Late"
    await alone(life)
    assert selected(life.cluster) == first
    assert running(life) == {first}
    assert life.entry(slow)["refusal"]["reason"] == "ProgressDeadlineExceeded"


async def test_a_crash_after_any_write_heals_to_the_same_world() -> None:
    unharmed, _ = Life.of(rollout=RECREATE)
    await a_whole_life(unharmed)
    for nth in range(len(unharmed.cluster.writes)):
        life, _ = Life.of(rollout=RECREATE)
        life.cluster.dies_at = nth
        with pytest.raises(DiedError):
            await a_whole_life(life)
        life.cluster.dies_at = None
        await a_whole_life(life)
        assert selected(life.cluster) == selected(unharmed.cluster), f"died before write {nth}"
        assert running(life) == running(unharmed)
        assert condition(life.cluster, "Ready")["reason"] == "RolledBack"


async def a_whole_life(life: Life) -> None:
    """Serve one revision, and change to another, which fails for good."""
    await life.passes(7)
    bad = change(life.cluster, model=BAD_URI)
    life.broken[bad] = "ModelInvalid"
    await life.passes(10)
