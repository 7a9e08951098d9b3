"""What comes of a check. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np


class Outcome(StrEnum):
    """How a check, or all of a suite, came out; the later one beats the earlier ones."""

    PASSED = "Passed"
    INCONCLUSIVE = "Inconclusive"
    FAILED = "Failed"


SEVERITY = list(Outcome)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Choose the outcome of several."""
    return max(outcomes, key=SEVERITY.index)


@dataclass(frozen=True, slots=True)
class Case:
    """Where an answer is furthest from what it should be. ``index`` begins with the row.

    ``tolerance`` is how far it may be from ``expected``, None where nothing else will do.
    """

    row: int
    output: str
    index: tuple[int, ...]
    got: str
    expected: str
    tolerance: str | None = None

    def __str__(self) -> str:
        """Name the element as numpy's users would."""
        return f"{self.output}[{', '.join(map(str, self.index))}]"

    @property
    def allowed(self) -> str:
        """Add the tolerance to a sentence, if there is one."""
        return f" ({self.tolerance})" if self.tolerance else ""

    def element(self) -> dict[str, Any]:
        """Write the element for the admin port."""
        return {
            "output": self.output,
            "index": list(self.index),
            "got": self.got,
            "expected": self.expected,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found in so many rows; ``value`` is the figure that it measured."""

    outcome: Outcome
    message: str
    rows: int = 0
    value: float | None = None
    worst: Case | None = None

    def capped(self, outcome: Outcome, why: str) -> "Verdict":
        """Be no better than ``outcome``."""
        if worst([self.outcome, outcome]) is self.outcome:
            return self
        return replace(self, outcome=outcome, message=f"{why}; {self.message}")


def failed(message: str) -> Verdict:
    """Fail without having compared anything."""
    return Verdict(Outcome.FAILED, message)


def inconclusive(message: str) -> Verdict:
    """Say why nothing could be found out."""
    return Verdict(Outcome.INCONCLUSIVE, message)


def judged(good: bool, message: str, rows: int, value: float, case: Case | None = None) -> Verdict:
    """Pass or fail by what was measured."""
    return Verdict(Outcome.PASSED if good else Outcome.FAILED, message, rows, value, case)


DIGITS = {2: 4, 4: 7, 8: 9}
"""Worth writing, by a float's bytes."""


def shown(value: object) -> str:
    """Write one element of a tensor for people."""
    if isinstance(value, str):
        text = str(value)
        return repr(text if len(text) <= 40 else text[:40] + "…")
    if isinstance(value, np.floating):
        return f"{float(value):.{DIGITS.get(value.itemsize, 9)}g}"
    return str(value)
