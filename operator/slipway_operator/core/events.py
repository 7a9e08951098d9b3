"""What a person should be told, from one status to the next.

Told once, when it becomes so: an unchanged status tells nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from slipway_operator.core import names
from slipway_operator.core.manifest import EVENT, Manifest, digest


class Event(NamedTuple):
    """One line for `kubectl describe`; ``warning`` sets its type."""

    reason: str
    note: str
    warning: bool = False


def events(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    """Tell what has come about between two statuses."""
    latest, stable = new.get("latestRevision"), new.get("stableRevision")
    was_suspended, is_suspended = _suspended(old), _suspended(new)
    if is_suspended and not was_suspended:
        yield Event("Suspended", _condition(new, "Reconciling")["message"])
    if was_suspended and not is_suspended:
        yield Event("Resumed", "The operator works on it again")
    if latest and latest != old.get("latestRevision") and not is_suspended:
        yield Event("RevisionCreated", f"Revision {latest} is being rolled out")
    if stable and stable != old.get("stableRevision"):
        was = f" of {old['stableRevision']}" if "stableRevision" in old else ""
        yield Event("Promoted", f"Revision {stable} takes the traffic{was}")
    now = _condition(new, "Ready")
    if now.get("reason") in {"Shadow", "Canary", "Rolling"} and _stage(new) != _stage(old):
        yield Event(now["reason"], now["message"])
    yield from _unavailable(_condition(old, "Available"), _condition(new, "Available"))
    yield from _verified(_condition(old, "Verified"), _condition(new, "Verified"))
    for kind, usual in USUAL.items():
        yield from _fault(_condition(old, kind), _condition(new, kind), usual)


USUAL = {
    "Ready": frozenset(
        {
            *("Pending", "RollingOut", "ReplicasUnready", "Serving"),
            *("Verifying", "Paused", "Shadow", "Canary", "Rolling", "Recreating", "Suspended"),
        }
    ),
    "ScalingActive": frozenset({"Pending", "ValidMetricFound", "ScalingDisabled"}),
    "RouteAccepted": frozenset({"Pending", "Accepted"}),
}
"""Reasons of conditions that are no news to a person."""


def _suspended(status: Mapping[str, Any]) -> bool:
    return bool(_condition(status, "Reconciling").get("reason") == "Suspended")


def _stage(status: Mapping[str, Any]) -> Any:
    """Tell who serves beside another one or is tried, and how far that is."""
    rollout = status.get("rollout", {})
    passed = rollout.get("canary", {}).get("passedSteps")
    return rollout.get("revision"), passed, "rollingUpdate" in rollout


def _unavailable(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Event]:
    if was.get("status") == "True" and now.get("status") == "False":
        yield Event("Unavailable", now["message"], warning=True)
    if was.get("status") == "False" and now.get("status") == "True":
        yield Event("Available", now["message"])


def _verified(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Event]:
    """Tell what has passed; what has not is why the object is not ready, and told as that."""
    if now.get("status") == "True" != was.get("status"):
        yield Event("Verified", now["message"])


def _fault(
    was: Mapping[str, Any], now: Mapping[str, Any], usual: frozenset[str]
) -> Iterator[Event]:
    reason = now.get("reason")
    if reason is not None and reason != was.get("reason") and reason not in usual:
        yield Event(now["reason"], now["message"], warning=True)


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})


NOTE_LIMIT = 1024
"""Most characters that the API takes."""
REPEAT_SECONDS = 300
"""What comes and goes is not told again before this is over."""


def manifest(model: Manifest, event: Event, now: datetime) -> Manifest:
    """Build the Event about a ModelDeployment; its name says on which occasion.

    An Event that has been told on this occasion exists already, and is refused by the API server.
    """
    metadata = model["metadata"]
    identity = digest([metadata["uid"], event.reason, *_occasion(metadata, event, now)])[:16]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{metadata['name']}.{identity}",
            "namespace": metadata["namespace"],
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "slipway.dev/operator",
        "reportingInstance": "slipway-operator",
        "action": "Reconcile",
        "reason": event.reason,
        "note": event.note[:NOTE_LIMIT],
        "type": "Warning" if event.warning else "Normal",
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
    }


def _occasion(metadata: Mapping[str, Any], event: Event, now: datetime) -> tuple[Any, ...]:
    if event.warning:
        return metadata["generation"], int(now.timestamp()) // REPEAT_SECONDS
    return metadata["resourceVersion"], event.note


class Told:
    """Remembers the warnings of the last while, since the name of an Event can't tell all of it.

    Who has just begun remembers nothing; the names keep it from most of what was told before.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[Any, ...], datetime] = {}

    def again(self, model: Manifest, event: Event, now: datetime) -> bool:
        """Say whether this was told a short time ago, and take note of it if not."""
        if not event.warning:
            return False
        oldest = now - timedelta(seconds=REPEAT_SECONDS)
        self._times = {of: time for of, time in self._times.items() if time > oldest}
        metadata = model["metadata"]
        of = metadata["uid"], metadata["generation"], event.reason
        known = of in self._times
        self._times.setdefault(of, now)
        return known
