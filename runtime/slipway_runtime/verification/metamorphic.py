"""The check Metamorphic: rows changed in ways that should not matter. Pure: the same each time."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from slipway_runtime import checks
from slipway_runtime.tensors import Array
from slipway_runtime.verification import comparison
from slipway_runtime.verification.columns import Column, taken
from slipway_runtime.verification.verdicts import Verdict, failed, inconclusive, judged

SEED = 7
PERMUTED_ROWS = 16
"""In one request."""


def permutation(rows: int) -> Array:
    """Choose another order of the rows."""
    return np.random.default_rng(SEED).permutation(rows)


def changed(check: checks.Metamorphic, inputs: Mapping[str, Column]) -> dict[str, Column] | None:
    """Change the inputs; None where there is nothing that could be changed so."""
    if check.transform == "Permutation":
        rows = len(next(iter(inputs.values())).values)
        order = permutation(rows)
        return taken(inputs, order)
    if not any(column.values.dtype.kind == "f" for column in inputs.values()):
        return None
    rng = np.random.default_rng(SEED)
    return {
        name: column.replaced(_moved(check, column.values, rng))
        if column.values.dtype.kind == "f"
        else column
        for name, column in inputs.items()
    }


def _moved(check: checks.Metamorphic, values: Array, rng: np.random.Generator) -> Array:
    amount = check.amount or 0.0
    if check.transform == "Scale":
        return (values * amount).astype(values.dtype)
    spread = values.std(axis=0, dtype=float)
    noise = rng.standard_normal(values.shape) * spread * amount
    return np.asarray(values + noise, values.dtype)


def judge(check: checks.Metamorphic, output: str, before: Array, after: Array) -> Verdict:
    """Compare the answers before and after the change."""
    if check.transform == "Permutation":
        before = before[permutation(len(before))]
    if before.shape != after.shape:
        return failed(f"{output} has shape {list(after.shape)} after {check.transform}")
    difference = comparison.compare(output, after, before, check.tolerance)
    kept, worst = ~difference.wrong, difference.worst
    if check.expect == "SameArgmax":
        agreed = comparison.agreement(before, after)
        if agreed is None:
            return inconclusive(f"{output} is one number a row, of which there is no highest")
        kept, worst = agreed, worst and replace(worst, tolerance=None)
    share = float(kept.mean())
    wanted = check.min_agreement
    message = (
        f"{int(kept.sum())} of {len(kept)} rows of {output} are as before under "
        f"{check.transform} ({check.expect}), expected of {100 * wanted:g} %"
    )
    if share == 1 or worst is None:
        return judged(share >= wanted, message, len(kept), share)
    message += f"; furthest off is {worst}: {worst.got}, and {worst.expected} before{worst.allowed}"
    return judged(share >= wanted, message, len(kept), share, worst)
