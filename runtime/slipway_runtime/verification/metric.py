"""The check Metric: one figure over all rows. Pure."""

import numpy as np

from slipway_runtime import checks
from slipway_runtime.tensors import Array
from slipway_runtime.verification.comparison import decisions, fitted
from slipway_runtime.verification.verdicts import Verdict, inconclusive, judged


def judge(check: checks.Metric, output: str, got: Array, label: Array) -> Verdict:
    """Measure how good the answers are against the column of labels."""
    errors = check.metric.endswith("Error")
    value = _error(check.metric, got, label) if errors else _score(check.metric, got, label)
    if value is None:
        return inconclusive(
            f"{check.metric} of {output} ({got.dtype} {list(got.shape[1:])} a row) can't be "
            f"measured against {check.label} ({label.dtype} {list(label.shape[1:])} a row)"
        )
    if errors:
        good, bound = value <= (check.max or 0.0), f"at most {check.max:g}"
    else:
        good, bound = value >= (check.min or 0.0), f"at least {check.min:g}"
    message = f"{check.metric} of {output} is {value:.6g} over {len(got)} rows, expected {bound}"
    return judged(bool(good), message, len(got), value)


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
