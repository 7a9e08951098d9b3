"""The user's wish, parsed once at the edge and trusted ever after.

Defaults are the CRD's: what arrives here has them filled in. Parts that Kubernetes itself defines
(resources, the pod template's allow-list, HPA metrics and behavior) pass through as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from slipway_operator.core.errors import SpecError
from slipway_operator.core.manifest import digest, quantity


class Spread(StrEnum):
    """Whether pods must, or only should, be on different nodes."""

    PREFERRED = "Preferred"
    REQUIRED = "Required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Which model: ``sha256`` is the user's pin in hex, or None."""

    name: str
    version: str
    uri: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How it is served: ``image`` is None for the operator release's own."""

    image: str | None
    session: Mapping[str, Any]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A valid wish; ``fingerprint``, 8 hex digits over all that makes the pods, is its revision."""

    model: Model
    runtime: Runtime
    resources: Mapping[str, Any]
    template: Mapping[str, Any]
    scale: Fixed | Autoscaled
    availability: Availability
    fingerprint: str

    @classmethod
    def parse(cls, name: str, raw: Mapping[str, Any]) -> Self:
        """Read ``.spec`` of the ModelDeployment ``name``.

        Raises:
            SpecError: If it says something that the schema let through and nobody can carry out.
        """
        availability, runtime = raw["availability"], raw["runtime"]
        return cls(
            model=Model(
                name=raw["model"].get("name", name),
                version=raw["model"].get("version", ""),
                uri=raw["model"]["uri"],
                sha256=raw["model"].get("sha256"),
            ),
            runtime=_runtime(runtime),
            resources=raw["resources"],
            template=raw.get("template", {}),
            scale=_scale(raw),
            availability=Availability(
                max_unavailable=availability["disruptionBudget"]["maxUnavailable"],
                drain=timedelta(seconds=availability["drainSeconds"]),
                spread=Spread(availability["spread"]),
            ),
            fingerprint=_fingerprint(raw),
        )


def _runtime(raw: Mapping[str, Any]) -> Runtime:
    limits = raw["limits"]
    return Runtime(
        image=raw.get("image"),
        session=raw["session"],
        max_queue=limits["maxQueue"],
        request_timeout=_duration("spec.runtime.limits.requestTimeout", limits["requestTimeout"]),
        max_request_bytes=_bytes("spec.runtime.limits.maxRequestBytes", limits["maxRequestBytes"]),
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


def _fingerprint(raw: Mapping[str, Any]) -> str:
    """Name what pods are made of; scaling and the disruption budget change without new pods.

    A field that a later release adds must be left out here while it has its default: otherwise an
    upgrade of the CRD would give every stored object a new revision.
    """
    parts: dict[str, Any] = {p: raw.get(p) for p in ("model", "runtime", "resources", "template")}
    parts["availability"] = {p: raw["availability"][p] for p in ("drainSeconds", "spread")}
    return digest(parts)[:8]


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _duration(field: str, text: str) -> timedelta:
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise SpecError(field, f"{text!r} is not a duration such as 500ms, 10s or 1m30s")
    return timedelta(seconds=sum(float(n) * _UNITS[u] for n, u in parts))


def _bytes(field: str, text: str | int) -> int:
    try:
        return int(quantity(text))
    except ValueError as error:
        raise SpecError(field, str(error)) from error
