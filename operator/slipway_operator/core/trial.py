"""``spec.rollout.shadow`` and ``canary``, parsed: what a revision must stand before it serves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from slipway_operator.core import units

SHADOW = "spec.rollout.shadow"
FIELD = "spec.rollout.canary"


COPIED = 25
"""Percent of what a pod takes that serves, which is how many copies each pod of a canary gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """Copies of ``percent`` of the requests, at least ``min_requests``, whose answers must agree.

    ``min_agreement`` is a share from 0 to 1; floats may differ by ``rtol`` and ``atol``.
    """

    percent: int
    min_requests: int
    min_agreement: float
    rtol: int | float
    atol: int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow(Copying):
    """Copies for a ``duration``, before anybody else asks."""

    duration: timedelta

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read ``spec.rollout.shadow``, with its defaults in it.

        Raises:
            SpecError: If a duration or a number is none.
        """
        return cls(
            percent=raw["percent"],
            duration=units.duration(f"{SHADOW}.duration", raw["duration"]),
            min_requests=raw["minRequests"],
            **_alike(SHADOW, raw),
        )


def _alike(field: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read how much answers must agree."""
    return {
        "min_agreement": float(units.number(f"{field}.minAgreement", raw["minAgreement"])),
        "rtol": units.number(f"{field}.rtol", raw["rtol"]),
        "atol": units.number(f"{field}.atol", raw["atol"]),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """At most ``weight`` percent of the connections, or one pod's share, until it may end.

    That is after ``duration``, and once the revision has answered ``requests``, counted since its
    first step.
    """

    weight: int
    duration: timedelta = timedelta()
    requests: int = 0

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read an entry of ``steps``."""
        span = units.duration(f"{FIELD}.steps[].duration", raw.get("duration", "0s"))
        return cls(weight=raw["weight"], duration=span, requests=raw.get("requests", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What Prometheus is asked in PromQL, and the bounds of its answer; None where there is none.

    ``text`` may hold the ``PLACEHOLDERS``.
    """

    name: str
    text: str
    low: int | float | None
    high: int | float | None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read an entry of ``queries``."""
        low, high = (
            units.number(f"{FIELD}.queries[].{key}", raw[key]) if key in raw else None
            for key in ("min", "max")
        )
        return cls(name=raw["name"], text=raw["query"], low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Steps, and what all of them demand of the requests that the revision has answered.

    ``max_error_ratio`` is a share, from 0 to 1, of those that failed; ``max_p99`` is None where
    nothing is asked of their time. ``queries`` ask for what the requests do not tell. ``copying``
    is how its answers are compared with what is served, None where they are not; its percentage is
    for a canary of as many pods as serve.
    """

    steps: tuple[Step, ...]
    min_requests: int
    max_error_ratio: float
    max_p99: timedelta | None
    queries: tuple[Query, ...] = ()
    copying: Copying | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read ``spec.rollout.canary``, with its defaults in it.

        Raises:
            SpecError: If a duration or a number is none.
        """
        return cls(
            steps=tuple(Step.parse(step) for step in raw["steps"]),
            min_requests=raw["minRequests"],
            max_error_ratio=float(units.number(f"{FIELD}.maxErrorRatio", raw["maxErrorRatio"])),
            max_p99=units.duration(f"{FIELD}.maxP99", raw["maxP99"]) if "maxP99" in raw else None,
            queries=tuple(Query.parse(query) for query in raw.get("queries", ())),
            copying=_copying(raw) if "minAgreement" in raw else None,
        )


def _copying(raw: Mapping[str, Any]) -> Copying:
    return Copying(percent=COPIED, min_requests=raw["minRequests"], **_alike(FIELD, raw))
