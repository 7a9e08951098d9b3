"""Durations, sizes and numbers as people write them into a spec, and times as status has them."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from slipway_operator.core.errors import SpecError
from slipway_operator.core.manifest import quantity

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(field: str, text: str) -> timedelta:
    """Read a duration; ``field`` is named when it is none.

    Raises:
        SpecError: If it is none.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise SpecError(field, f"{text!r} is not a duration such as 500ms, 10s or 1m30s")
    return timedelta(seconds=sum(float(n) * _UNITS[u] for n, u in parts))


def size(field: str, text: str | int) -> int:
    """Read a number of bytes.

    Raises:
        SpecError: If it is none.
    """
    try:
        return int(quantity(text))
    except ValueError as error:
        raise SpecError(field, str(error)) from error


def number(field: str, text: str) -> int | float:
    """Read a number that may be a fraction.

    Raises:
        SpecError: If it is none.
    """
    try:
        return whole(float(text))
    except ValueError as error:
        raise SpecError(field, f"{text!r} is not a number such as 0.98 or 1e-3") from error


def seconds(span: timedelta) -> int | float:
    """Count seconds."""
    return whole(span.total_seconds())


def whole(value: float) -> int | float:
    """Write whole numbers as an int: the API server stores 10.0 as 10."""
    return int(value) if value.is_integer() else value


def written(time: datetime) -> str:
    """Write a time, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(held: Mapping[str, Any], key: str) -> datetime | None:
    """Read a time back, if there is one."""
    return datetime.fromisoformat(held[key]) if key in held else None
