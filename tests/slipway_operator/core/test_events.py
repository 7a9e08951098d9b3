from typing import Any

import pytest

from slipway_operator.core.events import Event, events


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
