"""What Prometheus answered to a query of a canary."""

from typing import NamedTuple


class Reading(NamedTuple):
    """One number; None where there was none, and then ``problem`` says why."""

    value: float | None
    problem: str = ""
