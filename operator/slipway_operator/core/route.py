"""``spec.route``: the gateways by which callers reach a model, and what these say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self


@dataclass(frozen=True, slots=True)
class Route:
    """The wish: ``parents`` are parentRefs of an HTTPRoute; no ``hostnames`` are all of them."""

    parents: tuple[Mapping[str, Any], ...]
    hostnames: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read ``spec.route``."""
        return cls(tuple(raw["parentRefs"]), tuple(raw.get("hostnames", ())))


class Answer(NamedTuple):
    """What a parent says of a route: ``accepted`` is None until it has said something."""

    parent: str
    accepted: bool | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of the wish: ``installed`` says whether there is a Gateway API."""

    installed: bool
    answers: tuple[Answer, ...] = ()

    @classmethod
    def read(cls, wish: Route, route: Mapping[str, Any] | None, *, installed: bool) -> Self:
        """Read the status of an HTTPRoute; None is one that is not there yet."""
        if not installed:
            return cls(installed=False)
        told = (route or {}).get("status", {}).get("parents", ())
        return cls(True, tuple(_answer(parent, told) for parent in wish.parents))

    @property
    def weighs(self) -> bool:
        """Whether requests that come this way can be shared by weight."""
        return any(answer.accepted for answer in self.answers)


SAID = ("namespace", "name", "sectionName", "port")
"""What tells one parentRef from another: all of them are Gateways."""
ANSWERS = ("Accepted", "ResolvedRefs")


def _answer(parent: Mapping[str, Any], told: Any) -> Answer:
    """Put together what is said of one parentRef; several controllers may speak of it."""
    name = "/".join(str(parent[key]) for key in SAID if key in parent)
    found = [
        condition
        for entry in told
        if all(entry["parentRef"].get(key) == parent.get(key) for key in SAID)
        for condition in entry.get("conditions", ())
        if condition["type"] in ANSWERS
    ]
    bad = next((c for c in found if c["status"] != "True"), None)
    if bad is not None:
        return Answer(name, False, bad["reason"], bad.get("message", ""))
    return Answer(name, True) if any(c["type"] == "Accepted" for c in found) else Answer(name)
