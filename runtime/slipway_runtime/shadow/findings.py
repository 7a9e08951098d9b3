"""What comes of a copy: whether the answer to it is ours, and how many were. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

import numpy as np

from slipway_runtime.checks import Tolerance
from slipway_runtime.tensors import Array
from slipway_runtime.verification.columns import datatype_of
from slipway_runtime.verification.comparison import compare
from slipway_runtime.verification.verdicts import Case


class Result(StrEnum):
    """How a copy ended. Dropped ones were not sent; failed ones were, in vain."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a copy; where answers differ, how far at most and in which element."""

    result: Result
    furthest: float = 0.0
    worst: Case | None = None


AGREED = Finding(Result.AGREED)
FAILED = Finding(Result.FAILED)
DROPPED = Finding(Result.DROPPED)


def judge(expected: Mapping[str, Array], got: Mapping[str, Array], tolerance: Tolerance) -> Finding:
    """Compare an answer with ours: all of our outputs have to be there, in the same form."""
    found = [_differing(name, got.get(name), ours, tolerance) for name, ours in expected.items()]
    return max(filter(None, found), key=lambda each: each.furthest, default=AGREED)


def _differing(
    name: str, got: Array | None, expected: Array, tolerance: Tolerance
) -> Finding | None:
    has, should = "no such output" if got is None else _form(got), _form(expected)
    if got is None or has != should:
        return Finding(Result.DISAGREED, inf, Case(0, name, (), has, should))
    if np.array_equal(got, expected):  # as nearly always, and found sooner than how far they are
        return None
    difference = compare(name, np.atleast_1d(got), np.atleast_1d(expected), tolerance)
    if difference.worst is None:
        return None
    return Finding(Result.DISAGREED, difference.furthest, difference.worst)


def _form(array: Array) -> str:
    datatype = datatype_of(array)
    return f"{datatype.name if datatype else array.dtype} {list(array.shape)}"


@dataclass(slots=True)
class Tally:
    """What came of the copies that were made for one revision."""

    revision: str
    counts: dict[Result, int] = field(default_factory=lambda: dict.fromkeys(Result, 0))
    worst: Finding = AGREED

    def add(self, finding: Finding) -> None:
        """Count what came of a copy."""
        self.counts[finding.result] += 1
        if finding.furthest > self.worst.furthest:
            self.worst = finding

    def describe(self) -> dict[str, Any]:
        """Write ``shadow`` of the contract's ``/status``."""
        case = self.worst.worst
        return {
            "revision": self.revision,
            "requests": sum(self.counts.values()) - self.counts[Result.DROPPED],
            **{result.value: count for result, count in self.counts.items()},
            "worst": case.element() if case else None,
        }
