"""The check Output: numbers are such as can be right at all. Pure."""

from collections.abc import Iterator

import numpy as np

from slipway_runtime import checks
from slipway_runtime.tensors import Array
from slipway_runtime.verification.verdicts import Case, Verdict, inconclusive, judged, shown

SUM_TOLERANCE = {2: 1e-2, 4: 1e-3, 8: 1e-3}
"""Relative to the sum, by an element's bytes: float16 knows three digits."""


def judge(check: checks.Output, output: str, got: Array) -> Verdict:
    """Look at every number, and at the sum of every row."""
    if got.dtype.kind not in "fiub":
        return inconclusive(f"{output} has no numbers")
    rows = got.reshape(len(got), -1)
    wrong = np.zeros(len(rows), bool)
    first = None
    for problem in _problems(check, output, rows):
        bad, case = problem
        wrong |= bad
        first = first or case
    count = int(wrong.sum())
    if first is None:
        return judged(True, f"{output} of all {len(rows)} rows: {_demands(check)}", len(rows), 0.0)
    message = (
        f"{first} is {first.got}, expected {first.expected}; {count} of {len(rows)} rows are wrong"
    )
    return judged(False, message, len(rows), count / len(rows), first)


Problem = tuple[Array, Case]
"""Which rows are wrong, and the first wrong element."""


def _problems(check: checks.Output, output: str, rows: Array) -> Iterator[Problem]:
    tests = [(~np.isfinite(rows), "a finite number")]
    if check.min is not None:
        tests.append((rows < check.min, f"at least {check.min:g}"))
    if check.max is not None:
        tests.append((rows > check.max, f"at most {check.max:g}"))
    for bad, expected in tests:
        if bad.any():
            row, column = (int(place[0]) for place in np.nonzero(bad))
            got = shown(rows[row, column])
            yield np.asarray(bad.any(axis=1)), Case(row, output, (row, column), got, expected)
    if check.sum is not None:
        yield from _sums(check.sum, output, rows)


def _sums(wanted: float, output: str, rows: Array) -> Iterator[Problem]:
    sums = rows.sum(axis=1, dtype=float)
    allowed = SUM_TOLERANCE.get(rows.dtype.itemsize, 1e-3) * max(1.0, abs(wanted))
    bad = ~(np.abs(sums - wanted) <= allowed)
    if bad.any():
        row = int(np.nonzero(bad)[0][0])
        got, tolerance = f"{sums[row]:.6g}", f"atol {allowed:g}"
        yield bad, Case(row, f"the sum of {output}", (row,), got, f"{wanted:g}", tolerance)


def _demands(check: checks.Output) -> str:
    demands = ["finite"]
    if check.min is not None:
        demands.append(f"at least {check.min:g}")
    if check.max is not None:
        demands.append(f"at most {check.max:g}")
    if check.sum is not None:
        demands.append(f"adding up to {check.sum:g}")
    return ", ".join(demands)
