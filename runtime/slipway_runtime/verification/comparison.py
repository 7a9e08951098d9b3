"""Compares two tensors row by row, and finds where they differ most. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from slipway_runtime.checks import Tolerance
from slipway_runtime.tensors import Array
from slipway_runtime.verification.verdicts import Case, shown

MOST_AT_ONCE = 1 << 18
"""Elements that are compared at a time: what is computed on the way takes a multiple of them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Which rows are ``wrong``, and the worst element of all.

    ``furthest`` is how far that is beyond what is allowed, 0 without one.
    """

    wrong: Array
    furthest: float
    worst: Case | None

    @property
    def count(self) -> int:
        """How many rows are wrong."""
        return int(self.wrong.sum())


def fitted(expected: Array, shape: tuple[int, ...]) -> Array | None:
    """Give what is expected the shape of the answer; None where more than sizes of 1 differ.

    Libraries write one number a row as [N] or as [N, 1].
    """
    if [size for size in expected.shape[1:] if size != 1] != [
        size for size in shape[1:] if size != 1
    ]:
        return None
    return expected.reshape(shape) if len(expected) == shape[0] else None


def compare(output: str, got: Array, expected: Array, tolerance: Tolerance) -> Difference:
    """Compare tensors of one shape, whose first axis is the row."""
    wrong = np.zeros(len(got), bool)
    furthest, where = 0.0, None
    for rows in _slices(got):
        far = _distance(got[rows], expected[rows], tolerance).reshape(rows.stop - rows.start, -1)
        wrong[rows] = far.max(axis=1, initial=0.0) > 0
        at = int(far.argmax()) if far.size else 0
        if far.size and far.flat[at] > furthest:
            furthest, where = float(far.flat[at]), rows.start * far.shape[1] + at
    worst = None if where is None else _case(output, got, expected, where)
    if worst is not None and not _exact(got, expected):
        worst = replace(worst, tolerance=str(tolerance))
    return Difference(wrong, furthest, worst)


def _slices(array: Array) -> Iterator[slice]:
    step = max(1, MOST_AT_ONCE // max(1, array[:1].size))
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))


def _distance(got: Array, expected: Array, tolerance: Tolerance) -> Array:
    """Say how far each element is beyond what is allowed: 0 within, infinite where no number is."""
    if _exact(got, expected):
        return np.where(got == expected, 0.0, np.inf)
    has, should = got.astype(float), expected.astype(float)
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = np.abs(has - should) - (tolerance.atol + tolerance.rtol * np.abs(should))
    same = (has == should) | (np.isnan(has) & np.isnan(should))
    far = np.where(same, 0.0, np.nan_to_num(beyond, nan=np.inf, posinf=np.inf))
    return np.maximum(far, 0.0)


def _exact(got: Array, expected: Array) -> bool:
    """Say whether elements have to be the same: only floats may be close."""
    kinds = got.dtype.kind + expected.dtype.kind
    return "O" in kinds or "f" not in kinds


def _case(output: str, got: Array, expected: Array, place: int) -> Case:
    index = tuple(int(size) for size in np.unravel_index(place, got.shape))
    return Case(index[0], output, index, shown(got[index]), shown(expected[index]))


def decisions(array: Array) -> Array | None:
    """Say what each row decides for: the place of its highest number, or the label that it is.

    Returns:
        One value a row, -1 for a row that has NaN; None for an output that is one number a row,
        which decides nothing.
    """
    rows = array.reshape(len(array), -1)
    if array.dtype.kind == "f" and rows.shape[1] > 1:
        return np.where(np.isnan(rows).any(axis=1), -1, rows.argmax(axis=1))
    return rows[:, 0] if rows.shape[1] == 1 and array.dtype.kind != "f" else None


def agreement(first: Array, second: Array) -> Array | None:
    """Tell for each row whether two answers decide for the same; None where they don't decide."""
    left, right = decisions(first), decisions(second)
    if left is None or right is None:
        return None
    undecided = np.zeros(len(left), bool) if left.dtype.kind == "O" else left == -1
    return np.asarray((left == right) & ~undecided, bool)
