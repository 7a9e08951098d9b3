"""Whether a score is worse than that of the revision that serves, by more than its check allows.

Two scores compare where both revisions measured the same thing: a check of one name with the same
metric, output and label, over a data set from the same place.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from slipway_operator.core.observed import Revision
from slipway_operator.core.verification import Check, Verification

MEASURED = ("type", "metric", "dataset", "output", "label")


class Comparison(NamedTuple):
    """What became of ``check``'s score; ``drop`` is None where there is nothing to compare."""

    check: Check
    now: Decimal | None = None
    before: Decimal | None = None

    @property
    def drop(self) -> Decimal | None:
        """How much worse the score is, in its own unit; negative if it is better."""
        if self.now is None or self.before is None:
            return None
        grown = self.now - self.before
        return grown if self.check.parameters["metric"].endswith("Error") else -grown

    @property
    def too_much(self) -> bool:
        """Whether it is worse by more than may be."""
        most = self.check.max_drop
        return self.drop is not None and most is not None and self.drop > most

    def __str__(self) -> str:
        """Say it to a person."""
        name, kind = self.check.name, self.check.parameters["metric"]
        return (
            f"check {name} (Metric): {kind} is {self.now}, worse by {self.drop} than the "
            f"{self.before} of the revision that serves; maxDrop is {self.check.max_drop}"
        )


def compare(wish: Verification, latest: Revision, base: Revision) -> Iterator[Comparison]:
    """Compare the scores of all checks that bound how much worse they may become."""
    for check in wish.checks:
        if check.max_drop is None:
            continue
        same = _measured(latest.record, check.name) == _measured(base.record, check.name)
        yield Comparison(check, _score(latest, check), _score(base, check) if same else None)


def _measured(record: Mapping[str, Any], name: str) -> tuple[Any, ...] | None:
    """Gather all that decides what a check's score is a score of; None where there is no check."""
    wish = record.get("settings", {}).get("verification", {})
    check = next((c for c in wish.get("checks", ()) if c["name"] == name), None)
    if check is None:
        return None
    known = check.get("dataset")
    volumes = record.get("template", {}).get("spec", {}).get("volumes", ())
    return (
        [check.get(key) for key in MEASURED],
        [d for d in wish["datasets"] if d["name"] == known],
        record.get("datasets", {}).get(f"{known}.json"),
        [v for v in volumes if v["name"] == f"dataset-{known}"],
    )


def _score(revision: Revision, check: Check) -> Decimal | None:
    findings = revision.verdict.findings if revision.verdict else ()
    said = next((f.value for f in findings if f.name == check.name), None)
    try:
        score = Decimal(said) if said is not None else None
    except InvalidOperation:
        return None
    return score if score is not None and score.is_finite() else None
