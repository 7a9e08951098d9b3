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
    """What a parent says of a route: ``accepted`` is None until it has said something.

    ``current`` says whether that is about the route as it is now.
    """

    parent: str
    accepted: bool | None = None
    reason: str = ""
    message: str = ""
    current: bool = True


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of the wish: ``installed`` says whether there is a Gateway API.

    ``weight`` is the canary's, in percent, that the route has.
    """

    installed: bool
    answers: tuple[Answer, ...] = ()
    weight: int = 0

    @classmethod
    def read(cls, wish: Route, route: Mapping[str, Any] | None, *, installed: bool) -> Self:
        """Read the status of an HTTPRoute; None is one that is not there yet."""
        if not installed:
            return cls(installed=False)
        if route is None:
            return cls(True, tuple(Answer(_name(parent)) for parent in wish.parents))
        told = route.get("status", {}).get("parents", ())
        generation = route["metadata"]["generation"]
        answers = tuple(_answer(parent, told, generation) for parent in wish.parents)
        return cls(True, answers, _weight(route))

    @property
    def weighs(self) -> bool:
        """Whether requests that come this way can be shared by weight."""
        return any(answer.accepted for answer in self.answers)

    def gives(self, weight: int) -> bool:
        """Say whether those who take the route have heard of this weight."""
        heard = all(answer.current for answer in self.answers if answer.accepted)
        return heard and self.weight == weight


SAID = ("namespace", "name", "sectionName", "port")
"""What tells one parentRef from another: all of them are Gateways."""
ANSWERS = ("Accepted", "ResolvedRefs")


def _weight(route: Mapping[str, Any]) -> int:
    """Read what the second backend has, which is the canary's; somebody may have taken it away."""
    rules = route["spec"].get("rules", ())
    backends = [backend for rule in rules for backend in rule.get("backendRefs", ())]
    return int(backends[1].get("weight", 1)) if len(backends) > 1 else 0


def _name(parent: Mapping[str, Any]) -> str:
    return "/".join(str(parent[key]) for key in SAID if key in parent)


def _answer(parent: Mapping[str, Any], told: Any, generation: int) -> Answer:
    """Put together what is said of one parentRef; several controllers may speak of it."""
    name = _name(parent)
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
    if not any(condition["type"] == "Accepted" for condition in found):
        return Answer(name)
    current = all(c.get("observedGeneration", generation) >= generation for c in found)
    return Answer(name, True, current=current)
