"""One pod of a revision as it was at one instant, and what is known about it from elsewhere.

Reading the API's dicts into these values is done here; what they mean is ``diagnose``'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

from slipway_operator.core import names
from slipway_operator.core.containers import Container
from slipway_operator.core.manifest import quantity


class Note(NamedTuple):
    """What an Event says about a pod; ``time`` is when it was last seen, in RFC 3339."""

    reason: str
    text: str
    time: str = ""


class Host(NamedTuple):
    """The node that a pod is bound to; ``text`` is the node's own word on why it is not ready."""

    ready: bool
    text: str = ""

    @classmethod
    def read(cls, node: Mapping[str, Any] | None) -> Self:
        """Read a Node; None is one that is no longer there."""
        if node is None:
            return cls(False, "there is no such node any more")
        conditions = {c["type"]: c for c in node.get("status", {}).get("conditions", ())}
        said = conditions.get("Ready", {})
        return cls(said.get("status") == "True", said.get("message", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of a revision.

    ``unschedulable`` is the scheduler's word, ``evicted`` that of who ended it; ``lapsed`` says
    that it was ready once, ``leaving`` that it was told to end. ``claims`` and ``secrets`` are the
    names that it refers to, ``requests`` what it asks of a node. ``track`` is the revision with
    which it takes traffic: its own, unless it is a canary; ``baseline`` is what a canary had
    answered before.

    From elsewhere come ``runtime``, its own ``/status``; ``report``, what its verification found,
    for which it was ``asked``; ``notes``, the Events about it; ``host``, its node; ``room``, the
    most that any node has left. Each of them is None or empty when nobody was asked, or nobody
    answered.
    """

    name: str
    fingerprint: str
    uid: str = ""
    track: str = ""
    pool: str = ""
    baseline: str = ""
    node: str | None = None
    address: str | None = None
    ready: bool = False
    lapsed: bool = False
    leaving: bool = False
    unschedulable: str | None = None
    evicted: str | None = None
    containers: tuple[Container, ...] = ()
    claims: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    requests: Mapping[str, Decimal] = field(default_factory=dict)
    runtime: Mapping[str, Any] | None = None
    asked: bool = False
    report: Mapping[str, Any] | None = None
    notes: tuple[Note, ...] = ()
    host: Host | None = None
    room: Mapping[str, Decimal] = field(default_factory=dict)

    @classmethod
    def read(cls, pod: Mapping[str, Any]) -> Self:
        """Read a pod."""
        metadata, status, spec = pod["metadata"], pod.get("status", {}), pod.get("spec", {})
        fingerprint = metadata["labels"].get(names.REVISION_LABEL, "")
        conditions = {c["type"]: c for c in status.get("conditions", ())}
        scheduled = conditions.get("PodScheduled", {})
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            fingerprint=fingerprint,
            track=metadata["labels"].get(names.TRACK_LABEL, fingerprint),
            pool=metadata["labels"].get(names.POOL_LABEL, ""),
            baseline=metadata.get("annotations", {}).get(names.BASELINE_ANNOTATION, ""),
            node=spec.get("nodeName"),
            address=status.get("podIP"),
            ready=conditions.get("Ready", {}).get("status") == "True",
            lapsed=_lapsed(conditions),
            leaving="deletionTimestamp" in metadata,
            unschedulable=scheduled.get("message", "")
            if scheduled.get("status") == "False"
            else None,
            evicted=status.get("message", "") if status.get("reason") == "Evicted" else None,
            containers=_containers(spec, status),
            claims=_names(spec.get("volumes", ()), "persistentVolumeClaim", "claimName"),
            secrets=tuple(s["name"] for s in spec.get("imagePullSecrets", ())),
            requests=requests(spec),
        )

    def container(self, name: str) -> Container | None:
        """Find a container by name."""
        return next((c for c in self.containers if c.name == name), None)

    @property
    def watch(self) -> Mapping[str, Any]:
        """What it says of the rows that it asks itself again and again; empty where it does not."""
        verification = (self.runtime or {}).get("verification") or {}
        found: Mapping[str, Any] = verification.get("continuous") or {}
        return found

    @property
    def orphaned(self) -> bool:
        """Whether somebody else than its kubelet says that it is not ready: its node is silent."""
        serving = self.container(names.SERVE)
        return not self.ready and serving is not None and serving.ready


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[Container, ...]:
    found = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    limits = {
        c["name"]: c.get("resources", {}).get("limits", {}).get("memory") for c in _parts(spec)
    }
    return tuple(Container.read(c, limits.get(c["name"])) for c in found)


def _parts(spec: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (*spec.get("initContainers", ()), *spec.get("containers", ()))


def _lapsed(conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Say whether a pod was ready before: it became unready after it had been initialized."""
    ready, begun = conditions.get("Ready", {}), conditions.get("Initialized", {})
    if ready.get("status") != "False" or begun.get("status") != "True":
        return False
    return _time(ready) > _time(begun)


def _time(condition: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(condition.get("lastTransitionTime", "1970-01-01T00:00:00Z"))


def _names(entries: Iterable[Mapping[str, Any]], kind: str, key: str) -> tuple[str, ...]:
    return tuple(entry[kind][key] for entry in entries if kind in entry)


def requests(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """Count what a pod asks of a node: its containers together, or the largest that goes first."""
    total: dict[str, Decimal] = {}
    for container in spec.get("containers", ()):
        for name, amount in container.get("resources", {}).get("requests", {}).items():
            total[name] = total.get(name, Decimal(0)) + quantity(amount)
    for container in spec.get("initContainers", ()):
        for name, amount in container.get("resources", {}).get("requests", {}).items():
            total[name] = max(total.get(name, Decimal(0)), quantity(amount))
    return total
