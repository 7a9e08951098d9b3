"""What a person should be told, from one status to the next.

Told once, when it becomes so: an unchanged status tells nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One line for `kubectl describe`; ``warning`` sets its type."""

    reason: str
    note: str
    warning: bool = False


def events(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Event]:
    """Tell what has come about between two statuses."""
    latest, stable = new.get("latestRevision"), new.get("stableRevision")
    if latest and latest != old.get("latestRevision"):
        yield Event("RevisionCreated", f"Revision {latest} is being rolled out")
    if stable and stable != old.get("stableRevision"):
        was = f" of {old['stableRevision']}" if "stableRevision" in old else ""
        yield Event("Promoted", f"Revision {stable} takes the traffic{was}")
    yield from _unavailable(_condition(old, "Available"), _condition(new, "Available"))
    yield from _fault(_condition(old, "Ready"), _condition(new, "Ready"))


PROGRESS = frozenset({"Pending", "RollingOut", "ReplicasUnready", "Serving"})
"""Reasons of Ready that are no news to a person."""


def _unavailable(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Event]:
    if was.get("status") == "True" and now.get("status") == "False":
        yield Event("Unavailable", now["message"], warning=True)
    if was.get("status") == "False" and now.get("status") == "True":
        yield Event("Available", now["message"])


def _fault(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Event]:
    if now.get("reason") != was.get("reason") and now.get("reason") not in PROGRESS:
        yield Event(now["reason"], now["message"], warning=True)


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})
