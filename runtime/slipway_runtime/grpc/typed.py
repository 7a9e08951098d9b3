"""Typed contents: a tensor's elements in the protobuf field that its datatype has."""

from typing import Any

import numpy as np

from slipway_runtime import tensors
from slipway_runtime.datatypes import BYTES, Datatype, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.grpc.messages import message
from slipway_runtime.tensors import Array

CONTENTS = message("inference.InferTensorContents")

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def read(spec: TensorSpec, shape: list[int], contents: Any) -> Array:
    """Read an input's contents.

    Raises:
        InvalidRequestError: Another field, another number of elements, or one that does not fit.
    """
    field = FIELDS.get(spec.datatype.name)
    if field is None:
        raise InvalidRequestError(
            f"input {spec}: {spec.datatype.name} has no typed contents; send raw_input_contents"
        )
    count = tensors.check_shape(spec, shape)
    for descriptor, values in contents.ListFields():
        if descriptor.name != field:
            raise InvalidRequestError(
                f"input {spec}: {len(values)} elements came in {descriptor.name}, expected them in "
                f"{field}"
            )
    values = getattr(contents, field)
    if len(values) != count:
        raise InvalidRequestError(
            f"input {spec}: {field} has {len(values)} elements, the request's shape {shape} takes "
            f"{count}"
        )
    if spec.datatype is BYTES:
        texts = [tensors.text(spec, number, text) for number, text in enumerate(values)]
        return tensors.object_array(spec, shape, texts)
    return _numbers(spec, values).reshape(shape)


def _numbers(spec: TensorSpec, values: Any) -> Array:
    try:
        return np.array(list(values), spec.datatype.dtype)
    except OverflowError:
        raise InvalidRequestError(
            f"input {spec}: the contents have a number beyond {spec.datatype.name}"
        ) from None


def packed(datatype: Datatype, array: Array) -> bytes:
    """Write an output's contents as the bytes of an ``InferTensorContents``."""
    values = array.ravel().tolist()
    if datatype is BYTES:
        values = [str(value).encode() for value in values]
    return bytes(CONTENTS(**{FIELDS[datatype.name]: values}).SerializeToString())
