"""The API server's audit log: who asked for what, when, and what came of it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

OPERATOR = "system:serviceaccount:slipway-system:slipway-operator"
BENCH = "system:serviceaccount:slipway-system:bench"
WRITES = frozenset({"create", "update", "patch", "delete"})
STATUS = "modeldeployments/status"
MODELS = "modeldeployments"
LEASES = "leases"


class Object(NamedTuple):
    """What a request is about; ``resource`` with its subresource, as in ``deployments/scale``."""

    resource: str
    namespace: str
    name: str

    @property
    def model(self) -> tuple[str, str]:
        """The ModelDeployment of the bench that it belongs to: their names have no dash."""
        return self.namespace, self.name.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``time`` is when it was answered, in seconds since the epoch."""

    time: float
    user: str
    verb: str
    object: Object
    code: int

    @property
    def wrote(self) -> bool:
        """Whether it was a write that succeeded."""
        return self.verb in WRITES and self.code < 300

    @property
    def counts(self) -> bool:
        """Whether it is a write of the operator's, be it refused; the Lease is apart."""
        lease = self.object.resource == LEASES
        return self.user == OPERATOR and self.verb in WRITES and not lease


def parse(line: str) -> Request:
    """Read one line of the log."""
    entry = json.loads(line)
    about = entry.get("objectRef", {})  # discovery is about none
    resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
    return Request(
        time=datetime.fromisoformat(entry["stageTimestamp"]).timestamp(),
        user=entry["user"]["username"],
        verb=entry["verb"],
        object=Object(resource, about.get("namespace", ""), about.get("name", "")),
        code=entry["responseStatus"]["code"],
    )


class Log:
    """A log that grows: each look gives what was added since the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0

    def new(self) -> list[Request]:
        """Read what was added; a line that is not complete is left for the next look."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as log:
            log.seek(self._position)
            text, _, _ = log.read().rpartition(b"\n")
        self._position += len(text) + 1 if text else 0
        return [parse(line) for line in text.decode().splitlines()]


def tally(requests: Iterable[Request]) -> Counter[tuple[str, str]]:
    """Count the operator's writes, but for the Lease, by resource and verb."""
    return Counter((r.object.resource, r.verb) for r in requests if r.counts)


def completed(requests: Iterable[Request], kinds: frozenset[str]) -> dict[tuple[str, str], float]:
    """Tell for each model of which the operator has written all ``kinds`` when it had."""
    seen: dict[tuple[str, str], dict[str, float]] = {}
    for each in requests:
        if each.counts and each.wrote and each.object.resource in kinds:
            seen.setdefault(each.object.model, {}).setdefault(each.object.resource, each.time)
    return {model: max(times.values()) for model, times in seen.items() if times.keys() == kinds}


def delays(asked: Sequence[Request], done: Iterable[Request]) -> list[float | None]:
    """Tell for each of ``asked`` after how many seconds it was done, None if it never was.

    It was by the first of ``done`` that is about the same model, or about the same child where
    ``asked`` is about a child, and was answered later.
    """
    times: dict[object, list[float]] = {}
    for each in sorted(done, key=lambda r: r.time):
        times.setdefault(_subject(each.object), []).append(each.time)
    return [_first_after(each.time, times.get(_subject(each.object), [])) for each in asked]


def _subject(about: Object) -> object:
    return about.model if about.resource.startswith(MODELS) else about


def _first_after(time: float, times: Iterable[float]) -> float | None:
    return next((each - time for each in times if each > time), None)
