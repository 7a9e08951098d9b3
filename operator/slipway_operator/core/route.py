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

    ``weight`` is the canary's, in percent, that the route has, None where it has no backend for
    one; ``backed`` says whether there is a Service of ours behind that.
    """

    installed: bool
    answers: tuple[Answer, ...] = ()
    weight: int | None = None
    backed: bool = False

    @classmethod
    def read(
        cls, wish: Route, route: Mapping[str, Any] | None, *, installed: bool, backed: bool = False
    ) -> Self:
        """Read the status of an HTTPRoute; None is one that is not there yet."""
        if not installed:
            return cls(installed=False)
        if route is None:
            return cls(True, tuple(Answer(_name(parent)) for parent in wish.parents))
        answers = tuple(_answer(parent, route) for parent in wish.parents)
        return cls(True, answers, _weight(route), backed)

    @property
    def weighs(self) -> bool:
        """Whether requests that come this way can be shared by weight."""
        return self.backed and any(answer.accepted for answer in self.answers)

    def gives(self, weight: int) -> bool:
        """Say whether those who take the route have heard of this weight."""
        heard = all(answer.current for answer in self.answers if answer.accepted)
        return heard and self.weight == weight

    @property
    def leaves(self) -> bool:
        """Whether callers may still be sent to a canary, if only by a gateway that lags behind."""
        return self.weight is not None and not self.gives(0)


SAID = ("namespace", "name", "sectionName", "port")
"""What tells one parentRef from another: all of them are Gateways."""
REASON_LIMIT = 128
ANSWERS = ("Accepted", "ResolvedRefs")


def _weight(route: Mapping[str, Any]) -> int | None:
    """Read what the second backend has, which is the canary's; somebody may have taken it away."""
    rules = route["spec"].get("rules", ())
    backends = [backend for rule in rules for backend in rule.get("backendRefs", ())]
    return int(backends[1].get("weight", 1)) if len(backends) > 1 else None


def _name(parent: Mapping[str, Any]) -> str:
    return "/".join(str(parent[key]) for key in SAID if key in parent)


def _answer(parent: Mapping[str, Any], route: Mapping[str, Any]) -> Answer:
    """Put together what is said of one parentRef; several controllers may speak of it."""
    name, metadata = _name(parent), route["metadata"]
    found = [
        condition
        for entry in route.get("status", {}).get("parents", ())
        if _same(parent, entry["parentRef"], metadata["namespace"])
        for condition in entry.get("conditions", ())
        if condition["type"] in ANSWERS
    ]
    bad = next((c for c in found if c["status"] == "False"), None)
    if bad is not None:
        return Answer(name, False, bad["reason"][:REASON_LIMIT], bad.get("message", ""))
    if not any((c["type"], c["status"]) == ("Accepted", "True") for c in found):
        return Answer(name)
    generation = metadata["generation"]
    current = all(c.get("observedGeneration", generation) >= generation for c in found)
    return Answer(name, True, current=current)


def _same(asked: Mapping[str, Any], said: Mapping[str, Any], namespace: str) -> bool:
    """Say whether an answer is about a parentRef; controllers may fill in what it left open."""
    here, there = (parent.get("namespace", namespace) for parent in (asked, said))
    return (
        (here, asked["name"]) == (there, said["name"])
        and asked.get("sectionName") in {None, said.get("sectionName")}
        and (said.get("port") is None or asked.get("port") in {None, said["port"]})
    )
