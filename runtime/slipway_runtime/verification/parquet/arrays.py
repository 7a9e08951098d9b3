"""From a column of Arrow to numpy: a list is an axis, and all rows have one shape.

The names in errors are what the writer of the file calls them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from arro3.core import Array as Column
from arro3.core import DataType, list_flatten, list_offsets

from slipway_runtime.tensors import Array
from slipway_runtime.verification.npz import UnreadableError

MOST_AXES = 16
LISTS = (DataType.is_list, DataType.is_large_list, DataType.is_fixed_size_list)
NUMBERS = (DataType.is_boolean, DataType.is_integer, DataType.is_floating)
TEXTS = (
    DataType.is_string,
    DataType.is_large_string,
    DataType.is_string_view,
    DataType.is_binary,
    DataType.is_large_binary,
    DataType.is_binary_view,
)
Kinds = tuple[Callable[[DataType], bool], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file values lie: from row ``start`` on, ``each`` of them a row."""

    column: str
    start: int
    each: int = 1

    def at(self, index: int) -> str:
        """Name the row of a value."""
        return f"column {self.column!r}, row {self.start + index // self.each}"

    def within(self, size: int) -> "Place":
        """Go into lists of so many values."""
        return replace(self, each=self.each * size)


def check_type(column: str, kind: DataType) -> None:
    """Make sure that there are tensors of such values.

    Raises:
        UnreadableError: There are none.
    """
    leaf, axes = kind, 0
    while _is(LISTS, leaf) and leaf.value_type is not None:
        leaf, axes = leaf.value_type, axes + 1
    if axes > MOST_AXES:
        raise UnreadableError(
            f"column {column!r} has lists in {axes} levels; the most are {MOST_AXES}"
        )
    if _is(NUMBERS + TEXTS, leaf):
        return
    remedy = "write numbers, booleans, strings, or lists of them"
    if DataType.is_dictionary(leaf):
        remedy = "write its plain values, as with astype(str) or astype of their type"
    raise UnreadableError(f"column {column!r} is of type {named(kind)}; {remedy}")


def named(kind: DataType) -> str:
    """Name a type as Arrow does."""
    return str(kind).strip().removeprefix("arro3.core.DataType<").removesuffix(">")


def _is(kinds: Kinds, kind: DataType) -> bool:
    return any(each(kind) for each in kinds)


def values(column: Column, place: Place) -> Array:
    """Read a part of a column; strings are Python's.

    Raises:
        UnreadableError: It has nulls, rows of different shapes, or bytes that are no text.
    """
    _check_nulls(column, place)
    if _is(LISTS, column.type):
        return _lists(column, place)
    array = column.to_numpy()
    return _texts(array, place) if _is(TEXTS, column.type) else array


def _check_nulls(column: Column, place: Place) -> None:
    if not column.null_count:
        return
    low, high = 0, len(column) - 1
    while low < high:
        middle = (low + high) // 2
        if column.slice(low, middle + 1 - low).null_count:
            high = middle
        else:
            low = middle + 1
    remedy = "write a value for each row, or leave the row out"
    if DataType.is_floating(column.type):
        remedy = "write a number, or where it is NaN, which pandas writes as null, use npz"
    raise UnreadableError(f"{place.at(low)} is null; {remedy}")


def _lists(column: Column, place: Place) -> Array:
    size = _size(column, place)
    inner = values(list_flatten(column), place.within(max(size, 1)))
    return inner.reshape(len(column), size, *inner.shape[1:])


def _size(column: Column, place: Place) -> int:
    """Find out how long each list is."""
    if column.type.list_size is not None:
        return column.type.list_size
    sizes = np.diff(list_offsets(column).to_numpy())
    if not len(sizes):
        return 0
    others = np.flatnonzero(sizes != sizes[0])
    if len(others):
        at = int(others[0])
        raise UnreadableError(
            f"{place.at(at)} has a list of {sizes[at]} elements where one of {sizes[0]} is "
            "expected, as in the rows before; all rows need the same shape"
        )
    return int(sizes[0])


def _texts(array: Array, place: Place) -> Array:
    for index, each in enumerate(array):
        if isinstance(each, bytes):
            try:
                array[index] = each.decode()
            except UnicodeDecodeError:
                raise UnreadableError(
                    f"{place.at(index)} has bytes that are not UTF-8; write it as a string"
                ) from None
    return array
