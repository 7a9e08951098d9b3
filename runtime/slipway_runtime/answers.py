"""Open Inference Protocol v2 responses: arrays as JSON with the binary tensor extension."""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from slipway_runtime import json_tensors, tensors
from slipway_runtime.classes import Classes
from slipway_runtime.datatypes import BYTES, Datatype, TensorSpec
from slipway_runtime.tensors import Array, Buffer

MOST_QUICK_ELEMENTS = 32 << 10
"""About as many numbers as are written as JSON in a millisecond."""

DATA_START = b',"data":'
BINARY_START = b',"parameters":{"binary_data_size":'
OUTPUTS = b',"outputs":['

MOST_STARTS = 256


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A response body: JSON, in pieces if it is long, and the binary tensors that follow it.

    ``json_size`` is how many bytes are JSON; None if all are.
    """

    body: Sequence[Buffer]
    json_size: int | None

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(map(len, self.body))


class Form(msgspec.Struct, frozen=True, gc=False):
    """How one output is written: the beginning from ``head``, and binary or not.

    ``datatype`` is that of the answer, which is BYTES where ``classes`` are wanted. ``starts`` are
    what came before the elements for shapes that were given already.
    """

    name: str
    datatype: Datatype
    head: bytes
    binary: bool
    classes: Classes | None = None
    starts: dict[tuple[int, ...], bytes] = msgspec.field(default_factory=dict)


def quick(forms: Sequence[Form], arrays: Sequence[Array]) -> bool:
    """Tell whether an answer is written so quickly that the event loop may do it."""
    for array in arrays:
        if array.size > MOST_QUICK_ELEMENTS:
            return all(map(_quick, forms, arrays))
    return True


def _quick(form: Form, array: Array) -> bool:
    if array.size <= MOST_QUICK_ELEMENTS:
        return True
    plain = form.binary and array.dtype.kind != "O" and array.flags.c_contiguous
    return plain and not form.classes


def compose(
    prefix: bytes, request_id: str, forms: Sequence[Form], arrays: Sequence[Array]
) -> Answer:
    """Write a response. ``prefix`` is what all answers of one model begin with.

    Raises:
        InvalidRequestError: If an output has no JSON form and the caller wanted JSON.
    """
    json: list[bytes] = [prefix, OUTPUTS]
    if request_id:
        json.insert(1, b',"id":' + orjson.dumps(request_id))
    tail: list[Buffer] = []
    whole = True
    for form, array in zip(forms, arrays, strict=True):
        given = array if form.classes is None else form.classes.of(array)
        if form.binary:
            content = tensors.to_bytes(given)
            tail.append(content)
            json += (_start(form, given.shape, len(content)), b",")
        elif given.size <= json_tensors.PIECE_ELEMENTS:
            data = json_tensors.write(form.name, given)
            json += (_start(form, given.shape), data, b"}", b",")
        else:
            whole = False
            pieces = json_tensors.write_in_pieces(form.name, given)
            json += (_start(form, given.shape), *pieces, b"}", b",")
    json[-1] = b"]}"
    if not whole:
        return Answer([*json, *tail], sum(map(len, json)) if tail else None)
    text = b"".join(json)
    return Answer((text, *tail), len(text)) if tail else Answer((text,), None)


def _start(form: Form, shape: tuple[int, ...], size: int | None = None) -> bytes:
    """Write an output up to its elements; to its end, if they are binary and have a ``size``."""
    start = form.starts.get(shape)
    if start is not None:
        return start
    start = form.head + orjson.dumps(shape)
    start += DATA_START if size is None else b"%b%d}}" % (BINARY_START, size)
    if form.datatype is not BYTES or size is None:  # of strings the shape says no size
        if len(form.starts) >= MOST_STARTS:
            form.starts.clear()
        form.starts[shape] = start
    return start


def prefix(name: str, version: str) -> bytes:
    """Write what every answer of a model begins with."""
    return f'{{"model_name":{_quote(name)},"model_version":{_quote(version)}'.encode()


def head(name: str, datatype: Datatype) -> bytes:
    """Write what an output begins with in every answer; its shape follows."""
    return f'{{"name":{_quote(name)},"datatype":"{datatype.name}","shape":'.encode()


def describe(specs: dict[str, TensorSpec]) -> list[dict[str, Any]]:
    """Write tensors as metadata has them."""
    return [
        {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}
        for spec in specs.values()
    ]


def _quote(text: str) -> str:
    return orjson.dumps(text).decode()
