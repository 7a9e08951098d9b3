"""A canary's whole life: its steps, its failures, and an operator that dies at any write."""

from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.core.reading import Reading
from support.builders import AUTOSCALING
from support.canaries import BAD, GOOD, MINUTE, NOTHING, end_a_step, rollout
from support.copies import compared, told
from support.lives import Life, deaths
from support.passes import NEW_URI, change, condition, selected
from support.verifications import a_report, a_verification

THIRD_URI = {"uri": "https://models.example.org/third.onnx", "sha256": "3" * 64}


async def begun(**spec: Any) -> tuple[Life, str, str]:
    """Serve a revision with three pods, and begin the canary of a second one."""
    life, first = Life.of(**{"replicas": 3, "rollout": rollout()} | spec)
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.requests[second] = NOTHING
    await life.passes()
    return life, first, second


def taking(life: Life, revision: str) -> list[str]:
    """Name the pods of a revision that the Service selects."""
    track = selected(life.cluster).rpartition("-")[2]
    return [
        pod["metadata"]["name"]
        for pod in life.cluster.pod_list
        if pod["metadata"]["name"].startswith(revision)
        and "deletionTimestamp" not in pod["metadata"]
        and pod["metadata"]["labels"].get("slipway.dev/track", revision.rpartition("-")[2]) == track
    ]


async def test_it_takes_more_and_more_and_then_all() -> None:
    life, first, second = await begun()
    assert (selected(life.cluster), len(taking(life, second))) == (first, 1)
    assert life.replicas(second) == 1
    assert life.status["rollout"] == {
        "revision": second,
        "startedTime": "2026-01-01T12:00:00Z",
        "strategy": "Canary",
        "phase": "Canary",
        "canary": {
            "passedSteps": 0,
            "weight": 25,
            "actualWeight": 25,
            "weightedBy": "Pods",
            "pods": 1,
            "startedTime": "2026-01-01T12:00:00Z",
        },
    }
    assert condition(life.cluster, "Ready")["reason"] == "Canary"
    assert condition(life.cluster, "Ready")["message"].endswith(
        "takes about 25 % of the connections, by 1 of 4 pods: step 1 of 2, at most 25 %"
    )
    await end_a_step(life, second)
    assert (selected(life.cluster), len(taking(life, second))) == (first, 3)
    assert life.status["rollout"]["canary"]["actualWeight"] == 50
    life.now += MINUTE
    await life.passes()
    assert selected(life.cluster) == second
    assert life.replicas(first) == 0
    assert "rollout" not in life.status
    assert condition(life.cluster, "Ready")["status"] == "True"
    assert [e.reason for e in life.cluster.told].count("Canary") == 2
    assert not [e for e in life.cluster.told if e.warning]


async def test_one_that_fails_loses_all_traffic_in_one_pass_and_is_not_tried_again() -> None:
    life, first, second = await begun()
    life.requests[second] = BAD
    await life.passes(1)
    assert taking(life, second) == []
    await life.passes()
    assert (selected(life.cluster), life.replicas(second), life.replicas(first)) == (first, 0, 3)
    ready = condition(life.cluster, "Ready")
    assert ready["reason"] == "RolledBack"
    assert "CanaryFailed: 200 of the 1000 requests that it took failed: 20.00%" in ready["message"]
    assert life.entry(second)["refusal"]["reason"] == "CanaryFailed"
    past = life.status["rollouts"][0]
    assert (past["result"], past["reason"], past["strategy"]) == (
        "RolledBack",
        "CanaryFailed",
        "Canary",
    )
    assert past["canary"] == {"passedSteps": 0, "requests": 1000, "refused": 0, "failed": 200}
    assert "rollout" not in life.status or "canary" not in life.status["rollout"]
    life.requests[second] = GOOD
    life.now += timedelta(hours=1)
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before


@pytest.mark.parametrize("slow", [0, 9, 200])
async def test_how_many_were_slow_is_remembered_where_it_was_asked(slow: int) -> None:
    life, first, second = await begun(rollout=rollout(canary=LIMITED))
    durations = {"bounds": [0.05], "counts": [990 - slow, slow]}
    life.requests[second] = {**GOOD, "durations": durations}
    for _ in range(2):
        life.now += MINUTE
        await life.passes()
    assert selected(life.cluster) == (first if slow > 9 else second)
    past = life.status["rollouts"][0]["canary"]
    assert (past["requests"], past["slow"], past["timed"]) == (1000, slow, 990)


LIMITED = {**rollout()["canary"], "maxP99": "50ms", "steps": [{"weight": 25, "duration": "1m"}]}


async def test_one_whose_process_ends_is_taken_back() -> None:
    life, first, second = await begun()
    life.restarts[second] = 1
    await life.passes()
    assert (selected(life.cluster), life.replicas(second)) == (first, 0)
    assert "exit code 137, OOMKilled" in condition(life.cluster, "Ready")["message"]


async def test_without_requests_it_waits_and_says_so_until_somebody_decides() -> None:
    life, first, second = await begun()
    life.now += timedelta(hours=1)
    await life.passes()
    assert selected(life.cluster) == first
    assert "spec.rollout.canary.minRequests" in condition(life.cluster, "Ready")["message"]
    change(life.cluster, rollout=rollout(promote=second))
    await life.passes()
    assert selected(life.cluster) == second


async def test_a_step_by_requests_ends_with_the_last_of_them_and_says_what_it_waits_for() -> None:
    canary = rollout()["canary"]
    steps = [{"weight": 25, "requests": 1000}, {"weight": 50, "requests": 2500}]
    life, _, second = await begun(rollout=rollout(canary=canary | {"steps": steps}))
    life.requests[second] = {**GOOD, "answered": 999}
    await life.passes()
    message = condition(life.cluster, "Ready")["message"]
    assert message.endswith(
        "; it waits for more requests: see spec.rollout.canary.steps[0].requests"
    )
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before, "while it waits nothing is written"
    life.requests[second] = GOOD
    await life.passes()
    assert life.status["rollout"]["canary"]["passedSteps"] == 1
    assert "steps[1].requests" in condition(life.cluster, "Ready")["message"]
    life.requests[second] = {**GOOD, "answered": 1500}
    await life.passes()
    assert selected(life.cluster) == second, "two pods had answered 1000 before they took any"


def agreeing(**changes: Any) -> dict[str, Any]:
    demands = {"minAgreement": "0.99", "rtol": "0.001", "atol": "0.0001"}
    steps = [{"weight": 25, "duration": "1m"}]
    return rollout(canary={**rollout()["canary"], **demands, "steps": steps}, **changes)


async def test_its_answers_to_copies_are_compared_until_it_serves() -> None:
    life, first, second = await begun(rollout=agreeing())
    assert told(life, first) == {
        "schemaVersion": 1,
        "revision": second.rpartition("-")[2],
        "url": f"http://{second}.risk.svc",
        "percent": 8,
        "rtol": 0.001,
        "atol": 0.0001,
    }
    assert told(life, second) is None
    assert life.cluster.get("Service", second)["spec"]["selector"] == {
        "slipway.dev/model": "fraud",
        "slipway.dev/revision": second.rpartition("-")[2],
    }, "whatever their track, so that pods which take requests get copies, too"
    life.requests[second] = GOOD
    compared(life, first, second, 99)
    life.now += MINUTE
    await life.passes()
    message = condition(life.cluster, "Ready")["message"]
    waits = "; it waits for more copies of requests to compare: see spec.rollout.canary.minRequests"
    assert message.endswith(waits)
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before, "while it waits nothing is written"
    compared(life, first, second, 600, 3)
    await life.passes()
    assert selected(life.cluster) == second
    assert (told(life, first), life.cluster.names("Service")) == (None, {"fraud"})
    past = life.status["rollouts"][0]["canary"]
    assert (past["requests"], past["copies"], past["agreed"]) == (1000, 600, 597)


async def test_one_that_answers_otherwise_loses_its_traffic_and_gets_no_more_copies() -> None:
    life, first, second = await begun(rollout=agreeing())
    compared(life, first, second, 300, 60)
    await life.passes(1)
    assert (taking(life, second), told(life, first)) == ([], None)
    await life.passes()
    assert (selected(life.cluster), life.replicas(second), life.replicas(first)) == (first, 0, 3)
    message = condition(life.cluster, "Ready")["message"]
    assert "CanaryFailed: 60 of the 300 requests that it took were answered otherwise" in message
    past = life.status["rollouts"][0]["canary"]
    assert (past["copies"], past["agreed"]) == (300, 240)
    assert life.cluster.names("Service") == {"fraud"}
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before


async def test_one_that_a_person_ends_gets_no_more_copies() -> None:
    life, first, second = await begun(rollout=agreeing())
    change(life.cluster, rollout=agreeing(abort=second))
    await life.passes()
    assert (told(life, first), life.cluster.names("Service")) == (None, {"fraud"})


async def test_without_a_wish_for_agreement_nothing_is_copied() -> None:
    life, first, second = await begun()
    assert (told(life, first), life.cluster.names("Service")) == (None, {"fraud"})
    life.requests[second] = BAD
    await life.passes()
    assert not {"copies", "agreed"} & set(life.status["rollouts"][0]["canary"])


QUERY = {"name": "likes", "query": "likes{pod=~'$(revision)-.*'}", "min": "10"}


def asking() -> dict[str, Any]:
    return rollout(canary={**rollout()["canary"], "queries": [QUERY]})


async def test_it_goes_on_once_prometheus_says_that_it_may() -> None:
    life, _, second = await begun(rollout=asking())
    life.requests[second] = GOOD
    life.now += MINUTE
    await life.passes()
    assert set(life.prometheus.asked) == {f"likes{{pod=~'{second}-.*'}}"}
    said = condition(life.cluster, "Ready")["message"]
    assert said.endswith("; it waits for query likes: it gives no data")
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before
    for answer in (10.0, 12.5):
        life.prometheus.said[life.prometheus.asked[0]] = Reading(answer)
        await life.passes()
        life.now += MINUTE
    await life.passes()
    assert selected(life.cluster) == second
    past = life.status["rollouts"][0]["canary"]
    assert past["queries"] == [{"name": "likes", "value": "12.5"}]
    asked = len(life.prometheus.asked)
    await life.passes()
    assert len(life.prometheus.asked) == asked, "nobody is asked any more"


async def test_a_query_without_an_answer_is_not_in_the_history() -> None:
    life, first, second = await begun(rollout=asking())
    life.requests[second] = BAD
    await life.passes()
    assert (selected(life.cluster), life.replicas(second)) == (first, 0)
    assert "queries" not in life.status["rollouts"][0]["canary"]


async def test_it_loses_its_traffic_when_prometheus_says_that_it_is_worse() -> None:
    life, first, second = await begun(rollout=asking())
    await life.passes()
    life.prometheus.said[life.prometheus.asked[0]] = Reading(9.0)
    await life.passes()
    assert (selected(life.cluster), taking(life, second)) == (first, [])
    message = condition(life.cluster, "Ready")["message"]
    assert "CanaryFailed: query likes gives 9, where at least 10 is asked for" in message
    assert life.status["rollouts"][0]["canary"]["queries"] == [{"name": "likes", "value": "9"}]


@pytest.mark.parametrize("how", [{"abort": True}, {"strategy": "BlueGreen", "canary": None}])
async def test_a_person_ends_it(how: dict[str, Any]) -> None:
    life, first, second = await begun()
    wish = rollout(**how | ({"abort": second} if "abort" in how else {}))
    change(life.cluster, rollout={k: v for k, v in wish.items() if v is not None})
    await life.passes()
    assert selected(life.cluster) == (first if "abort" in how else second)
    labelled = [p for p in life.cluster.pod_list if "annotations" in p["metadata"]]
    assert all(p["metadata"]["annotations"] == {NOTE: ""} for p in labelled)


NOTE = "slipway.dev/canary-baseline"


async def test_another_change_takes_the_canary_of_the_one_before_back() -> None:
    life, first, second = await begun()
    third = change(life.cluster, model=THIRD_URI)
    life.requests[third] = NOTHING
    await life.passes(1)
    assert taking(life, second) == []
    await life.passes()
    assert (selected(life.cluster), len(taking(life, third))) == (first, 1)
    assert life.replicas(second) == 0


async def test_it_is_verified_before_it_takes_anything() -> None:
    life, first = Life.of(replicas=3, rollout=rollout(), verification=a_verification())
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.requests[second] = NOTHING
    life.reports[second] = a_report(state="Running", outcome=None)
    await life.passes()
    assert (selected(life.cluster), taking(life, second)) == (first, [])
    assert life.replicas(second) == 1, "one pod is enough to be verified"
    del life.reports[second]
    await life.passes()
    assert len(taking(life, second)) == 1


async def test_a_paused_canary_keeps_its_share_and_goes_no_further() -> None:
    life, _, second = await begun()
    life.requests[second] = GOOD
    change(life.cluster, rollout=rollout(paused=True))
    life.now += timedelta(hours=1)
    await life.passes()
    assert len(taking(life, second)) == 1
    assert condition(life.cluster, "Ready")["reason"] == "Paused"
    life.requests[second] = BAD
    await life.passes()
    assert taking(life, second) == [], "it is watched all the same"


async def test_a_suspended_canary_is_left_as_it_is() -> None:
    life, _, second = await begun()
    change(life.cluster, suspend=True)
    await life.passes()
    life.requests[second] = BAD
    before = list(life.cluster.writes)
    await life.passes()
    assert [w for w in life.cluster.writes[len(before) :] if w != "status"] == []
    assert len(taking(life, second)) == 1


async def test_the_hpa_stays_with_what_serves() -> None:
    scaling = {**AUTOSCALING, "minReplicas": 3}
    life, first = Life.of(rollout=rollout())
    life.cluster.get("ModelDeployment", "fraud")["spec"].pop("replicas")
    first = change(life.cluster, autoscaling=scaling)
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.requests[second] = NOTHING
    await life.passes()
    target = life.cluster.get("HorizontalPodAutoscaler", "fraud")["spec"]["scaleTargetRef"]
    assert (target["name"], life.replicas(second)) == (first, 1)
    life.cluster.get("Deployment", first)["spec"]["replicas"] = 6
    await life.passes()
    assert life.replicas(second) == 2, "a quarter of eight"
    assert len(taking(life, second)) == 2


@pytest.mark.parametrize("disagreed", [0, 300], ids=["agrees", "disagrees"])
async def test_an_operator_that_dies_at_any_write_forgets_no_copies(disagreed: int) -> None:
    async def begin() -> Life:
        life, first = Life.of(replicas=3, rollout=agreeing())
        await life.passes()
        second = change(life.cluster, model=NEW_URI)
        life.requests |= {first: NOTHING, second: NOTHING}
        return life

    def look(life: Life) -> None:
        first, second = life.requests
        assert life.replicas(selected(life.cluster)) == 3
        if taking(life, second):
            life.requests[second] = GOOD
            compared(life, first, second, 300, disagreed)

    lives = await deaths(begin, look)
    for life in lives:
        first, second = life.requests
        assert selected(life.cluster) == (first if disagreed else second)
        assert life.cluster.names("Service") == {"fraud"}
        assert told(life, first) is None
    assert len(lives) > 10


@pytest.mark.parametrize("numbers", [GOOD, BAD], ids=["good", "bad"])
async def test_an_operator_that_dies_at_any_write_leaves_what_serves_and_goes_on(
    numbers: dict[str, Any],
) -> None:
    _, first = Life.of(replicas=3, rollout=rollout())

    async def begin() -> Life:
        life, _ = Life.of(replicas=3, rollout=rollout())
        await life.passes()
        life.requests[change(life.cluster, model=NEW_URI)] = NOTHING
        return life

    def look(life: Life) -> None:
        serving, [second] = selected(life.cluster), life.requests
        assert life.replicas(serving) == 3
        assert len(taking(life, serving)) == 3
        if taking(life, second):
            life.requests[second] = numbers

    lives = await deaths(begin, look)
    for life in lives:
        [second] = life.requests
        assert selected(life.cluster) == (second if numbers is GOOD else first)
        assert ("refusal" in life.entry(second)) is (numbers is BAD), "evidence outlives who saw it"
    assert len(lives) > 10
