"""What is told of a verification: the report of docs/contract.md."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from slipway_runtime.checks import AnyCheck
from slipway_runtime.verification.verdicts import Case, Outcome, Verdict, worst

CONFIDENCE = 3.0
"""Where N rows are all right, fewer than 3/N of all rows are wrong, with 95 % confidence: the "rule
of three", -ln(0.05) / N rounded up."""


class Suite(StrEnum):
    """What is asked when."""

    START = "Start"
    FULL = "Full"


class State(StrEnum):
    """How far a suite is."""

    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"


@dataclass(slots=True)
class Report:
    """One suite. ``complete`` says that there is nothing more to be found out."""

    suite: Suite
    state: State = State.WAITING
    complete: bool = False
    verdicts: list[tuple[AnyCheck, Verdict]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome | None:
        """The worst of all checks; None until all are done, and where there was none."""
        if self.state is not State.DONE or not self.verdicts:
            return None
        return worst(verdict.outcome for _, verdict in self.verdicts)

    @property
    def rows(self) -> int:
        """How many rows of one data set were looked at, at most."""
        return max((verdict.rows for _, verdict in self.verdicts), default=0)

    @property
    def error_bound(self) -> float | None:
        """Bound the share of wrong answers; None where nothing was compared, or not all right."""
        compared = [verdict for check, verdict in self.verdicts if check.type == "Expected"]
        if not compared or any(verdict.value != 0 or not verdict.rows for verdict in compared):
            return None
        return CONFIDENCE / max(verdict.rows for verdict in compared)

    def worst(self) -> tuple[AnyCheck, Verdict] | None:
        """Choose the first check of the worst outcome, if that is no good one."""
        if self.outcome in (None, Outcome.PASSED):
            return None
        return next(pair for pair in self.verdicts if pair[1].outcome is self.outcome)

    def describe(self, continuous: dict[str, Any] | None) -> dict[str, Any]:
        """Write it for the admin port."""
        return {
            "schemaVersion": 1,
            "suite": self.suite,
            "state": self.state,
            "complete": self.complete,
            "outcome": self.outcome,
            "rows": self.rows,
            "errorBound": self.error_bound,
            "seconds": round(self.seconds, 3),
            "checks": [_check(*pair) for pair in self.verdicts],
            "continuous": continuous,
        }


Reporter = Callable[[AnyCheck, Verdict], None]
"""Takes note of each check when it is done."""


def _check(check: AnyCheck, verdict: Verdict) -> dict[str, Any]:
    case = verdict.worst
    return {
        "name": check.name,
        "type": check.type,
        "outcome": verdict.outcome,
        "rows": verdict.rows,
        "value": verdict.value,
        "message": verdict.message,
        "worst": _case(case) if case else None,
    }


def _case(case: Case) -> dict[str, Any]:
    return {"row": case.row, **case.element(), "tolerance": case.tolerance}
