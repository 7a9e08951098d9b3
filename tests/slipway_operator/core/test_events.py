from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.core.events import Event, Told, events, manifest
from support.builders import NOON, a_model


def a_status(
    stable: str | None = "f-a", available: str = "True", ready: str = "Serving"
) -> dict[str, Any]:
    conditions = [
        {"type": "Available", "status": available, "reason": "R", "message": "m"},
        {"type": "Ready", "status": "x", "reason": ready, "message": "why"},
    ]
    return {"latestRevision": "f-a", "conditions": conditions} | (
        {"stableRevision": stable} if stable else {}
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param({}, a_status(None, "False", "RollingOut"), ["RevisionCreated"], id="born"),
        pytest.param(
            a_status(None, "False", "RollingOut"), a_status(), ["Promoted", "Available"], id="ready"
        ),
        pytest.param(a_status("f-z"), a_status(), ["Promoted"], id="rolled"),
        pytest.param(a_status(), a_status(), [], id="nothing new"),
        pytest.param(a_status(), a_status(available="False"), ["Unavailable"], id="down"),
        pytest.param(a_status(available="False"), a_status(available="False"), [], id="still down"),
        pytest.param(a_status(), a_status(ready="OutOfMemory"), ["OutOfMemory"], id="a fault"),
        pytest.param(
            a_status(ready="OutOfMemory"), a_status(ready="OutOfMemory"), [], id="the same fault"
        ),
        pytest.param(a_status(ready="OutOfMemory"), a_status(), [], id="mended"),
    ],
)
def test_a_person_is_told_once_when_something_comes_about(
    old: dict[str, Any], new: dict[str, Any], told: list[str]
) -> None:
    assert [e.reason for e in events(old, new)] == told


def test_a_fault_is_a_warning_with_its_message() -> None:
    assert list(events(a_status(), a_status(ready="OutOfMemory"))) == [
        Event("OutOfMemory", "why", warning=True)
    ]


def scaling(reason: str) -> dict[str, Any]:
    return {
        "conditions": [{"type": "ScalingActive", "status": "x", "reason": reason, "message": "m"}]
    }


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("Pending", "ValidMetricFound", []),
        ("Pending", "MetricsUnavailable", ["MetricsUnavailable"]),
        ("ValidMetricFound", "AtMaxReplicas", ["AtMaxReplicas"]),
        ("AtMaxReplicas", "AtMaxReplicas", []),
        ("AtMaxReplicas", "ValidMetricFound", []),
    ],
)
def test_a_person_is_told_what_hinders_the_hpa(was: str, now: str, told: list[str]) -> None:
    assert [e.reason for e in events(scaling(was), scaling(now))] == told


def verified(status: str, message: str = "4 checks passed") -> dict[str, Any]:
    condition = {"type": "Verified", "status": status, "reason": "R", "message": message}
    return {"conditions": [condition]}


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [("Unknown", "True", 1), ("True", "True", 0), ("Unknown", "False", 0), ("False", "True", 1)],
)
def test_a_person_is_told_what_was_verified(was: str, now: str, told: int) -> None:
    assert (
        list(events(verified(was), verified(now))) == [Event("Verified", "4 checks passed")] * told
    )


def test_a_model_that_is_no_longer_autoscaled_is_no_news() -> None:
    assert list(events(scaling("AtMaxReplicas"), {})) == []


def name(event: Event, seconds: int = 0, **metadata: Any) -> str:
    model = a_model()
    model["metadata"] |= metadata
    found: str = manifest(model, event, NOON + timedelta(seconds=seconds))["metadata"]["name"]
    return found


FAULT = Event("OutOfMemory", "why", warning=True)


def test_a_fault_that_comes_and_goes_is_told_once_in_five_minutes() -> None:
    again = FAULT._replace(note="in other words")
    assert name(FAULT) == name(again, 299, resourceVersion="2")
    assert name(FAULT) != name(FAULT, 300)


def test_nor_is_it_told_again_where_the_clock_s_five_minutes_end_in_between() -> None:
    told, model = Told(), a_model()

    def again(event: Event, seconds: int, **metadata: Any) -> bool:
        of = {**model, "metadata": {**model["metadata"], **metadata}}
        return told.again(of, event, NOON + timedelta(seconds=seconds))

    assert [again(FAULT, seconds) for seconds in (299, 301, 598, 599)] == [False, True, True, False]
    assert not again(FAULT, 600, generation=2)
    assert not again(FAULT, 600, uid="x")
    assert not again(FAULT._replace(reason="Crashing"), 600)
    assert [again(Event("Available", "1 pod"), 600) for _ in range(2)] == [False, False]


def test_another_fault_another_wish_and_another_object_are_told() -> None:
    other = Event("Crashing", "why", warning=True)
    names = [name(FAULT), name(other), name(FAULT, generation=2), name(FAULT, uid="x")]
    assert len(set(names)) == 4


def test_what_is_no_fault_is_told_each_time_that_it_comes_about() -> None:
    served = Event("Available", "1 pod")
    assert name(served) == name(served)
    assert name(served) != name(served, resourceVersion="2")


def test_an_event_is_as_the_api_takes_it() -> None:
    told = manifest(a_model(), Event("R", "n" * 2000, warning=True), NOON)
    assert (told["type"], len(told["note"])) == ("Warning", 1024)
    assert told["eventTime"] == "2026-01-01T12:00:00.000000Z"
    assert told["regarding"]["uid"] == "uid-fraud"
