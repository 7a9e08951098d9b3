"""Each row of the canary's table, its arithmetic, and what it is judged by."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from slipway_operator.core.containers import Container
from slipway_operator.core.copies import Copies
from slipway_operator.core.observed import Observed, Progress
from slipway_operator.core.pods import Pod
from slipway_operator.core.reading import Reading
from slipway_operator.core.requests import Baseline, Requests
from slipway_operator.core.rollout import (
    Course,
    Move,
    Phase,
    Share,
    Trial,
    advance,
    moves,
    needed,
    questions,
)
from slipway_operator.core.route import Answer, Routed
from slipway_operator.core.spec import Spec
from support.builders import NOON, a_raw_spec, a_revision, a_spec, a_world, an_autoscaled_spec

STEPS = [{"weight": 20, "duration": "5m"}, {"weight": 50, "duration": "5m"}]
OLD = a_revision("old", wanted=8, replicas=8, ready=8)
BEGUN = NOON - timedelta(minutes=1)
OVER = NOON - timedelta(minutes=5)
BOUNDS = [0.001, 0.01, 0.1]


def wish(**changes: Any) -> Spec:
    """A canary of 20 and 50 percent, judged after 100 requests."""
    wanted = {"steps": STEPS, "minRequests": 100, "maxErrorRatio": "0.01"}
    canary = wanted | changes.pop("canary", {})
    rollout = a_raw_spec()["rollout"] | {"strategy": "Canary", "canary": canary}
    return a_spec(replicas=8, rollout=rollout | changes)


B = wish().fingerprint


def told(answered: int, failed: int = 0, slow: int = 0, refused: int = 0) -> dict[str, Any]:
    """What a runtime says of its requests; ``slow`` ones took longer than 10 ms."""
    counts = [answered - slow, 0, slow, 0]
    durations = {"bounds": BOUNDS, "counts": counts}
    numbers = {"answered": answered, "refused": refused, "failed": failed}
    return {"requests": {**numbers, "durations": durations}}


NOTHING = json.dumps([B, 0, 0, 0, 0, 0, 0, 0, 0])


def a_pod(number: int = 0, *, track: str = "old", **changes: Any) -> Pod:
    """Build a pod of the canary; who has its own track takes no traffic, and has no note."""
    note = NOTHING if track == "old" else ""
    found = Pod(
        name=f"p{number}", fingerprint=B, track=track, ready=True, runtime=told(0), baseline=note
    )
    return replace(found, **changes)


def under_way(
    *pods: Pod, passed: int = 0, since: datetime | None = BEGUN, count: int = 2
) -> Observed:
    """A canary whose pods, ``count`` of them, are ready."""
    return a_world(
        OLD,
        a_revision(B, 2, wanted=count, replicas=count, ready=count),
        good="old",
        track="old",
        pods=pods,
        rollout=Progress(B, "Canary", BEGUN, passed, since),
    )


def course(seen: Observed, spec: Spec | None = None, *, trusted: bool = True) -> Course:
    return advance(spec or wish(), seen, trusted=trusted, refused=False)


def taken(seen: Observed, spec: Spec | None = None) -> Share:
    found = course(seen, spec).trial.share
    assert found is not None
    return found


def answered(*numbers: int) -> Observed:
    """A canary whose step is over in time, and what its only pod has answered."""
    return under_way(a_pod(runtime=told(*numbers)), since=OVER)


ROWS = [
    # requests, failed, time over, result
    pytest.param(1000, 100, False, "stopped", id="surely bad"),
    pytest.param(1000, 100, True, "stopped", id="surely bad, at the end"),
    pytest.param(1000, 11, False, "goes on", id="too often, but that may be chance"),
    pytest.param(1000, 11, True, "stopped", id="too often, at the end"),
    pytest.param(1000, 10, True, "next step", id="as often as may be"),
    pytest.param(100, 0, True, "next step", id="just enough requests"),
    pytest.param(99, 0, True, "waits", id="too few requests"),
    pytest.param(99, 2, True, "waits", id="too few to tell"),
    pytest.param(0, 0, True, "waits", id="no request at all"),
    pytest.param(5000, 0, False, "goes on", id="well, and not yet over"),
]


@pytest.mark.parametrize(("requests", "failed", "over", "result"), ROWS)
def test_a_row_of_the_table(requests: int, failed: int, over: bool, result: str) -> None:
    pod = a_pod(runtime=told(requests, failed))
    found = taken(under_way(pod, since=OVER if over else BEGUN))
    happened = {
        "stopped": found.refusal is not None and found.pods == 0,
        "next step": found.passed == 1 and found.since is None,
        "waits": found.short,
        "goes on": found.since == BEGUN and found.refusal is None,
    }
    assert [name for name, so in happened.items() if so] == [result]


ENDS = [
    # duration, requests of the step, minRequests, answered, since, who wants more, None to end
    pytest.param(None, 300, 100, 300, BEGUN, None, id="by requests"),
    pytest.param(None, 300, 100, 299, OVER, "steps[0].requests", id="one is missing"),
    pytest.param(None, 300, 301, 300, BEGUN, "minRequests", id="as many as any step needs"),
    pytest.param("5m", 300, 100, 300, OVER, None, id="both"),
    pytest.param("5m", 300, 100, 299, OVER, "steps[0].requests", id="only its time is over"),
    pytest.param("5m", 300, 100, 300, BEGUN, "", id="only the requests are there"),
    pytest.param("5m", None, 100, 100, OVER, None, id="by time"),
]


@pytest.mark.parametrize(("span", "requests", "least", "count", "since", "waits"), ENDS)
def test_a_step_ends_by_time_or_by_requests_or_by_both(
    span: str | None, requests: int | None, least: int, count: int, since: datetime, waits: Any
) -> None:
    asked = {"weight": 20, "duration": span, "requests": requests}
    step = {key: value for key, value in asked.items() if value is not None}
    spec = wish(canary={"steps": [step], "minRequests": least})
    found = taken(under_way(a_pod(runtime=told(count)), since=since), spec)
    assert found.passed == (1 if waits is None else 0)
    assert found.short == (f"{MORE}{waits}" if waits else "")


MORE = "requests: see spec.rollout.canary."


def test_requests_are_counted_from_the_first_step_on() -> None:
    steps = [{"weight": 20, "requests": 300}, {"weight": 20, "requests": 500}]
    spec = wish(canary={"steps": steps})
    for answered, passed in ((300, 1), (499, 1), (500, 2)):
        found = taken(under_way(a_pod(runtime=told(answered)), passed=1), spec)
        assert (found.passed, found.short) == (
            passed,
            "" if passed == 2 else f"{MORE}steps[1].requests",
        )


def test_a_step_by_requests_ends_badly_if_these_were_answered_badly() -> None:
    spec = wish(canary={"steps": [{"weight": 20, "requests": 1000}]})
    assert taken(under_way(a_pod(runtime=told(999, 11))), spec).refusal is None
    assert taken(under_way(a_pod(runtime=told(1000, 11))), spec).refusal is not None


def test_requests_that_take_too_long_stop_it_too() -> None:
    spec = wish(canary={"maxP99": "10ms"})
    assert taken(answered(1000, 0, 10), spec).passed == 1
    found = taken(answered(1000, 0, 11), spec).refusal
    assert found is not None
    assert "11 of the 1000 requests that it took took longer than 0.01 s: 1.10%" in found.message
    assert taken(answered(1000, 0, 11)).passed == 1, "nobody asked"


def test_a_limit_between_two_bounds_is_rounded_up() -> None:
    spec = wish(canary={"maxP99": "5ms"})
    assert taken(answered(1000, 0, 1000), spec).refusal is not None
    assert taken(answered(1000, 0, 0), spec).refusal is None
    counts = {"bounds": BOUNDS, "counts": [0, 1000, 0, 0]}
    within = {"requests": told(1000)["requests"] | {"durations": counts}}
    assert taken(under_way(a_pod(runtime=within)), spec).refusal is None


AGREEING = {"minAgreement": "0.99", "rtol": "0.01", "atol": "0"}


def comparing(copies: int, disagreed: int = 0, failed: int = 0, *, of: str = "") -> Pod:
    """Build a pod that serves, and has sent copies of requests to the canary, or to another."""
    counts = {"requests": copies, "agreed": copies - disagreed - failed, "disagreed": disagreed}
    worst = {"output": "y", "index": [3], "got": "1.5", "expected": "0.5"} if disagreed else None
    told_of = {**counts, "failed": failed, "dropped": 0, "worst": worst, "revision": of or B}
    return a_pod(9, fingerprint="old", runtime={**told(0), "shadow": told_of})


COPIES = "copies of requests to compare: see spec.rollout.canary.minRequests"
COMPARED = [
    # copies, disagreed, failed, time over, result
    pytest.param(1000, 100, 0, False, "stopped", id="surely other answers"),
    pytest.param(1000, 0, 100, False, "stopped", id="surely none"),
    pytest.param(1000, 6, 5, False, "goes on", id="too often, but that may be chance"),
    pytest.param(1000, 6, 5, True, "stopped", id="too often, at the end"),
    pytest.param(1000, 5, 5, True, "next step", id="as often as may be"),
    pytest.param(100, 0, 0, True, "next step", id="just enough copies"),
    pytest.param(99, 0, 0, True, "waits", id="too few copies"),
    pytest.param(99, 2, 0, True, "waits", id="too few to tell"),
    pytest.param(0, 0, 0, True, "waits", id="no copy at all"),
    pytest.param(5000, 0, 0, False, "goes on", id="well, and not yet over"),
]


@pytest.mark.parametrize(("copies", "disagreed", "failed", "over", "result"), COMPARED)
def test_a_row_of_what_copies_tell(
    copies: int, disagreed: int, failed: int, over: bool, result: str
) -> None:
    pods = a_pod(runtime=told(1000)), comparing(copies, disagreed, failed)
    seen = under_way(*pods, since=OVER if over else BEGUN)
    found = taken(seen, wish(canary=AGREEING))
    happened = {
        "stopped": found.refusal is not None and found.pods == 0,
        "next step": found.passed == 1 and found.since is None,
        "waits": found.short == COPIES,
        "goes on": found.since == BEGUN and found.refusal is None and not found.short,
    }
    assert [name for name, so in happened.items() if so] == [result]


def test_answers_that_disagree_are_told_with_an_example_that_is_nobodys() -> None:
    found = taken(under_way(a_pod(), comparing(300, 60)), wish(canary=AGREEING)).refusal
    assert found is not None
    assert found.reason == "CanaryFailed"
    assert "60 of the 300 requests that it took were answered otherwise" in found.message
    assert "20.00%, where at most 1.00% may; y[3] differed most" in found.message


def test_copies_that_are_of_another_or_that_nobody_asked_for_tell_nothing() -> None:
    pod = a_pod(runtime=told(1000))
    others = taken(under_way(pod, comparing(1000, 1000, of="other"), since=OVER))
    assert (others.passed, others.copying) == (1, None)
    asked = under_way(pod, comparing(1000, 1000, of="other"), since=OVER)
    assert taken(asked, wish(canary=AGREEING)).short == COPIES
    assert taken(under_way(pod, comparing(1000, 1000), since=OVER)).passed == 1


@pytest.mark.parametrize(
    ("serving", "weight", "percent"),
    [(1, 5, 25), (2, 10, 12), (9, 10, 2), (8, 20, 6), (8, 50, 25), (8, 90, 25), (99, 1, 1)],
)
def test_its_pods_get_a_quarter_of_what_one_takes_that_serves_as_copies(
    serving: int, weight: int, percent: int
) -> None:
    spec = wish(canary=AGREEING | {"steps": [{"weight": weight, "duration": "1m"}]})
    old = a_revision("old", wanted=serving, replicas=serving, ready=serving)
    found = course(replace(under_way(), revisions=(old, a_revision(B, 2))), spec).copying
    assert found is not None
    assert (found.percent, found.min_requests) == (percent, 100)
    assert (found.min_agreement, found.rtol, found.atol) == (0.99, 0.01, 0)


def test_nothing_is_copied_to_one_that_has_not_begun_or_has_ended() -> None:
    spec = wish(canary=AGREEING)
    assert course(under_way(a_pod()), spec).copying is not None
    assert course(under_way(a_pod()), wish(canary=AGREEING, paused=True)).copying is not None
    assert course(replace(under_way(count=1), rollout=None), spec).copying is None
    assert course(under_way(a_pod(), comparing(300, 60)), spec).copying is None, "refused"
    assert course(under_way(passed=2, since=None, count=8), spec).copying is None, "promoted"
    assert course(under_way(a_pod())).copying is None, "not asked for"


RATE = {"name": "rate", "query": "rate{pod=~'$(revision)-.*'}", "min": "0.5", "max": "2"}
LIKES = {"name": "likes", "query": "likes", "min": "3"}

READ = [
    # rate, time over, result
    pytest.param(2.1, False, "stopped", id="too much"),
    pytest.param(0.4, False, "stopped", id="too little"),
    pytest.param(2.1, True, "stopped", id="too much at the end"),
    pytest.param(2.0, True, "next step", id="as much as may be"),
    pytest.param(0.5, True, "next step", id="as little as may be"),
    pytest.param(1.0, False, "goes on", id="well, and not yet over"),
    pytest.param(None, False, "goes on", id="no number yet"),
    pytest.param(None, True, "waits", id="no number"),
]


@pytest.mark.parametrize(("value", "over", "result"), READ)
def test_a_row_of_what_prometheus_says(value: float | None, over: bool, result: str) -> None:
    pod = a_pod(runtime=told(100))
    seen = under_way(pod, since=OVER if over else BEGUN)
    readings = {"likes": Reading(3.0), "rate": Reading(value, "" if value else "it gives no data")}
    found = taken(replace(seen, readings=readings), wish(canary={"queries": [LIKES, RATE]}))
    happened = {
        "stopped": found.refusal is not None and found.pods == 0,
        "next step": found.passed == 1 and found.since is None,
        "waits": found.unread == "query rate: it gives no data",
        "goes on": found.since == BEGUN and found.refusal is None,
    }
    assert [name for name, so in happened.items() if so] == [result]


@pytest.mark.parametrize(
    ("value", "words"),
    [(2.5, "query rate gives 2.5, where at most 2 is"), (0.0, "gives 0, where at least 0.5 is")],
)
def test_a_query_that_stops_it_is_told_with_its_bound(value: float, words: str) -> None:
    seen = replace(under_way(a_pod()), readings={"rate": Reading(value)})
    found = taken(seen, wish(canary={"queries": [RATE]})).refusal
    assert found is not None
    assert (found.reason, words in found.message) == ("CanaryFailed", True)


def test_what_prometheus_said_before_its_pods_were_there_stops_nothing() -> None:
    seen = replace(under_way(since=None), readings={"rate": Reading(9.0)})
    assert taken(seen, wish(canary={"queries": [RATE]})).refusal is None


def test_what_prometheus_says_between_two_steps_stops_it_too() -> None:
    seen = replace(under_way(passed=1, since=None), readings={"rate": Reading(9.0)})
    assert taken(seen, wish(canary={"queries": [RATE]})).refusal is not None
    over = replace(under_way(a_pod(), passed=2, since=None), readings={"rate": Reading(9.0)})
    assert taken(over, wish(canary={"queries": [RATE]})).refusal is not None


def test_a_query_that_nobody_has_asked_yet_is_no_pass() -> None:
    seen = under_way(a_pod(runtime=told(100)), since=OVER)
    found = taken(seen, wish(canary={"queries": [RATE]}))
    assert (found.passed, found.unread) == (0, "query rate: it was not asked yet")


def test_the_queries_of_a_canary_are_asked_about_its_own_revisions() -> None:
    where = "$(namespace)/$(name): $(revision) or $(stable), $(revision)"
    spec, owner = wish(canary={"queries": [RATE | {"query": where}, LIKES]}), ("risk", "fraud")
    assert questions(spec, under_way(a_pod()), owner) == {
        "rate": f"risk/fraud: fraud-{B} or fraud-old, fraud-{B}",
        "likes": "likes",
    }
    assert questions(spec, replace(under_way(), rollout=None), owner) == {}, "it has not begun"
    shadowed = Progress(B, "Shadow", BEGUN, None, None)
    assert questions(spec, replace(under_way(), rollout=shadowed), owner) == {}
    other = Progress("c0ffee00", "Canary", BEGUN, 0, BEGUN)
    assert questions(spec, replace(under_way(), rollout=other), owner) == {}
    assert questions(a_spec(), under_way(), owner) == {}, "nothing is asked for"


def test_what_a_pod_answered_before_it_took_traffic_does_not_count() -> None:
    before = Baseline(Requests(900, 0, 900, (), (900, 0, 0, 0)), 0).note(B)
    pod = a_pod(baseline=before, runtime=told(1000, 900))
    assert taken(under_way(pod, since=OVER)).passed == 1
    anew = a_pod(baseline=before, runtime=told(100, 0))
    assert taken(under_way(anew, since=OVER)).passed == 1, "a new process counts from zero"


@pytest.mark.parametrize(
    "baseline", ["", "null", "{}", "[1]", '["x"]', "[1, 2, 3", '["other", 0, 0, 0, 0, 0, 0, 0, 0]']
)
def test_a_note_of_somebody_else_is_none_and_is_written_anew(baseline: str) -> None:
    pod = a_pod(baseline=baseline, runtime=told(100))
    assert taken(under_way(pod, since=OVER)).short
    assert moved(under_way(pod), 1) == [
        Move("p0", "old", json.dumps([B, 0, 100, 0, 0, 100, 0, 0, 0]))
    ]


def serving(answered: int, refused: int) -> Pod:
    return a_pod(9, fingerprint="old", runtime=told(answered, refused=refused))


@pytest.mark.parametrize(
    ("canary", "usual", "result"),
    [
        pytest.param((1000, 1000), (1000, 0), "stopped", id="all of them, as never before"),
        pytest.param((1000, 1000), (0, 0), "at the end", id="all of them, and nobody to compare"),
        pytest.param((1000, 500), (1000, 500), "goes on", id="callers' fault"),
        pytest.param((1000, 520), (1000, 500), "at the end", id="more than usual, but hardly"),
        pytest.param((1000, 509), (1000, 500), "goes on", id="no more than may be"),
    ],
)
def test_requests_are_refused_more_often_than_usual(
    canary: tuple[int, int], usual: tuple[int, int], result: str
) -> None:
    pods = a_pod(runtime=told(canary[0], refused=canary[1])), serving(*usual)
    at_once, late = taken(under_way(*pods)).refusal, taken(under_way(*pods, since=OVER)).refusal
    assert (at_once is not None) == (result == "stopped")
    assert (late is not None) == (result != "goes on")


def test_who_serves_notes_what_it_answered_before_the_canary() -> None:
    old = replace(serving(10, 3), baseline="")
    assert moved(under_way(a_pod(), old), 1) == [
        Move("p9", "old", json.dumps([B, 0, 10, 3, 0, 10, 0, 0, 0]))
    ]
    assert moved(under_way(old), 0) == []


@pytest.mark.parametrize(
    "said",
    [
        None, 7, {}, {"answered": 1}, {"answered": "x", "refused": 0, "failed": 0, "durations": {}},
        told(1)["requests"] | {"durations": {"bounds": [1], "counts": [1]}},
        told(1)["requests"] | {"durations": {"bounds": ["x"], "counts": [1, 0]}},
    ],
)  # fmt: skip
def test_a_runtime_that_says_something_else_has_said_nothing(said: Any) -> None:
    assert Requests.read({"requests": said}) is None


@pytest.mark.parametrize("said", [None, 7, {}, {"revision": "b"}, {"revision": "b", "requests": 1}])
def test_nor_does_anything_else_tell_of_copies(said: Any) -> None:
    assert Copies.read({"shadow": said}, "b") == Copies()


def test_all_its_pods_are_judged_together_and_others_are_not() -> None:
    pods = [a_pod(0, runtime=told(50)), a_pod(1, runtime=told(50))]
    outside = a_pod(2, track=B, runtime=told(1000, 1000))
    assert taken(under_way(*pods, outside, since=OVER)).passed == 1


def test_a_pod_that_ends_under_real_requests_stops_it() -> None:
    ended = Container(name="serve", running=True, restarts=1, exit_code=137, reason="OOMKilled")
    found = taken(under_way(a_pod(containers=(ended,)))).refusal
    assert found is not None
    assert (found.reason, found.pod) == ("CanaryFailed", "p0")
    assert "exit code 137, OOMKilled" in found.message
    before = Baseline(Requests(), 1).note(B)
    assert taken(under_way(a_pod(containers=(ended,), baseline=before))).refusal is None, "earlier"


def test_it_begins_when_its_pods_are_ready_and_trusted() -> None:
    ready = replace(under_way(), rollout=None)
    found = course(ready)
    assert (found.phase, found.traffic.track) == (Phase.CANARY, "old")
    assert course(ready, trusted=False).phase is Phase.VERIFYING
    assert course(ready, trusted=False).trial.share is None
    assert course(replace(under_way(count=1), rollout=None)).phase is Phase.PREPARING
    assert course(ready, wish(paused=True)).phase is Phase.PAUSED
    assert course(ready, wish(paused=True)).trial.share is None


def test_a_step_begins_when_its_pods_are_there() -> None:
    assert taken(under_way(passed=1, since=None, count=2)).since is None
    assert taken(under_way(passed=1, since=None, count=8)).since == NOON


def test_a_step_does_not_end_while_a_pod_is_missing_or_it_is_paused() -> None:
    enough = a_pod(runtime=told(1000))
    assert taken(under_way(enough, since=OVER, count=1)).passed == 0
    held = course(under_way(enough, since=OVER), wish(paused=True))
    assert held.phase is Phase.PAUSED
    assert held.trial.share is not None
    assert (held.trial.share.passed, held.trial.share.pods) == (0, 2)


def test_after_the_last_step_come_the_pods_that_are_missing_and_then_all_the_traffic() -> None:
    last = course(under_way(a_pod(runtime=told(1000)), passed=1, since=OVER, count=8))
    assert (last.phase, last.traffic.track) == (Phase.PROMOTING, "old")
    assert last.trial.share is not None
    assert (last.trial.share.passed, last.trial.share.due) == (2, False)
    few = wish(canary={"steps": STEPS[:1]})
    rest = course(under_way(passed=1, since=None), few)
    assert (rest.phase, rest.needed, rest.traffic.track) == (Phase.PROMOTING, 8, "old")
    whole = course(under_way(passed=1, since=None, count=8), few)
    assert (whole.phase, whole.traffic.track) == (Phase.COMPLETE, B)
    assert whole.share is None


def test_one_that_is_promoting_is_still_watched() -> None:
    bad = a_pod(runtime=told(1000, 100))
    found = course(under_way(bad, passed=2, since=None, count=7))
    assert found.trial.share is not None
    assert found.trial.share.refusal is not None


def test_who_is_promoted_by_name_skips_the_steps() -> None:
    found = course(under_way(count=2), wish(promote=f"fraud-{B}"))
    assert (found.phase, found.needed, found.trial.share) == (Phase.PREPARING, 8, None)
    assert course(under_way(count=8), wish(promote=f"fraud-{B}")).traffic.track == B


def test_progress_of_another_revision_is_none_of_its_own() -> None:
    other = replace(under_way(), rollout=Progress("other", "Canary", OVER, 1, OVER))
    assert taken(other).passed == 0


def test_without_anything_that_serves_there_is_no_canary() -> None:
    lone = a_world(a_revision(B, wanted=8, replicas=8, ready=8))
    found = course(lone)
    assert (found.phase, found.trial.share) == (Phase.COMPLETE, None)
    down = a_revision("old", wanted=0, replicas=0, ready=0)
    seen = a_world(down, a_revision(B, 2, wanted=8, ready=8), good="old", track="old")
    assert course(seen).trial.share is None


@pytest.mark.parametrize(
    ("serving", "weight", "pods", "percent"),
    [(1, 5, 1, 50), (1, 50, 1, 50), (2, 50, 2, 50), (9, 10, 1, 10), (8, 20, 2, 20), (20, 5, 1, 5)],
)
def test_a_share_is_made_of_whole_pods(serving: int, weight: int, pods: int, percent: int) -> None:
    spec = wish(canary={"steps": [{"weight": weight, "duration": "1m"}]})
    old = a_revision("old", wanted=serving, replicas=serving, ready=serving)
    seen = a_world(
        old, a_revision(B, 2), good="old", track="old", rollout=Progress(B, "Canary", BEGUN, 0)
    )
    found = taken(seen, spec)
    assert (found.pods, found.percent) == (pods, percent)
    assert needed(spec, seen, old) == min(pods, 8)


WEIGHED = Routed(installed=True, answers=(Answer("web", accepted=True),), backed=True)


@pytest.mark.parametrize(
    ("serving", "weight", "pods"), [(1, 5, 1), (2, 50, 1), (8, 20, 2), (8, 25, 2), (9, 99, 9)]
)
def test_a_gateway_gives_it_the_weight_itself_and_it_has_pods_to_carry_it(
    serving: int, weight: int, pods: int
) -> None:
    spec = wish(canary={"steps": [{"weight": weight, "duration": "1m"}]})
    old = a_revision("old", wanted=serving, replicas=serving, ready=serving)
    noted = [a_pod(n, track=B, baseline=NOTHING) for n in range(pods)]
    there = replace(under_way(*noted, count=pods), revisions=(old, a_revision(B, 2)))
    seen = replace(there, route=WEIGHED)
    found = taken(seen, spec)
    assert (found.pods, found.percent) == (pods, weight)
    assert course(seen, spec).weight == weight
    assert course(there, spec).weight == 0
    assert needed(spec, seen, old) == min(pods, 8)


def test_a_gateway_gives_it_no_more_than_its_pods_carry() -> None:
    spec = wish(canary={"steps": [{"weight": 50, "duration": "1m"}]})
    noted = [a_pod(n, track=B, baseline=NOTHING) for n in range(4)]
    for ready, percent in ((1, 12), (3, 37), (4, 50)):
        seen = replace(under_way(*noted[:ready], count=ready), route=WEIGHED)
        assert (taken(seen, spec).pods, course(seen, spec).weight) == (4, percent)
    new = a_pod(4, track=B)
    for has, percent in ((0, 0), (30, 30), (50, 50)):
        seen = replace(under_way(*noted, new, count=5), route=replace(WEIGHED, weight=has))
        assert course(seen, spec).weight == percent, "one that is not counted brings no more"


IDLE: dict[str, Any] = {"track": B, "baseline": NOTHING}


@pytest.mark.parametrize(
    "pod", [None, a_pod(track=B), a_pod(**IDLE, ready=False), a_pod(**IDLE, leaving=True)]
)
def test_a_gateway_gives_nothing_to_one_without_a_pod_whose_answers_are_counted(
    pod: Pod | None,
) -> None:
    seen = replace(under_way(*([pod] if pod else [])), route=WEIGHED)
    assert (course(seen).weight, taken(seen).percent) == (0, 0)
    assert taken(seen).refusal is None


def test_one_that_fails_gets_no_weight() -> None:
    noted = a_pod(track=B, baseline=NOTHING, runtime=told(1000, 200))
    seen = replace(under_way(noted), route=WEIGHED)
    assert taken(seen).refusal is not None
    assert course(seen).weight == 0


def test_under_an_hpa_its_size_follows_what_serves() -> None:
    rollout = a_raw_spec()["rollout"] | {"strategy": "Canary"}
    canary = {"steps": STEPS, "minRequests": 100, "maxErrorRatio": "0.01"}
    raw = an_autoscaled_spec(rollout=rollout | {"canary": canary})
    spec = Spec.parse("fraud", raw)
    for serving, pods in ((2, 1), (8, 2), (10, 2)):
        old = a_revision("old", wanted=serving)
        assert needed(spec, a_world(old, good="old", track="old"), old) == pods


def moved(seen: Observed, count: int, *, weighed: bool = False) -> list[Move]:
    """List the moves while so many pods are to take a share; 0 for no trial."""
    share = Share(passed=0, steps=1, weight=20, pods=count, among=8 + count, weighed=weighed)
    found = course(seen)
    trial = Trial(due=False, share=share) if count else Trial(due=True)
    return list(moves(seen, replace(found, phase=Phase.CANARY, trial=trial), B))


LABELLED = [a_pod(0), a_pod(1), a_pod(2, track=B)]


@pytest.mark.parametrize(
    ("pods", "count", "expected"),
    [
        pytest.param([a_pod(0, track=B), a_pod(1, track=B)], 1, ["p0"], id="one of two"),
        pytest.param(LABELLED, 2, [], id="as it should be"),
        pytest.param(LABELLED, 3, ["p2"], id="one more"),
        pytest.param(LABELLED, 1, ["p1"], id="one less"),
        pytest.param(LABELLED, 0, ["p0", "p1"], id="all back"),
        pytest.param([a_pod(0, ready=False), a_pod(1, track=B)], 1, ["p0", "p1"], id="replaced"),
        pytest.param([a_pod(0, leaving=True)], 1, ["p0"], id="on its way out"),
        pytest.param([a_pod(0, track=B, runtime=None)], 1, [], id="says nothing"),
        pytest.param([a_pod(0, runtime=None)], 1, [], id="has it, and says nothing now"),
    ],
)
def test_who_gets_another_label(pods: list[Pod], count: int, expected: list[str]) -> None:
    found = moved(under_way(*pods), count)
    assert [move.pod for move in found] == expected


def test_whoever_takes_traffic_has_noted_what_he_answered_before() -> None:
    pod = a_pod(track=B, runtime=told(7, 1))
    (move,) = moved(under_way(pod), 1)
    assert (move.value, json.loads(move.baseline or "")) == ("old", [B, 0, 7, 0, 1, 7, 0, 0, 0])
    (back,) = moved(under_way(a_pod()), 0)
    assert back == Move("p0", B, None)


def test_where_a_gateway_weighs_pods_keep_their_track_and_all_of_them_are_noted() -> None:
    noted = a_pod(1, track=B, baseline=NOTHING)
    pods = [a_pod(0), noted, a_pod(2, track=B), a_pod(3, track=B, ready=False)]
    found = moved(under_way(*pods), 1, weighed=True)
    assert [(move.pod, move.value) for move in found] == [("p0", B), ("p2", B)]
    assert all(move.baseline for move in found)
    assert moved(under_way(noted), 0) == [Move("p1", B)], "a note is of one canary alone"


def test_pods_of_a_revision_that_is_no_longer_wanted_are_taken_back() -> None:
    stray = replace(a_pod(), fingerprint="past")
    (move,) = moved(under_way(stray), 1)
    assert move == Move("p0", "past", None)
