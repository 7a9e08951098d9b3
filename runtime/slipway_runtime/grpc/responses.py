"""Inference responses as bytes.

They are written here and not by protobuf: what does not change from answer to answer is written
once, and tensors are copied once.
"""

from collections.abc import Sequence
from functools import lru_cache

from slipway_runtime import tensors
from slipway_runtime.answers import Form
from slipway_runtime.grpc.messages import message
from slipway_runtime.grpc.typed import FIELDS, packed
from slipway_runtime.grpc.wire import field, key, varint
from slipway_runtime.tensors import Array, Buffer

RESPONSE = message("inference.ModelInferResponse")
TENSOR = message("inference.ModelInferResponse.InferOutputTensor")

ID, OUTPUTS, RAW = key(3), key(5), key(6)
CONTENTS = key(5)
INFER_RESPONSE = key(2)
"""Keys of the response's fields, of a tensor's contents, and of a stream's response."""


def prefix(name: str, version: str) -> bytes:
    """Write what every answer of a model begins with."""
    return bytes(RESPONSE(model_name=name, model_version=version).SerializeToString())


def write(
    prefix: bytes, request_id: str, forms: Sequence[Form], arrays: Sequence[Array], typed: bool
) -> bytes:
    """Write a response, its tensors raw or as typed contents.

    A datatype that has no typed contents makes all of them raw: there is no mixture of both.
    """
    pieces: list[Buffer] = [prefix]
    if request_id:
        pieces.append(field(ID, request_id.encode()))
    given = [
        form.classes.of(array) if form.classes else array
        for form, array in zip(forms, arrays, strict=True)
    ]
    if typed and all(form.datatype.name in FIELDS for form in forms):
        for form, array in zip(forms, given, strict=True):
            tensor = _tensor(form.name, form.datatype.name, array.shape)
            contents = field(CONTENTS, packed(form.datatype, array))
            pieces += (OUTPUTS, varint(len(tensor) + len(contents)), tensor, contents)
        return b"".join(pieces)
    for form, array in zip(forms, given, strict=True):
        pieces.append(_output(form.name, form.datatype.name, array.shape))
    for array in given:
        content = tensors.to_bytes(array)
        pieces += (RAW, varint(len(content)), content)
    return b"".join(pieces)


def streamed(response: bytes) -> bytes:
    """Wrap a response as a stream has it: a ModelStreamInferResponse without an error."""
    return field(INFER_RESPONSE, response)


@lru_cache(4096)
def _output(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    return field(OUTPUTS, _tensor(name, datatype, shape))


def _tensor(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    return bytes(TENSOR(name=name, datatype=datatype, shape=shape).SerializeToString())
