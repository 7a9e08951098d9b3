"""Reads a data set from JSON: cases in the form of the protocol's requests and answers."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from slipway_runtime import json_tensors
from slipway_runtime.checks import MOST_DATASET_BYTES
from slipway_runtime.datatypes import Datatype, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.tensors import Array
from slipway_runtime.verification.columns import BY_NAME, Column
from slipway_runtime.verification.npz import UnreadableError


class Tensor(msgspec.Struct, forbid_unknown_fields=True):
    """One tensor of a case; its first axis is the row."""

    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """Some rows and the answers to them."""

    inputs: list[Tensor]
    outputs: list[Tensor] = []


class Cases(msgspec.Struct, forbid_unknown_fields=True):
    """A whole file."""

    cases: list[Case]


def read(path: Path) -> tuple[dict[str, Column], dict[str, Array]]:
    """Read inputs and what is expected, the rows of all cases one after the other.

    Raises:
        UnreadableError: It is not of this form, too large, or its cases don't go together.
        OSError: It can't be opened.
    """
    size = path.stat().st_size
    if size > MOST_DATASET_BYTES:
        raise UnreadableError(f"it has {size} bytes, the most are {MOST_DATASET_BYTES}")
    try:
        cases = msgspec.json.decode(path.read_bytes(), type=Cases).cases
        each_inputs = [_columns(case.inputs) for case in cases]
        each_outputs = [_columns(case.outputs) for case in cases]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise UnreadableError(str(problem).replace("`$.", "`")) from None
    except InvalidRequestError as problem:
        raise UnreadableError(problem.message.replace("input ", "tensor ", 1)) from None
    inputs = _joined(each_inputs)
    outputs = {name: column.values for name, column in _joined(each_outputs).items()}
    return inputs, outputs


def _columns(tensors: Sequence[Tensor]) -> dict[str, Column]:
    return {tensor.name: _column(tensor) for tensor in tensors}


def _column(tensor: Tensor) -> Column:
    datatype = BY_NAME.get(tensor.datatype)
    if datatype is None or not tensor.shape:
        raise UnreadableError(
            f"tensor {tensor.name!r} is {tensor.datatype} {tensor.shape}; expected a datatype of "
            "the protocol, and a shape that begins with the number of rows"
        )
    written = datatype if datatype.in_json else BY_NAME["FP32"]
    spec = TensorSpec(tensor.name, written, ())
    values = json_tensors.read(spec, tensor.shape, memoryview(tensor.data))
    return Column(datatype, _narrowed(datatype, values))


def _narrowed(datatype: Datatype, values: Array) -> Array:
    """Round what JSON has no form for; here it is written as FP32."""
    return values.astype(np.float16) if datatype.name == "FP16" else values


def _joined(cases: Sequence[dict[str, Column]]) -> dict[str, Column]:
    """Put the rows of all cases one after the other."""
    joined: dict[str, Column] = {}
    for number, case in enumerate(cases):
        if list(case) != list(cases[0]):
            raise UnreadableError(
                f"case {number} has {', '.join(case) or 'nothing'} where case 0 has "
                f"{', '.join(cases[0]) or 'nothing'}"
            )
    for name in cases[0] if cases else ():
        columns = [case[name] for case in cases]
        forms = {(column.datatype.name, column.values.shape[1:]) for column in columns}
        if len(forms) > 1:
            raise UnreadableError(
                f"tensor {name!r} has another datatype or another shape in some cases; put those "
                "into a data set of their own"
            )
        joined[name] = columns[0].replaced(np.concatenate([each.values for each in columns]))
    return joined
