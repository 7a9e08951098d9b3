"""The world as it was at one instant: everything a decision may depend on, and nothing else.

Reading the API's dicts into these values is done here; where the dicts come from is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from slipway_operator.core import names
from slipway_operator.core.contract import Signature
from slipway_operator.core.copies import Copies
from slipway_operator.core.pods import Pod
from slipway_operator.core.reading import Reading
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.route import Routed
from slipway_operator.core.units import moment
from slipway_operator.core.verdict import Outcome, Verdict


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

    ``digest`` is the SHA-256 that its first pod found, or None until one has fetched the model;
    ``signature`` and ``verdict``, too, are what its pods have told, or None. ``retired`` is when it
    gave up the traffic, None if it never had it or has it now; ``refusal`` is why it may not have
    it again, ``retry`` what spec.rollout.retry said when it was tried.
    """

    fingerprint: str
    number: int
    record: Mapping[str, Any]
    digest: str | None = None
    signature: Signature | None = None
    verdict: Verdict | None = None
    retired: datetime | None = None
    refusal: Refusal | None = None
    retry: str | None = None
    workload: Workload | None = None

    @property
    def image(self) -> str:
        """Name the runtime that it was born with."""
        return str(self.record["template"]["spec"]["containers"][0]["image"])

    @property
    def model(self) -> str:
        """Name the model that it answers for; a candidate may have another."""
        return str(self.record["settings"]["model"]["name"])

    @property
    def ready(self) -> int:
        """Count the pods that answer."""
        return self.workload.ready if self.workload else 0

    @property
    def verified(self) -> bool:
        """Whether status holds that its answers are right, or nobody ever asked for that."""
        found = self.verdict
        passed = found is not None and found.held and found.outcome is Outcome.PASSED
        return passed or self._verification is None

    @property
    def interval(self) -> timedelta | None:
        """How often its pods ask themselves whether they are still right; None for never."""
        watch = (self._verification or {}).get("continuous")
        return timedelta(seconds=watch["intervalSeconds"]) if watch else None

    @property
    def _verification(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.record.get("settings", {}).get("verification")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """What the HPA says of itself; ``active`` is None until it has said something.

    ``since`` is when it began to say so, ``capped`` its message when it would have more pods than
    it may.
    """

    active: bool | None = None
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    capped: str | None = None

    @classmethod
    def read(cls, hpa: Mapping[str, Any]) -> Self:
        """Read a HorizontalPodAutoscaler."""
        conditions = {c["type"]: c for c in hpa.get("status", {}).get("conditions") or ()}
        said, limited = conditions.get("ScalingActive"), conditions.get("ScalingLimited", {})
        if said is None:
            return cls()
        since = said.get("lastTransitionTime")
        most = limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas"
        return cls(
            active=said["status"] == "True",
            reason=said.get("reason", ""),
            message=said.get("message", ""),
            since=datetime.fromisoformat(since) if since else None,
            capped=limited.get("message", "") if most else None,
        )


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What status holds of a shadow: when it began and was over, and what it came to then."""

    since: datetime | None = None
    ended: datetime | None = None
    copies: Copies = Copies()  # noqa: RUF009 - it is frozen

    @classmethod
    def read(cls, held: Mapping[str, Any] | None) -> Self | None:
        """Read it back from ``status.rollout.shadow``."""
        if held is None:
            return None
        return cls(moment(held, "startedTime"), moment(held, "finishedTime"), Copies.recall(held))


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the rollout of a revision is, as status holds it, and since when it goes on.

    Of a canary, ``passed`` is how many steps are behind it, ``since`` when the present one began.
    ``replicas`` is how many pods serve while one revision replaces another bit by bit, ``updated``
    how many it had in them at most, and ``moved`` since when.
    """

    fingerprint: str
    phase: str = ""
    began: datetime | None = None
    passed: int | None = None
    since: datetime | None = None
    shadow: Shadowed | None = None
    replicas: int | None = None
    updated: int | None = None
    moved: datetime | None = None

    @property
    def tried(self) -> bool:
        """Whether a trial has begun."""
        return self.passed is not None or self.shadow is not None

    @classmethod
    def read(cls, status: Mapping[str, Any]) -> Self | None:
        """Read it back from the status of a model; a release before did not name the revision."""
        held = status.get("rollout", {})
        if "revision" not in held:
            return None
        canary, rolling = held.get("canary", {}), held.get("rollingUpdate", {})
        return cls(
            fingerprint=names.fingerprint(held["revision"]),
            phase=held["phase"],
            began=moment(held, "startedTime"),
            passed=canary.get("passedSteps"),
            since=moment(canary, "startedTime"),
            shadow=Shadowed.read(held.get("shadow")),
            replicas=rolling.get("replicas"),
            updated=rolling.get("updatedReplicas"),
            moved=moment(rolling, "progressTime"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything about one model.

    ``track`` is the revision that the Service selects now, ``pooled`` whether by the label that it
    shares with others, ``good`` the one that status holds as the last known good; each is a
    fingerprint, or None. ``pods`` are those of revisions that are
    not well: a healthy revision's are not read. ``present`` names the revisions that have pods,
    even if these are ending; None when nobody looked. ``route`` is what gateways say, None where
    none was asked for. ``release`` is the runtime image of the
    operator's release where the model is to run on that, else None. ``rollout`` is the one that
    status has, ``past`` are those that it remembers, the latest first. ``readings`` are the answers
    to a canary's queries, by name.
    """

    generation: int
    now: datetime
    track: str | None = None
    pooled: bool = False
    good: str | None = None
    revisions: tuple[Revision, ...] = ()
    pods: tuple[Pod, ...] = ()
    present: frozenset[str] | None = None
    scaler: Scaler | None = None
    route: Routed | None = None
    conditions: tuple[Mapping[str, Any], ...] = ()
    release: str | None = None
    rollout: Progress | None = None
    past: tuple[Mapping[str, Any], ...] = ()
    readings: Mapping[str, Reading] = field(default_factory=dict)

    @property
    def weighs(self) -> bool:
        """Whether a gateway can share requests by weight."""
        return self.route is not None and self.route.weighs

    def revision(self, fingerprint: str | None) -> Revision | None:
        """Find a revision, if it is known."""
        return next((r for r in self.revisions if r.fingerprint == fingerprint), None)

    def progress(self, fingerprint: str) -> Progress | None:
        """Find what status has of a revision's rollout."""
        found = self.rollout
        return found if found is not None and found.fingerprint == fingerprint else None

    def pods_of(self, fingerprint: str) -> tuple[Pod, ...]:
        """Select the pods of one revision."""
        return tuple(p for p in self.pods if p.fingerprint == fingerprint)
