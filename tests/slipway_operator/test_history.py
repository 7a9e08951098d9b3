"""What status remembers of the rollouts that are over."""

from datetime import timedelta
from typing import Any

from support.builders import a_raw_spec
from support.lives import Life
from support.passes import NEW_URI, change
from support.verifications import a_report, a_verification

MINUTE = timedelta(minutes=1)
LATER = {"finishedTime": "2026-01-01T12:01:00Z"}


def rollout(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = a_raw_spec()["rollout"] | changes
    return found


def results(life: Life) -> list[tuple[str, str]]:
    return [(entry["revision"], entry["result"]) for entry in life.status["rollouts"]]


async def test_a_rollout_is_remembered_with_its_times_and_who_served() -> None:
    life, first = Life.of()
    await life.passes()
    assert life.status["rollouts"] == [
        {
            "revision": first,
            "result": "Promoted",
            "strategy": "BlueGreen",
            "stableRevision": first,
            "startedTime": "2026-01-01T12:00:00Z",
            "finishedTime": "2026-01-01T12:00:00Z",
        }
    ]
    second = change(life.cluster, model=NEW_URI)
    life.broken[second] = "ModelInvalid"
    await life.passes()
    assert len(results(life)) == 1, "it is not over"
    life.now += MINUTE
    life.broken.clear()
    await life.passes()
    assert life.status["rollouts"][0] == {
        "revision": second,
        "result": "Promoted",
        "strategy": "BlueGreen",
        "stableRevision": second,
        "previousRevision": first,
        "startedTime": "2026-01-01T12:00:00Z",
        **LATER,
    }


async def test_one_that_was_refused_is_remembered_with_the_reason() -> None:
    life, first = Life.of(verification=a_verification())
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.reports[second] = a_report(outcome="Failed")
    await life.passes()
    entry = life.status["rollouts"][0]
    assert (entry["revision"], entry["result"]) == (second, "RolledBack")
    assert (entry["reason"], entry["stableRevision"]) == ("VerificationFailed", first)
    assert "previousRevision" not in entry


async def test_one_whose_pods_find_themselves_wrong_is_remembered_once() -> None:
    life, first = Life.of(verification=a_verification())
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.broken[second] = "VerificationFailed"
    await life.passes()
    assert results(life) == [(second, "RolledBack"), (first, "Promoted")]
    life.now += MINUTE
    life.broken.clear()
    await life.passes()
    assert results(life) == [(second, "RolledBack"), (first, "Promoted")]
    change(life.cluster, rollout=rollout(retry="once more"))
    await life.passes()
    assert results(life) == [(second, "Promoted"), (second, "RolledBack"), (first, "Promoted")]


async def test_with_nothing_to_go_back_to_it_is_refused() -> None:
    life, first = Life.of(verification=a_verification())
    life.reports[first] = a_report(outcome="Failed")
    await life.passes()
    assert results(life) == [(first, "Refused")]
    assert "stableRevision" not in life.status["rollouts"][0]


async def test_going_back_from_what_served_is_one_more() -> None:
    life, first = Life.of(rollout=rollout(rollbackWindow="1h"))
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    await life.passes()
    change(life.cluster, rollout=rollout(rollbackWindow="1h", abort=second))
    await life.passes()
    assert results(life) == [(second, "RolledBack"), (second, "Promoted"), (first, "Promoted")]
    assert life.status["rollouts"][0]["previousRevision"] == second
    assert life.status["rollouts"][0]["stableRevision"] == first
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before


async def test_one_that_is_tried_again_begins_anew() -> None:
    life, _ = Life.of()
    await life.passes()
    second = change(life.cluster, model=NEW_URI, rollout=rollout(paused=True))
    await life.passes()
    change(life.cluster, rollout=rollout(abort=second))
    await life.passes()
    life.now += MINUTE
    change(life.cluster, rollout=rollout())
    await life.passes()
    assert life.status["rollouts"][0]["startedTime"] == "2026-01-01T12:01:00Z"


async def test_one_that_another_change_overtakes_is_superseded() -> None:
    life, first = Life.of()
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.broken[second] = "ModelInvalid"
    await life.passes()
    life.now += MINUTE
    third = change(life.cluster, model={"uri": "https://models.example.org/third.onnx"})
    await life.passes()
    assert results(life) == [(third, "Promoted"), (second, "Superseded"), (first, "Promoted")]
    assert life.status["rollouts"][1]["startedTime"] == "2026-01-01T12:00:00Z"
    assert life.status["rollouts"][1].items() >= LATER.items()


async def test_the_oldest_are_forgotten() -> None:
    life, _ = Life.of()
    await life.passes()
    for number in range(12):
        change(life.cluster, model={"uri": f"https://models.example.org/{number}.onnx"})
        await life.passes(4)
    assert len(results(life)) == 10
    assert {result for _, result in results(life)} == {"Promoted"}


async def test_while_it_is_suspended_nothing_ends() -> None:
    life, first = Life.of()
    await life.passes()
    change(life.cluster, model=NEW_URI, suspend=True)
    await life.passes()
    assert results(life) == [(first, "Promoted")]
