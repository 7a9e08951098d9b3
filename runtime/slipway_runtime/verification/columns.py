"""Data sets in memory: tensors whose first axis is the row. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from slipway_runtime.datatypes import BF16, BYTES, DATATYPES, Datatype
from slipway_runtime.tensors import Array

BY_NAME = {datatype.name: datatype for datatype in DATATYPES}


@dataclass(frozen=True, slots=True)
class Column:
    """An input as callers send it. bfloat16, of which numpy knows nothing, is float32 here."""

    datatype: Datatype
    values: Array

    def taken(self, rows: Array | slice) -> "Column":
        """Choose rows."""
        return replace(self, values=self.values[rows])

    def replaced(self, values: Array) -> "Column":
        """Take other values of the same type."""
        return replace(self, values=values)

    def wire(self) -> Array:
        """Give the elements as they travel."""
        if self.datatype is BF16:
            return to_bfloat16(self.values)
        return np.asarray(self.values, self.datatype.dtype, order="C")


def taken(inputs: Mapping[str, Column], rows: Array | slice) -> dict[str, Column]:
    """Choose rows of all inputs."""
    return {name: column.taken(rows) for name, column in inputs.items()}


@dataclass(frozen=True, slots=True)
class Table:
    """A data set: ``inputs`` are asked, ``columns`` are what answers are compared with."""

    name: str
    inputs: Mapping[str, Column]
    columns: Mapping[str, Array]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        every = [column.values for column in self.inputs.values()] or [*self.columns.values()]
        return len(every[0]) if every else 0

    @property
    def nbytes(self) -> int:
        """How much memory it takes, without what strings take."""
        inputs = sum(column.values.nbytes for column in self.inputs.values())
        return inputs + sum(array.nbytes for array in self.columns.values())

    def head(self, rows: int) -> "Table":
        """Keep the first rows only, in memory of their own."""
        return Table(
            self.name,
            {
                name: column.replaced(column.values[:rows].copy())
                for name, column in self.inputs.items()
            },
            {name: array[:rows].copy() for name, array in self.columns.items()},
        )


def datatype_of(array: Array) -> Datatype | None:
    """Find the protocol's type of an array; None where it has none."""
    if array.dtype.kind in "OU":
        return BYTES
    return next((each for each in DATATYPES if each.dtype == array.dtype), None)


def to_bfloat16(values: Array) -> Array:
    """Round float32 to the nearest bfloat16, ties to even, as its two bytes."""
    bits = np.ascontiguousarray(values, "<f4").view("<u4").astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded).astype("<u2")


def from_wire(datatype: Datatype, array: Array) -> Array:
    """Take elements as they travel; only bfloat16's are others here."""
    return from_bfloat16(array) if datatype is BF16 else array


def from_bfloat16(bits: Array) -> Array:
    """Widen bfloat16 to float32."""
    return (np.ascontiguousarray(bits).astype("<u4") << 16).view("<f4")
