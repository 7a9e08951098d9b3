"""The protocol's classification extension: the highest values of an output, and where they are."""

from math import prod

import msgspec
import numpy as np

from slipway_runtime.datatypes import BF16, Datatype
from slipway_runtime.tensors import Array


class Classes(msgspec.Struct, frozen=True, gc=False):
    """How many classes are wanted of an output, whose elements are of ``datatype``."""

    datatype: Datatype
    count: int

    def of(self, array: Array) -> Array:
        """Write ``value:index`` for the highest values of each row, the highest first.

        Rows are those of the first dimension if there are several; all else counts as one row's
        values. Of equal values the first one goes first. Integers are written as such, others
        with six decimals, as Triton does.

        Returns:
            Strings, of shape [rows, count], or [count] for an array of one dimension; fewer where
            a row has fewer values.
        """
        shape = array.shape if array.ndim > 1 else (1, array.size)
        width = prod(shape[1:])
        rows = _values(self.datatype, array).reshape(shape[0], width)
        order = width - 1 - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1]
        order = order[:, : self.count]
        form = "%d:%d" if rows.dtype.kind in "iu" else "%f:%d"
        texts = np.empty(order.shape, object)
        for row, places in enumerate(order.tolist()):
            values = rows[row, places].tolist()
            texts[row] = [form % pair for pair in zip(values, places, strict=True)]
        return texts if array.ndim > 1 else texts[0]


def _values(datatype: Datatype, array: Array) -> Array:
    if datatype is not BF16:
        return array
    return (np.ascontiguousarray(array).astype("<u4") << 16).view("<f4")
