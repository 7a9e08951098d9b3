"""The check Expected: answers are those that somebody else computed. Pure."""

from dataclasses import dataclass

import numpy as np

from slipway_runtime import checks
from slipway_runtime.tensors import Array
from slipway_runtime.verification import comparison
from slipway_runtime.verification.comparison import Difference
from slipway_runtime.verification.verdicts import Verdict, failed, inconclusive, judged


@dataclass(frozen=True, slots=True)
class Found:
    """The verdict, and which rows were as right as the check demands of a row."""

    verdict: Verdict
    right: Array


def judge(check: checks.Expected, output: str, got: Array, expected: Array) -> Found:
    """Compare the answers for all rows with those expected."""
    nothing = np.zeros(len(got), bool)
    should = comparison.fitted(expected, got.shape)
    if should is None:
        shapes = f"{list(got.shape[1:])} a row where {list(expected.shape[1:])} is expected"
        return Found(failed(f"{output} has shape {shapes}"), nothing)
    difference = comparison.compare(output, got, should, check.tolerance)
    demanded = check.min_argmax_agreement
    agreed = comparison.agreement(got, should) if demanded is not None else ~nothing
    if agreed is None:
        message = f"{output} is one number a row, of which there is no highest: leave out "
        return Found(inconclusive(message + "minArgmaxAgreement"), nothing)
    right = agreed & (~difference.wrong if check.max_mismatch_ratio < 1 else ~nothing)
    return Found(_verdict(check, difference, agreed), right)


def _verdict(check: checks.Expected, difference: Difference, agreed: Array) -> Verdict:
    rows = len(agreed)
    mismatches, agreeing = difference.count / rows, float(agreed.mean())
    wanted = check.min_argmax_agreement
    close = mismatches <= check.max_mismatch_ratio
    good = close and (wanted is None or agreeing >= wanted)
    said = _closeness(check, difference, rows)
    if wanted is not None:
        said += f"; the highest value is where it should be in {int(agreed.sum())} of {rows} rows"
        said += "" if agreeing >= wanted else f", expected in {100 * wanted:g} %"
    return judged(good, said, rows, mismatches, difference.worst)


def _closeness(check: checks.Expected, difference: Difference, rows: int) -> str:
    worst = difference.worst
    if worst is None:
        return f"all {rows} rows are as expected ({check.tolerance})"
    return (
        f"{worst} is {worst.got} where {worst.expected} is expected{worst.allowed}; "
        f"{difference.count} of {rows} rows differ"
    )
