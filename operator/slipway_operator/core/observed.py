"""The world as it was at one instant: everything a decision may depend on, and nothing else.

Reading the API's dicts into these values is done here; where the dicts come from is not known here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from slipway_operator.core import names


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A revision's Deployment: ``wanted`` is its spec, the counts are its status.

    ``current`` says whether that status is about this spec; until then it is about the one before.
    ``refusal`` is the API server's message when it refuses the pods; ``overdue`` is the
    Deployment's own when its progress deadline has passed.
    """

    wanted: int
    replicas: int = 0
    ready: int = 0
    current: bool = True
    refusal: str | None = None
    overdue: str | None = None

    @classmethod
    def read(cls, deployment: Mapping[str, Any]) -> Self:
        """Read a Deployment."""
        status = deployment.get("status", {})
        current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        conditions = {c["type"]: c for c in status.get("conditions", ())}
        failure, progress = conditions.get("ReplicaFailure"), conditions.get("Progressing")
        return cls(
            wanted=deployment["spec"].get("replicas", 1),
            replicas=status.get("replicas", 0),
            ready=status.get("readyReplicas", 0),
            current=current,
            refusal=failure["message"] if failure and failure["status"] == "True" else None,
            overdue=progress["message"]
            if current and progress and progress.get("reason") == "ProgressDeadlineExceeded"
            else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision: ``record`` renders it again, ``number`` orders it, ``workload`` may be gone.

    ``digest`` is the SHA-256 that its first pod found, or None until one has fetched the model.
    """

    fingerprint: str
    number: int
    record: Mapping[str, Any]
    digest: str | None = None
    workload: Workload | None = None

    @property
    def ready(self) -> int:
        """Count the pods that answer."""
        return self.workload.ready if self.workload else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a pod; ``reason`` and ``message`` are of its present, or else its last, end.

    ``waiting`` is the kubelet's reason for not running it, ``report`` what it left as JSON.
    """

    name: str
    waiting: str | None = None
    waiting_message: str = ""
    running: bool = False
    restarts: int = 0
    exit_code: int | None = None
    reason: str | None = None
    message: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, status: Mapping[str, Any]) -> Self:
        """Read one entry of a pod's container statuses."""
        state = status.get("state", {})
        ended = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
        waiting = state.get("waiting", {})
        return cls(
            name=status["name"],
            waiting=waiting.get("reason"),
            waiting_message=waiting.get("message", ""),
            running="running" in state,
            restarts=status.get("restartCount", 0),
            exit_code=ended.get("exitCode"),
            reason=ended.get("reason"),
            message=ended.get("message", ""),
            report=_report(ended.get("message", "")),
        )


def _report(text: str) -> Mapping[str, Any]:
    """Read a termination message of docs/contract.md; any other text is an empty report."""
    try:
        report = json.loads(text)
    except ValueError:
        return {}
    return report if isinstance(report, dict) and report.get("schemaVersion") == 1 else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of a revision; ``runtime`` is its own ``/status``, or None when it was not asked."""

    name: str
    fingerprint: str
    address: str | None = None
    ready: bool = False
    unschedulable: str | None = None
    containers: tuple[Container, ...] = ()
    runtime: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, pod: Mapping[str, Any], runtime: Mapping[str, Any] | None = None) -> Self:
        """Read a pod and what its runtime said of itself."""
        status = pod.get("status", {})
        conditions = {c["type"]: c for c in status.get("conditions", ())}
        scheduled = conditions.get("PodScheduled", {})
        found = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        return cls(
            name=pod["metadata"]["name"],
            fingerprint=pod["metadata"]["labels"].get(names.REVISION_LABEL, ""),
            address=status.get("podIP"),
            ready=conditions.get("Ready", {}).get("status") == "True",
            unschedulable=scheduled.get("message", "")
            if scheduled.get("status") == "False"
            else None,
            containers=tuple(Container.read(c) for c in found),
            runtime=runtime,
        )

    def container(self, name: str) -> Container | None:
        """Find a container by name."""
        return next((c for c in self.containers if c.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """What the HPA says of itself; ``active`` is None until it has said something."""

    active: bool | None = None
    reason: str = ""
    message: str = ""

    @classmethod
    def read(cls, hpa: Mapping[str, Any]) -> Self:
        """Read a HorizontalPodAutoscaler."""
        conditions = {c["type"]: c for c in hpa.get("status", {}).get("conditions") or ()}
        said = conditions.get("ScalingActive")
        if said is None:
            return cls()
        return cls(
            active=said["status"] == "True",
            reason=said.get("reason", ""),
            message=said.get("message", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything about one model.

    ``track`` is the revision that the Service selects now, ``good`` the one that status holds as
    the last known good; each is a fingerprint, or None. ``pods`` are those of revisions that are
    not well: a healthy revision's are not read.
    """

    generation: int
    track: str | None = None
    good: str | None = None
    revisions: tuple[Revision, ...] = ()
    pods: tuple[Pod, ...] = ()
    scaler: Scaler | None = None
    conditions: tuple[Mapping[str, Any], ...] = ()

    def revision(self, fingerprint: str | None) -> Revision | None:
        """Find a revision, if it is known."""
        return next((r for r in self.revisions if r.fingerprint == fingerprint), None)

    def pods_of(self, fingerprint: str) -> tuple[Pod, ...]:
        """Select the pods of one revision."""
        return tuple(p for p in self.pods if p.fingerprint == fingerprint)
