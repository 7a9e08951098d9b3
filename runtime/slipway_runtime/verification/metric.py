"""The check Metric: one figure over all rows, and over each slice of them. Pure."""

from typing import NamedTuple

import numpy as np

from slipway_runtime import checks
from slipway_runtime.tensors import Array
from slipway_runtime.verification.comparison import decisions, fitted
from slipway_runtime.verification.verdicts import Outcome, Verdict, inconclusive, judged, shown

MOST_SLICES = 256


class Slice(NamedTuple):
    """The rows in which a column has one value, and the score over them."""

    value: str
    rows: int
    score: float


def judge(
    check: checks.Metric, output: str, got: Array, label: Array, by: Array | None = None
) -> Verdict:
    """Measure how good the answers are against the column of labels; ``by`` tells slices apart."""
    value = measure(check.metric, got, label)
    if value is None:
        return inconclusive(
            f"{check.metric} of {output} ({got.dtype} {list(got.shape[1:])} a row) can't be "
            f"measured against {check.label} ({label.dtype} {list(label.shape[1:])} a row)"
        )
    good, bound = _within(check, value, check.max if _is_error(check) else check.min)
    message = f"{check.metric} of {output} is {value:.6g} over {len(got)} rows, expected {bound}"
    verdict = judged(good, message, len(got), value)
    if check.slices is None or by is None:
        return verdict
    return _sliced(verdict, check, check.slices, _slices(check, check.slices, got, label, by))


def _is_error(check: checks.Metric) -> bool:
    return check.metric.endswith("Error")


def _within(check: checks.Metric, value: float, bound: float | None) -> tuple[bool, str]:
    """Say whether a score is good enough, and what would be."""
    limit = bound or 0.0
    if _is_error(check):
        return bool(value <= limit), f"at most {limit:g}"
    return bool(value >= limit), f"at least {limit:g}"


def _sliced(
    verdict: Verdict, check: checks.Metric, wish: checks.Slices, found: list[Slice] | None
) -> Verdict:
    """Be no better than the worst slice."""
    if not found:
        why = f"no value of {wish.column} has {wish.min_rows} rows"
        if found is None:
            why = f"{wish.column} is not one of at most {MOST_SLICES} values in each row"
        return verdict.capped(Outcome.INCONCLUSIVE, why)
    scores = [each.score for each in found]
    worst = found[int(np.argmax(scores) if _is_error(check) else np.argmin(scores))]
    good, bound = _within(check, worst.score, wish.bound)
    if good:
        return verdict
    said = f"{check.metric} is {worst.score:.6g} over the {worst.rows} rows whose {wish.column} is "
    return verdict.capped(Outcome.FAILED, f"{said}{worst.value}, expected {bound}")


def _slices(
    check: checks.Metric, wish: checks.Slices, got: Array, label: Array, by: Array
) -> list[Slice] | None:
    """Score each slice that is large enough; None for a column that tells no slices apart."""
    flat = by.reshape(len(by), -1)
    if flat.shape[1] != 1:
        return None
    values, which = np.unique(flat[:, 0], return_inverse=True)
    if len(values) > MOST_SLICES:
        return None
    parts = ((value, which == place) for place, value in enumerate(values))
    scored = (
        (shown(value), int(rows.sum()), measure(check.metric, got[rows], label[rows]))
        for value, rows in parts
        if rows.sum() >= wish.min_rows
    )
    return [Slice(value, rows, score) for value, rows, score in scored if score is not None]


def measure(metric: str, got: Array, label: Array) -> float | None:
    """Compute a score; None where answers and labels do not go together."""
    return (_error if metric.endswith("Error") else _score)(metric, got, label)


def _error(metric: str, got: Array, label: Array) -> float | None:
    should = fitted(label, got.shape)
    if should is None or "O" in got.dtype.kind + should.dtype.kind:
        return None
    off = got.astype(float) - should.astype(float)
    return float(np.abs(off).mean() if metric == "MeanAbsoluteError" else np.sqrt((off**2).mean()))


def _score(metric: str, got: Array, label: Array) -> float | None:
    """Measure a classification; a row with NaN is wrong whatever its label."""
    decided = decisions(got)
    should = label.reshape(len(label), -1)
    if decided is None or should.shape[1] != 1:
        return None
    truth = should[:, 0]
    if (decided.dtype.kind == "O") != (truth.dtype.kind == "O"):
        return None
    if metric == "Accuracy":
        return float(np.mean(decided == truth))
    return float(np.mean([_f1(decided == each, truth == each) for each in {*truth, *decided}]))


def _f1(decided: Array, true: Array) -> float:
    """Score one class; NaN is one that nothing is equal to."""
    both, either = int((decided & true).sum()), int(decided.sum()) + int(true.sum())
    return 2 * both / either if either else 0.0
