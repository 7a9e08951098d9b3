"""``spec.verification``, parsed: which answers a revision must give before it takes traffic."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Self

from slipway_operator.core import units

FIELD = "spec.verification"
DROP = "maxDrop"
Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Rows from exactly one place: ``cases`` in the spec, a ``config_map``, or a ``uri``."""

    name: str
    cases: tuple[Raw, ...] | None = None
    config_map: str | None = None
    key: str | None = None
    uri: str | None = None
    sha256: str | None = None

    @classmethod
    def parse(cls, raw: Raw) -> Self:
        """Read an entry of ``datasets``."""
        source = raw.get("configMap", {})
        return cls(
            name=raw["name"],
            cases=tuple(raw["cases"]) if "cases" in raw else None,
            config_map=source.get("name"),
            key=source.get("key"),
            uri=raw.get("uri"),
            sha256=raw.get("sha256"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One demand; ``parameters`` are named and measured as docs/contract.md has them.

    ``max_drop`` is how much worse a score may be than that of the revision that serves, or None;
    pods know nothing of that one, so it is no parameter.
    """

    name: str
    type: str
    parameters: Raw
    max_drop: Decimal | None = None

    @classmethod
    def parse(cls, raw: Raw) -> Self:
        """Read an entry of ``checks``; what it demands stands under the name of its type."""
        kind = raw["type"]
        member = kind[:1].lower() + kind[1:]
        where = f"{FIELD}.checks[{raw['name']}].{member}"
        drop = raw[member].get(DROP)
        return cls(
            name=raw["name"],
            type=kind,
            parameters=_parameters(where, _without(raw[member], DROP)),
            max_drop=Decimal(str(units.number(f"{where}.{DROP}", drop))) if drop else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous:
    """How often each pod asks itself again, and when it believes that it is wrong."""

    interval: timedelta
    rows: int
    failure_threshold: int

    @classmethod
    def parse(cls, raw: Raw) -> Self:
        """Read ``continuous``."""
        return cls(
            interval=units.duration(f"{FIELD}.continuous.interval", raw["interval"]),
            rows=raw["rows"],
            failure_threshold=raw["failureThreshold"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All of it; ``backward`` says that a revision must not break the callers of the one before."""

    backward: bool
    datasets: tuple[Dataset, ...]
    checks: tuple[Check, ...]
    continuous: Continuous | None

    @classmethod
    def parse(cls, raw: Raw) -> Self:
        """Read the whole.

        Raises:
            SpecError: If a duration, size or number in it is none.
        """
        return cls(
            backward=raw["compatibility"] == "Backward",
            datasets=tuple(Dataset.parse(each) for each in raw["datasets"]),
            checks=tuple(Check.parse(each) for each in raw["checks"]),
            continuous=Continuous.parse(raw["continuous"]) if "continuous" in raw else None,
        )


def in_pods(raw: Raw) -> Raw:
    """Select what pods see of it: a change of the rest needs no new ones."""
    checks = [{key: _seen(value) for key, value in check.items()} for check in raw["checks"]]
    return {**_without(raw, "compatibility"), "checks": checks}


def _seen(value: Any) -> Any:
    return _without(value, DROP) if isinstance(value, Mapping) else value


def _without(raw: Raw, name: str) -> Raw:
    return {key: value for key, value in raw.items() if key != name}


DURATIONS = {"duration": "durationSeconds", "maxP99": "maxP99Seconds"}
SIZES = {"maxMemory": "maxMemoryBytes"}
WORDS = frozenset({"dataset", "output", "transform", "expect", "metric", "label", "column"})
"""Parameters that stay text; any other text is a number."""


def _parameters(where: str, raw: Raw) -> Raw:
    return dict(_parameter(f"{where}.{name}", name, value) for name, value in raw.items())


def _parameter(field: str, name: str, value: Any) -> tuple[str, Any]:
    if name in DURATIONS:
        return DURATIONS[name], units.seconds(units.duration(field, value))
    if name in SIZES:
        return SIZES[name], units.size(field, value)
    if isinstance(value, Mapping):
        return name, _parameters(field, value)
    if isinstance(value, str) and name not in WORDS:
        return name, units.number(field, value)
    return name, value
