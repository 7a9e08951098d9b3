"""Makes inputs that a model takes, to try it with. Pure: the same ones each time."""

from collections.abc import Iterator
from math import prod
from random import Random

import numpy as np

from slipway_runtime.batching import Feed
from slipway_runtime.datatypes import BF16, BYTES, Signature, TensorSpec
from slipway_runtime.tensors import Array

ROWS = 3

FREE_SIZES = (16, 1, 64, 224)
"""Sizes for dimensions that the caller chooses, in the order in which they are tried: a short
sequence, a single step, then images that survive a few halvings."""

TOP_INDICES = (8, 2, 1)
"""Whole numbers are often indices into a table, whose length the model does not tell."""


def candidates(signature: Signature) -> Iterator[list[Feed]]:
    """Make sets of single rows that differ, the most telling first.

    Values grow from row to row, so that rows that get mixed show in the answers.
    """
    free = any(-1 in spec.shape[1:] for spec in signature.inputs.values())
    for size in FREE_SIZES if free else FREE_SIZES[:1]:
        for top in TOP_INDICES:
            yield [_row(signature, size, (row, top)) for row in range(ROWS)]


def _row(signature: Signature, size: int, place: tuple[int, int]) -> Feed:
    rng = Random(f"{size} {place[0]}")  # noqa: S311 - numpy's own would keep 3 MB in memory
    return {
        name: _values(rng, spec, _shape(spec, size), place)
        for name, spec in signature.inputs.items()
    }


def _shape(spec: TensorSpec, free: int) -> tuple[int, ...]:
    first = tuple(1 if size < 0 else size for size in spec.shape[:1])
    return first + tuple(free if size < 0 else size for size in spec.shape[1:])


def _values(rng: Random, spec: TensorSpec, shape: tuple[int, ...], place: tuple[int, int]) -> Array:
    row, top = place
    dtype = spec.datatype.dtype
    if spec.datatype is BYTES:
        return (_bits(rng, shape) % 10 + row).astype(str).astype(object)
    if spec.datatype is BF16:
        return (_floats(rng, shape, row).view(np.uint32) >> 16).astype(np.uint16)
    if dtype.kind == "f":
        return _floats(rng, shape, row).astype(dtype)
    values = _bits(rng, shape) % top + row
    return (values % (2 if dtype.kind == "b" else top)).astype(dtype)


def _floats(rng: Random, shape: tuple[int, ...], row: int) -> Array:
    """Make numbers around 0, three times as large in each row as in the one before."""
    return (_bits(rng, shape) / 2.0**30 - 2.0).astype(np.float32) * np.float32(3.0**row)


def _bits(rng: Random, shape: tuple[int, ...]) -> Array:
    return np.ndarray(shape, np.uint32, rng.randbytes(4 * prod(shape))).astype(np.int64)
