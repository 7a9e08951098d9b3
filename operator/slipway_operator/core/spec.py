"""The user's wish, parsed once at the edge and trusted ever after.

Defaults are the CRD's: what arrives here has them filled in. Parts that Kubernetes itself defines
(resources, the pod template's allow-list, HPA metrics and behavior) pass through as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from slipway_operator.core import names, verification
from slipway_operator.core.errors import SpecError
from slipway_operator.core.manifest import digest
from slipway_operator.core.route import Route
from slipway_operator.core.trial import Canary, Shadow
from slipway_operator.core.units import duration, size
from slipway_operator.core.verification import Verification


class Spread(StrEnum):
    """Whether pods must, or only should, be on different nodes."""

    PREFERRED = "Preferred"
    REQUIRED = "Required"


class UpgradePolicy(StrEnum):
    """When a model takes up the runtime of a new operator: with its next change, or by itself."""

    ON_CHANGE = "OnChange"
    AUTOMATIC = "Automatic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Which model: ``sha256`` is the user's pin in hex, or None."""

    name: str
    version: str
    uri: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Whether requests may share a run, and how many rows then."""

    mode: str
    max_batch_size: int
    max_queue_delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How it is served: ``image`` is None for the operator release's own."""

    image: str | None
    upgrade_policy: UpgradePolicy
    execution_providers: tuple[str, ...]
    require_provider: bool
    session: Mapping[str, Any]
    batching: Batching
    max_queue: int
    request_timeout: timedelta
    max_request_bytes: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """A replica count that the user holds."""

    replicas: int


@dataclass(frozen=True, slots=True)
class Autoscaled:
    """A replica range that an HPA holds."""

    low: int
    high: int
    metrics: tuple[Mapping[str, Any], ...]
    behavior: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """What a node drain, a rollout and the scheduler must respect."""

    max_unavailable: int | str
    drain: timedelta
    spread: Spread


class Strategy(StrEnum):
    """How one revision follows another."""

    BLUE_GREEN = "BlueGreen"
    ROLLING_UPDATE = "RollingUpdate"
    CANARY = "Canary"
    SHADOW = "Shadow"
    RECREATE = "Recreate"
    AUTO = "Auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How a new revision takes over: ``deadline`` is how long it may take to get ready.

    ``window`` is how long the one before keeps its pods, ``surge`` how many, or which percentage,
    there may be beyond those that serve while they are replaced bit by bit. ``promote``, ``abort``
    and ``rollback_to`` are fingerprints of revisions that a person has decided about; another text
    in ``retry`` is the wish to try one again that was refused. ``shadow`` and ``canary`` are what a
    revision must stand before.
    """

    deadline: timedelta
    strategy: Strategy
    window: timedelta
    surge: int | str
    paused: bool
    promote: str | None
    abort: str | None
    rollback_to: str | None = None
    retry: str | None = None
    canary: Canary | None = None
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A valid wish.

    ``suspended`` is the wish that nothing be changed. ``fingerprint``, 8 hex digits over all that
    makes the pods, is its revision.
    """

    suspended: bool
    model: Model
    signature: Mapping[str, Any] | None
    runtime: Runtime
    resources: Mapping[str, Any]
    template: Mapping[str, Any]
    scale: Fixed | Autoscaled
    rollout: Rollout
    availability: Availability
    fingerprint: str
    verification: Verification | None = None
    route: Route | None = None

    @classmethod
    def parse(cls, name: str, raw: Mapping[str, Any]) -> Self:
        """Read ``.spec`` of the ModelDeployment ``name``.

        Raises:
            SpecError: If it says something that the schema let through and nobody can carry out.
        """
        availability, runtime = raw["availability"], raw["runtime"]
        return cls(
            suspended=raw.get("suspend", False),
            model=Model(
                name=raw["model"].get("name", name),
                version=raw["model"].get("version", ""),
                uri=raw["model"]["uri"],
                sha256=raw["model"].get("sha256"),
            ),
            signature=raw.get("signature"),
            runtime=_runtime(runtime),
            resources=raw["resources"],
            template=raw.get("template", {}),
            scale=_scale(raw),
            rollout=_rollout(raw),
            availability=Availability(
                max_unavailable=availability["disruptionBudget"]["maxUnavailable"],
                drain=timedelta(seconds=availability["drainSeconds"]),
                spread=Spread(availability["spread"]),
            ),
            fingerprint=_fingerprint(raw),
            verification=Verification.parse(raw["verification"]) if "verification" in raw else None,
            route=Route.parse(raw["route"]) if "route" in raw else None,
        )

    @property
    def promoted(self) -> bool:
        """Whether a person has named its revision as one that takes over all the same."""
        return self.rollout.promote == self.fingerprint

    @property
    def follows(self) -> bool:
        """Whether the model is to run on the runtime of the operator's release, whichever it is."""
        automatic = self.runtime.upgrade_policy is UpgradePolicy.AUTOMATIC
        return automatic and self.runtime.image is None


LATER_DEFAULTS: Mapping[str, Any] = {
    "upgradePolicy": "OnChange",
    "executionProviders": ["CPU"],
    "requireProvider": True,
    "batching": {"mode": "Auto", "maxBatchSize": 64, "maxQueueDelay": "0s"},
}
"""Fields of ``runtime`` that came later, and may be missing while the CRD is an older release's.

With these values revisions are what they were before.
"""


def _runtime(raw: Mapping[str, Any]) -> Runtime:
    raw = {**LATER_DEFAULTS, **raw}
    limits, batching = raw["limits"], raw["batching"]
    return Runtime(
        image=raw.get("image"),
        upgrade_policy=UpgradePolicy(raw["upgradePolicy"]),
        execution_providers=tuple(raw["executionProviders"]),
        require_provider=raw["requireProvider"],
        session=raw["session"],
        batching=Batching(
            mode=batching["mode"],
            max_batch_size=batching["maxBatchSize"],
            max_queue_delay=duration(
                "spec.runtime.batching.maxQueueDelay", batching["maxQueueDelay"]
            ),
        ),
        max_queue=limits["maxQueue"],
        request_timeout=duration("spec.runtime.limits.requestTimeout", limits["requestTimeout"]),
        max_request_bytes=size("spec.runtime.limits.maxRequestBytes", limits["maxRequestBytes"]),
    )


def _scale(raw: Mapping[str, Any]) -> Fixed | Autoscaled:
    match raw.get("replicas"), raw.get("autoscaling"):
        case int(replicas), None:
            return Fixed(replicas)
        case None, dict(range_):
            return Autoscaled(
                low=range_["minReplicas"],
                high=range_["maxReplicas"],
                metrics=tuple(range_["metrics"]),
                behavior=range_.get("behavior"),
            )
        case _:
            problem = "set exactly one of replicas (a fixed count) and autoscaling (a range)"
            raise SpecError("spec", problem)


def _rollout(raw: Mapping[str, Any]) -> Rollout:
    said = raw.get("rollout", {})
    return Rollout(
        deadline=timedelta(seconds=_deadline(raw)),
        strategy=Strategy(said.get("strategy", Strategy.BLUE_GREEN)),
        window=duration("spec.rollout.rollbackWindow", said.get("rollbackWindow", "0s")),
        surge=said.get("rollingUpdate", {}).get("maxSurge", "25%"),
        paused=said.get("paused", False),
        promote=_named(said.get("promote")),
        abort=_named(said.get("abort")),
        rollback_to=_named(said.get("rollbackTo")),
        retry=said.get("retry"),
        canary=Canary.parse(said["canary"]) if "canary" in said else None,
        shadow=Shadow.parse(said["shadow"]) if "shadow" in said else None,
    )


def _named(revision: str | None) -> str | None:
    return names.fingerprint(revision) if revision is not None else None


DEADLINE_SECONDS = 600
"""The CRD's default; an object that was cached under an older CRD has none."""


def _deadline(raw: Mapping[str, Any]) -> int:
    return int(raw.get("rollout", {}).get("progressDeadlineSeconds", DEADLINE_SECONDS))


LATER = ("signature",)
"""Parts without a default: who does not use them keeps the revision that he had without them."""

NO_PART = frozenset({"upgradePolicy"})
"""Fields of ``runtime`` that pods are not made of."""


def _fingerprint(raw: Mapping[str, Any]) -> str:
    """Name what pods are made of; scaling and the disruption budget change without new pods.

    A field that a later release adds must be left out here while it has its default: otherwise an
    upgrade of the CRD would give every stored object a new revision.
    """
    parts: dict[str, Any] = {p: raw.get(p) for p in ("model", "runtime", "resources", "template")}
    parts["runtime"] = {
        key: value
        for key, value in raw["runtime"].items()
        if key not in NO_PART and value != LATER_DEFAULTS.get(key)
    }
    parts["availability"] = {p: raw["availability"][p] for p in ("drainSeconds", "spread")}
    parts |= {p: raw[p] for p in LATER if p in raw}
    if "verification" in raw:
        parts["verification"] = verification.in_pods(raw["verification"])
    if _deadline(raw) != DEADLINE_SECONDS:
        parts["deadline"] = _deadline(raw)
    return digest(parts)[:8]
