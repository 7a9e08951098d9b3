"""What a verification found: the runtime's report, and the part of it that status keeps.

Only what is sure passes: a report without rows, or with an outcome that nobody knows, is
inconclusive.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

Raw = Mapping[str, Any]

MESSAGE_LIMIT = 1024
CHECKS_LIMIT = 16
NAME_LIMIT = 256
TEXT_LIMIT = 128
INDEX_LIMIT = 64


class Outcome(StrEnum):
    """How a check, or all of them, ended."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"

    @classmethod
    def read(cls, said: object) -> "Outcome":
        """Read an outcome; whatever else is said decides nothing."""
        return next((known for known in cls if known == said), cls.INCONCLUSIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The element that was furthest off, in the runtime's words; ``index`` begins with the row.

    ``tolerance`` is None where nothing but what is expected would do, and where a pod of an older
    release does not tell it.
    """

    row: int
    output: str
    index: tuple[int, ...]
    got: str
    expected: str
    tolerance: str | None = None

    @classmethod
    def read(cls, raw: Raw | None) -> Self | None:
        """Read it from a report, or from status; None where there is none, or no whole one."""
        try:
            said = raw or {}
            return cls(
                row=int(said["row"]),
                output=str(said["output"])[:NAME_LIMIT],
                index=tuple(int(place) for place in said["index"])[:INDEX_LIMIT],
                got=str(said["got"])[:TEXT_LIMIT],
                expected=str(said["expected"])[:TEXT_LIMIT],
                tolerance=str(said.get("tolerance") or "")[:TEXT_LIMIT] or None,
            )
        except (KeyError, TypeError, ValueError):
            return None

    def write(self) -> dict[str, Any]:
        """Write it for status."""
        found = {**asdict(self), "index": list(self.index)}
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; ``value`` is what it measured, or None, as it is written in status.

    ``rows`` were asked for it; None where that is not known.
    """

    name: str
    type: str
    outcome: Outcome
    rows: int | None = None
    value: str | None = None
    message: str = ""
    worst: Case | None = None

    @classmethod
    def read(cls, raw: Raw) -> Self:
        """Read a check of a report, or of status."""
        return cls(
            name=str(raw.get("name", "")),
            type=str(raw.get("type", "")),
            outcome=Outcome.read(raw.get("outcome")),
            rows=None if raw.get("rows") is None else _count(raw["rows"]),
            value=_text(raw.get("value")),
            message=str(raw.get("message") or "")[:MESSAGE_LIMIT],
            worst=Case.read(raw.get("worst")),
        )

    def write(self) -> dict[str, Any]:
        """Write it for status."""
        entry: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "outcome": self.outcome.value,
        }
        optional = {
            "rows": self.rows,
            "value": self.value,
            "message": self.message or None,
            "worst": self.worst.write() if self.worst is not None else None,
        }
        return entry | {k: v for k, v in optional.items() if v is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification of a revision found.

    ``bound`` is the share of wrong answers that its ``rows`` rule out with 95 % confidence, or
    None. ``held`` says that status has it: only then may it move traffic, so that whoever takes
    over from a dead operator knows why it was moved.
    """

    outcome: Outcome
    suite: str = ""
    pod: str = ""
    rows: int = 0
    bound: str | None = None
    findings: tuple[Finding, ...] = ()
    held: bool = False

    @classmethod
    def of(cls, report: Raw | None, pod: str) -> Self | None:
        """Judge by the report of a pod; None until there is something to judge by.

        A suite that has passed only a part of its rows, or in which there was nothing to ask before
        a pod is ready, is none; one that has failed has failed.
        """
        if report is None or report.get("state") != "Done":
            return None
        said = report.get("outcome")
        outcome, rows = Outcome.read(said), _count(report.get("rows"))
        if said in (None, Outcome.PASSED) and report.get("complete") is not True:
            return None
        return cls(
            outcome=Outcome.INCONCLUSIVE if outcome is Outcome.PASSED and rows == 0 else outcome,
            suite=str(report.get("suite", "")),
            pod=pod,
            rows=rows,
            bound=_text(report.get("errorBound")),
            findings=tuple(Finding.read(c) for c in report.get("checks") or ())[:CHECKS_LIMIT],
        )

    @classmethod
    def recall(cls, raw: Raw) -> Self:
        """Read it back from status."""
        return cls(
            outcome=Outcome.read(raw.get("outcome")),
            suite=raw.get("suite", ""),
            pod=raw.get("pod", ""),
            rows=raw.get("rows", 0),
            bound=raw.get("errorBound"),
            findings=tuple(Finding.read(c) for c in raw.get("checks", ())),
            held=True,
        )

    def write(self) -> dict[str, Any]:
        """Write it for status."""
        entry: dict[str, Any] = {
            "outcome": self.outcome.value,
            "suite": self.suite,
            "pod": self.pod,
            "rows": self.rows,
            "checks": [finding.write() for finding in self.findings],
        }
        return entry | ({"errorBound": self.bound} if self.bound is not None else {})

    @property
    def worst(self) -> Finding | None:
        """Find the check that decided: the first that failed, or else was inconclusive."""
        order = (Outcome.FAILED, Outcome.INCONCLUSIVE)
        return next((f for o in order for f in self.findings if f.outcome is o), None)


def waits(report: Raw | None) -> bool:
    """Say whether a pod waits to be told to verify all rows."""
    if report is None:
        return False
    part = report.get("state") == "Done" and report.get("complete") is not True
    return report.get("state") == "Waiting" or part


def _text(value: object) -> str | None:
    """Write a number short: the API has no floats, and nobody reads 17 digits."""
    match value:
        case None | bool():
            return None
        case str():
            return value[:32]
        case int() | float():
            return f"{value:.6g}"
        case _:
            return None


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
