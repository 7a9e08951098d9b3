"""Open Inference Protocol v2 responses: arrays as JSON with the binary tensor extension."""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from slipway_runtime import tensors
from slipway_runtime.datatypes import TensorSpec
from slipway_runtime.tensors import Array, Buffer


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A response body: its JSON, and the binary tensors that follow it."""

    json: bytes
    tail: Sequence[Buffer]


class Form(msgspec.Struct, frozen=True, gc=False):
    """How one output is written: the beginning from ``head``, and binary or not."""

    spec: TensorSpec
    head: bytes
    binary: bool


def compose(
    prefix: bytes, request_id: str, forms: Sequence[Form], arrays: Sequence[Array]
) -> Answer:
    """Write a response. ``prefix`` is what all answers of one model begin with.

    Raises:
        InvalidRequestError: If an output has no JSON form and the caller wanted JSON.
    """
    outputs: list[bytes] = []
    tail: list[Buffer] = []
    for form, array in zip(forms, arrays, strict=True):
        if form.binary:
            tail.append(tensors.to_bytes(form.spec, array))
            end = b',"parameters":{"binary_data_size":%d}}' % len(tail[-1])
        else:
            end = b',"data":%b}' % tensors.to_json(form.spec, array)
        outputs.append(form.head + orjson.dumps(array.shape) + end)
    identity = b',"id":' + orjson.dumps(request_id) if request_id else b""
    return Answer(prefix + identity + b',"outputs":[' + b",".join(outputs) + b"]}", tail)


def prefix(name: str, version: str) -> bytes:
    """Write what every answer of a model begins with."""
    return f'{{"model_name":{_quote(name)},"model_version":{_quote(version)}'.encode()


def head(spec: TensorSpec) -> bytes:
    """Write what an output begins with in every answer; its shape follows."""
    return f'{{"name":{_quote(spec.name)},"datatype":"{spec.datatype.name}","shape":'.encode()


def describe(specs: dict[str, TensorSpec]) -> list[dict[str, Any]]:
    """Write tensors as metadata has them."""
    return [
        {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}
        for spec in specs.values()
    ]


def _quote(text: str) -> str:
    return orjson.dumps(text).decode()
