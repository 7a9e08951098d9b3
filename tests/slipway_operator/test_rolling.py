"""Pods are replaced bit by bit: none is missed, and there are never more than the surge allows."""

from datetime import timedelta
from typing import Any

import pytest

from support.builders import AUTOSCALING, a_raw_spec
from support.lives import READY, Life, deaths
from support.passes import NEW_URI, change, condition
from support.verifications import a_report, a_verification

THIRD_URI = {"uri": "https://models.example.org/third.onnx", "sha256": "3" * 64}


def rollout(surge: int | str = 1, **changes: Any) -> dict[str, Any]:
    wish = {"strategy": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}}
    return {**a_raw_spec()["rollout"], **wish, **changes}


async def serving(count: int = 4, **spec: Any) -> tuple[Life, str]:
    """Serve a revision with so many pods."""
    life, first = Life.of(**{"replicas": count, "rollout": rollout()} | spec)
    await life.passes()
    return life, first


def endpoints(life: Life) -> dict[str, int]:
    """Count the ready pods that the Service selects, by revision."""
    selector = life.cluster.get("Service", "fraud")["spec"]["selector"]
    wanted = {k: v for k, v in selector.items() if k != "slipway.dev/model"}
    found: dict[str, int] = {}
    for pod in life.cluster.pod_list:
        metadata = pod["metadata"]
        revision = metadata["name"].rpartition("-")[0]
        labels = {"slipway.dev/track": revision.rpartition("-")[2], **metadata["labels"]}
        ready = READY in pod["status"]["conditions"] and "deletionTimestamp" not in metadata
        if ready and wanted.items() <= labels.items():
            found[revision] = found.get(revision, 0) + 1
    return found


def pods(life: Life) -> int:
    return sum(map(life.replicas, life.cluster.names("Deployment")))


async def watched(life: Life, least: int, most: int, passes: int = 20) -> list[dict[str, int]]:
    """Let the operator pass, and see after each pass that neither too few serve nor too many run.

    Return who served, each change once.
    """
    seen: list[dict[str, int]] = []
    for _ in range(passes):
        await life.passes(1)
        assert pods(life) <= most
        now = endpoints(life)
        assert sum(now.values()) >= least, now
        if now not in seen[-1:]:
            seen.append(now)
    return seen


async def test_pods_are_replaced_one_by_one() -> None:
    life, first = await serving(3)
    second = change(life.cluster, model=NEW_URI)
    seen = await watched(life, least=3, most=4)
    assert seen == [
        {first: 3},
        {first: 3, second: 1},
        {first: 2, second: 1},
        {first: 2, second: 2},
        {first: 1, second: 2},
        {second: 3},
    ]
    assert (life.replicas(first), life.replicas(second)) == (0, 3)
    assert life.status["stableRevision"] == second
    assert "rollout" not in life.status
    assert condition(life.cluster, "Ready")["status"] == "True"
    past = life.status["rollouts"][0]
    assert (past["strategy"], past["result"]) == ("RollingUpdate", "Promoted")
    assert [e.reason for e in life.cluster.told].count("Rolling") == 1
    assert not [e for e in life.cluster.told if e.warning]
    selector = life.cluster.get("Service", "fraud")["spec"]["selector"]
    assert selector["slipway.dev/track"] == second.rpartition("-")[2]
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before


@pytest.mark.parametrize(("surge", "most"), [(2, 6), ("25%", 5), ("26%", 6), ("100%", 8), (9, 8)])
async def test_so_many_at_a_time_as_the_surge_says(surge: int | str, most: int) -> None:
    life, first = await serving(4, rollout=rollout(surge))
    second = change(life.cluster, model=NEW_URI)
    largest = 0
    for _ in range(20):
        await life.passes(1)
        largest = max(largest, pods(life))
        assert sum(endpoints(life).values()) >= 4
    assert largest == most
    assert endpoints(life) == {second: 4}
    assert life.replicas(first) == 0


async def test_status_counts_the_pods_of_both() -> None:
    life, first = await serving(4)
    second = change(life.cluster, model=NEW_URI)
    await life.passes(7)
    status = life.status
    assert status["rollout"] == {
        "revision": second,
        "strategy": "RollingUpdate",
        "phase": "Rolling",
        "startedTime": "2026-01-01T12:00:00Z",
        "rollingUpdate": {
            "replicas": 4,
            "updatedReplicas": 2,
            "progressTime": "2026-01-01T12:00:00Z",
        },
    }
    assert status["readyReplicas"] >= 4
    assert status["selector"] == f"slipway.dev/model=fraud,slipway.dev/pool={first[-8:]}"
    budget = life.cluster.get("PodDisruptionBudget", "fraud")["spec"]["selector"]["matchLabels"]
    assert budget == life.cluster.get("Service", "fraud")["spec"]["selector"]
    ready = condition(life.cluster, "Ready")
    assert ready["reason"] == "Rolling"
    assert ready["message"].endswith("has 2 of the 4 pods that serve")
    available = condition(life.cluster, "Available")
    assert available["status"] == "True"
    assert "revisions" in available["message"]
    assert {r["name"]: r["role"] for r in status["revisions"]} == {
        first: "Stable",
        second: "Candidate",
    }


async def test_one_pod_is_followed_by_one() -> None:
    life, first = await serving(1)
    second = change(life.cluster, model=NEW_URI)
    assert await watched(life, least=1, most=2) == [{first: 1}, {second: 1}]
    assert life.replicas(first) == 0


async def test_pods_that_do_not_get_ready_replace_nobody() -> None:
    life, first = await serving(3)
    second = change(life.cluster, model=NEW_URI)
    life.broken[second] = "Loading"
    assert await watched(life, least=3, most=4) == [{first: 3}]
    assert life.status["rollout"]["phase"] == "Preparing"


async def test_a_revision_that_answers_wrongly_never_serves() -> None:
    life, first = await serving(3, verification=a_verification())
    second = change(life.cluster, model=NEW_URI)
    life.reports[second] = a_report("Failed")
    assert await watched(life, least=3, most=4) == [{first: 3}]
    assert life.replicas(second) == 0
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"


async def test_a_pause_holds_it_before_it_begins_and_in_the_middle() -> None:
    life, first = await serving(4)
    second = change(life.cluster, model=NEW_URI, rollout=rollout(paused=True))
    assert await watched(life, least=4, most=5) == [{first: 4}]
    assert condition(life.cluster, "Ready")["reason"] == "Paused"
    change(life.cluster, rollout=rollout())
    await life.passes(4)
    middle = endpoints(life)
    assert set(middle) == {first, second}
    change(life.cluster, rollout=rollout(paused=True))
    assert len(await watched(life, least=4, most=5)) <= 2
    assert set(endpoints(life)) == {first, second}
    assert condition(life.cluster, "Ready")["reason"] == "Paused"
    change(life.cluster, rollout=rollout(paused=True, promote=second))
    await watched(life, least=4, most=5)
    assert endpoints(life) == {second: 4}


async def middle(**spec: Any) -> tuple[Life, str, str]:
    """Be in the middle of replacing four pods."""
    life, first = await serving(4, **spec)
    second = change(life.cluster, model=NEW_URI)
    await life.passes(7)
    now = endpoints(life)
    assert min(now[first], now[second]) >= 2
    return life, first, second


async def test_one_that_is_aborted_is_replaced_in_the_same_way() -> None:
    life, first, second = await middle()
    change(life.cluster, rollout=rollout(abort=second))
    seen = await watched(life, least=4, most=5)
    assert len(seen) > 3
    assert endpoints(life) == {first: 4}
    assert (life.replicas(first), life.replicas(second)) == (4, 0)
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"
    assert "rollingUpdate" not in life.status["rollout"]


@pytest.mark.parametrize("paused", [False, True])
async def test_the_spec_of_before_goes_back_in_the_same_way(paused: bool) -> None:
    life, first, second = await middle()
    change(life.cluster, model=a_raw_spec()["model"], rollout=rollout(paused=paused))
    await watched(life, least=4, most=5)
    assert endpoints(life) == {first: 4}
    assert life.replicas(second) == 0
    assert condition(life.cluster, "Ready")["status"] == "True"


async def test_a_third_revision_replaces_both() -> None:
    life, first, second = await middle()
    third = change(life.cluster, model=THIRD_URI)
    await watched(life, least=4, most=6)
    assert endpoints(life) == {third: 4}
    assert (life.replicas(first), life.replicas(second)) == (0, 0)
    results = [entry["result"] for entry in life.status["rollouts"]]
    assert results[:2] == ["Promoted", "Superseded"]


@pytest.mark.parametrize("then", ["it fails", "aborted", "another", "BlueGreen"])
async def test_a_third_revision_that_is_not_trusted_never_joins(then: str) -> None:
    life, first, second = await middle(verification=a_verification())
    bad = change(life.cluster, model=THIRD_URI)
    life.reports[bad] = a_report("Failed") if then == "it fails" else a_report(state="Running")
    seen = await watched(life, least=4, most=6, passes=4)
    last = {"it fails": first, "aborted": first, "another": "", "BlueGreen": first}[then]
    if then == "aborted":
        change(life.cluster, rollout=rollout(abort=bad))
    if then == "another":
        last = change(life.cluster, model={"uri": "https://models.example.org/4.onnx"})
    if then == "BlueGreen":
        change(life.cluster, rollout=a_raw_spec()["rollout"])
    seen += await watched(life, least=4, most=9, passes=25)
    assert not [now for now in seen if bad in now]
    assert endpoints(life) == {last: 4}
    assert life.replicas(second) == 0


async def test_one_that_serves_alone_is_replaced_bit_by_bit_when_it_is_aborted() -> None:
    life, first = await serving(4)
    second = change(life.cluster, model=NEW_URI)
    await watched(life, least=4, most=5)
    assert endpoints(life) == {second: 4}
    change(life.cluster, rollout=rollout(abort=second))
    seen = await watched(life, least=4, most=5)
    assert {first: 2, second: 2} in seen
    assert endpoints(life) == {first: 4}


@pytest.mark.parametrize("how", ["Late", "ModelInvalid"])
async def test_one_that_fails_in_the_middle_goes_back(how: str) -> None:
    life, first, second = await middle()
    life.broken[second] = how
    await life.passes(2)
    life.now += timedelta(minutes=11)
    await life.passes(20)
    assert endpoints(life) == {first: 4}
    assert life.replicas(second) == 0
    ready = condition(life.cluster, "Ready")
    assert ready["reason"] == "RolledBack"
    refusal = life.entry(second)["refusal"]
    assert refusal["reason"] == {"Late": "ProgressDeadlineExceeded"}.get(how, how)


async def test_another_count_in_the_middle_is_kept_to() -> None:
    life, _, second = await middle()
    change(life.cluster, replicas=6)
    await watched(life, least=4, most=8)
    assert endpoints(life) == {second: 6}


async def test_another_strategy_in_the_middle_finishes_it() -> None:
    life, _, second = await middle()
    change(life.cluster, rollout=a_raw_spec()["rollout"])
    await watched(life, least=4, most=5)
    assert endpoints(life) == {second: 4}


def a_canary(**changes: Any) -> dict[str, Any]:
    canary = {"steps": [{"weight": 20, "duration": "1m"}], "minRequests": 1, "maxErrorRatio": "0"}
    return {**a_raw_spec()["rollout"], "strategy": "Canary", "canary": canary, **changes}


def answered(count: int) -> dict[str, Any]:
    durations = {"bounds": [1.0], "counts": [count, 0]}
    return {"answered": count, "refused": 0, "failed": 0, "durations": durations}


async def test_a_canary_begins_only_when_one_revision_serves_alone_again() -> None:
    life, first, second = await middle()
    third = change(life.cluster, model=THIRD_URI, rollout=a_canary(rollbackWindow="1h"))
    life.requests[third] = answered(0)
    seen = await watched(life, least=4, most=6)
    alone = seen.index({first: 4})
    assert not [now for now in seen[:alone] if third in now]
    assert seen[-1] == {first: 4, third: 1}
    assert life.replicas(second) == 0
    life.requests[third] = answered(9)
    life.now += timedelta(minutes=2)
    await watched(life, least=4, most=8)
    assert endpoints(life) == {third: 4}


async def test_an_hpa_rests_meanwhile_and_then_has_the_new_one() -> None:
    life, first = await serving(replicas=None, autoscaling=AUTOSCALING)
    life.cluster.get("Deployment", first)["spec"]["replicas"] = 5
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    rested = False
    for _ in range(20):
        await life.passes(1)
        rested = rested or not life.cluster.names("HorizontalPodAutoscaler")
        assert sum(endpoints(life).values()) >= 5
        assert pods(life) <= 6
    assert rested
    assert endpoints(life) == {second: 5}
    target = life.cluster.get("HorizontalPodAutoscaler", "fraud")["spec"]["scaleTargetRef"]["name"]
    assert target == second


@pytest.mark.parametrize("end", ["there", "back", "third"])
async def test_an_operator_that_dies_at_any_write_loses_no_pod(end: str) -> None:
    async def begin() -> Life:
        life, first, second = await middle()
        wish = {
            "there": {},
            "back": {"rollout": rollout(abort=second)},
            "third": {"model": THIRD_URI},
        }
        change(life.cluster, **wish[end])
        life.reports[first] = a_report()
        return life

    def look(life: Life) -> None:
        assert sum(endpoints(life).values()) >= 4
        assert pods(life) <= (6 if end == "third" else 5)

    lives = await deaths(begin, look)
    for life in lives:
        [first] = life.reports
        (serves,) = endpoints(life)
        assert endpoints(life) == {serves: 4}
        assert (serves == first) == (end == "back")
        assert pods(life) == 4
    assert len(lives) > 8


@pytest.mark.parametrize("scale", [{}, {"replicas": None, "autoscaling": AUTOSCALING}])
async def test_an_operator_that_dies_at_the_first_writes_loses_no_pod_either(
    scale: dict[str, Any],
) -> None:
    async def begin() -> Life:
        life, first = await serving(3, **scale)
        life.cluster.get("Deployment", first)["spec"]["replicas"] = 3
        await life.passes()
        change(life.cluster, model=NEW_URI)
        return life

    def look(life: Life) -> None:
        assert sum(endpoints(life).values()) >= 3
        assert pods(life) <= 4

    lives = await deaths(begin, look)
    assert all(len(endpoints(life)) == 1 and pods(life) == 3 for life in lives)
    assert len(lives) > 15


async def test_a_suspended_model_stays_in_the_middle() -> None:
    life, *_ = await middle()
    change(life.cluster, suspend=True)
    await life.passes(1)
    before = endpoints(life)
    assert len(before) == 2
    for _ in range(5):
        await life.passes(1)
        life.now += timedelta(hours=1)
    assert endpoints(life) == before
    assert life.status["selector"].startswith("slipway.dev/model=fraud,slipway.dev/pool=")


async def test_pods_that_are_ready_stay_before_those_that_are_not() -> None:
    life, first, second = await middle()
    life.broken[first] = "Late"
    life.bring_up()
    third = change(life.cluster, model=THIRD_URI, replicas=2)
    life.broken[third] = "Late"
    await life.passes(6)
    assert endpoints(life) == {second: 2}


async def test_one_that_is_refused_does_not_serve_since_it_is_named_to_be_gone_back_to() -> None:
    life, first = await serving(4)
    second = change(life.cluster, model=NEW_URI, rollout=rollout(paused=True))
    await life.passes(6)
    change(life.cluster, rollout=rollout(abort=second, rollbackTo=second))
    assert await watched(life, least=4, most=5) == [{first: 4}]
    assert life.replicas(second) == 0


async def test_a_canary_that_is_named_to_be_gone_back_to_takes_its_steps_all_the_same() -> None:
    life, first, second = await middle()
    third = change(life.cluster, model=THIRD_URI, rollout=a_canary())
    life.requests[third] = answered(0)
    change(life.cluster, rollout=a_canary(rollbackTo=third))
    seen = await watched(life, least=4, most=6)
    assert seen[-1] == {first: 4, third: 1}
    assert life.replicas(second) == 0
