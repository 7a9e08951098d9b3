"""A tensor's elements as JSON: ``data``, nested as the shape or flat in row-major order.

Large tensors are read and written in pieces, between which other threads get on: whoever does that
is a thread of its own, since the interpreter's lock is held within a piece.
"""

from collections.abc import Iterator
from functools import cache
from math import prod
from time import sleep
from typing import Annotated, Any

import msgspec
import numpy as np
import orjson

from slipway_runtime.datatypes import BYTES, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.tensors import Array, Buffer, check_shape

PIECE_BYTES = 64 << 10
"""About a millisecond of reading."""
PIECE_ELEMENTS = 16 << 10
REST = 50e-6
"""Seconds between two pieces: long enough for another thread to wake up and take over."""

FP32_END = 3.4028235677973366e38
"""The least number that rounds to infinity."""
SINGLE = Annotated[float, msgspec.Meta(gt=-FP32_END, lt=FP32_END)]

STRUCTURE = b"0123456789+-.eE \t\r\n"
BOOLEAN_STRUCTURE = b"truefals \t\r\n"


def read(spec: TensorSpec, shape: list[int], raw: Buffer) -> Array:
    """Read a tensor's ``data``, which is known to be well-formed JSON.

    Raises:
        InvalidRequestError: Naming the input, what came and what was expected.
    """
    if not spec.datatype.in_json:
        raise InvalidRequestError(
            f"input {spec}: {spec.datatype.name} has no JSON form; send it as binary "
            "(parameter binary_data_size, header Inference-Header-Content-Length)"
        )
    count = check_shape(spec, shape)
    depth = _depth(raw)
    shallow = not count and depth < len(shape)  # an empty list has nothing to nest in it
    if depth not in (1, len(shape)) and not shallow:
        raise InvalidRequestError(
            f"input {spec}: data is nested {depth} deep; expected a flat list or the "
            f"{len(shape)} levels of shape {shape}"
        )
    if len(raw) > PIECE_BYTES and spec.datatype is not BYTES:
        array = _in_pieces(spec, shape if depth > 1 else [count], memoryview(raw))
    else:
        array = _array(spec, _decode(spec, depth, raw))
    if array.size != count or (depth > 1 and count and array.shape != tuple(shape)):
        raise InvalidRequestError(
            f"input {spec}: data has {array.size} elements in shape {list(array.shape)}, "
            f"the request's shape {shape} takes {count}"
        )
    return array.reshape(shape)


def _depth(raw: Buffer) -> int:
    """Count the brackets that ``data`` opens with."""
    depth = 0
    for byte in raw:
        if byte == 0x5B:
            depth += 1
        elif byte not in b" \t\r\n":
            break
    return depth


def _decode(spec: TensorSpec, depth: int, raw: Buffer) -> list[Any]:
    try:
        elements: list[Any] = _decoder(spec.datatype.name, depth).decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"input {spec}: data: {error}") from None
    return elements


@cache
def _decoder(datatype: str, depth: int) -> msgspec.json.Decoder[Any]:
    """Make a decoder which takes nothing but elements of one kind, so many lists deep."""
    element: Any = {"BOOL": bool, "FP32": SINGLE, "FP64": float, "BYTES": str}.get(datatype, int)
    for _ in range(depth):
        element = list[element]
    return msgspec.json.Decoder(element)


def _array(spec: TensorSpec, elements: list[Any]) -> Array:
    try:
        return np.array(elements, spec.datatype.dtype)
    except OverflowError:
        raise InvalidRequestError(
            f"input {spec}: data has a number beyond {spec.datatype.name}"
        ) from None
    except ValueError:
        raise InvalidRequestError(f"input {spec}: the rows of data differ in length") from None


def _in_pieces(spec: TensorSpec, shape: list[int], raw: memoryview) -> Array:
    """Read a large tensor: compare its brackets with the shape's, then its numbers one by one.

    The JSON is well-formed, so that brackets, commas and numbers can stand only where they make
    sense; and whatever is neither of them is not in the shape's pattern.
    """
    count = prod(shape)
    if _pattern_size(shape) > len(raw):  # before room is made for what never came
        raise _misplaced(spec, shape, raw, 0)
    pattern = _pattern(shape)
    array = np.empty(count, spec.datatype.dtype)
    extra = BOOLEAN_STRUCTURE if spec.datatype.name == "BOOL" else STRUCTURE
    done = seen = 0
    for piece in _pieces(raw):
        numbers = _numbers(spec, piece, done)
        brackets = piece.translate(None, extra)
        if done + len(numbers) > count or pattern[seen : seen + len(brackets)] != brackets:
            raise _misplaced(spec, shape, raw, done)
        array[done : done + len(numbers)] = numbers
        done, seen = done + len(numbers), seen + len(brackets)
        sleep(REST)
    if done != count or seen != len(pattern):
        raise _misplaced(spec, shape, raw, done)
    return array.reshape(shape)


def _misplaced(
    spec: TensorSpec, shape: list[int], raw: memoryview, done: int
) -> InvalidRequestError:
    """Say what is wrong with data of which so many elements were as they should be."""
    came = sum(piece.count(b",") for piece in _pieces(raw)) + 1
    if came != prod(shape):
        what = f"data has {came} elements, the request's shape {shape} takes {prod(shape)}"
    else:
        what = f"data is not nested as the request's shape {shape}, from element {done} on or later"
    return InvalidRequestError(f"input {spec}: {what}")


def _numbers(spec: TensorSpec, piece: bytes, done: int) -> Array:
    try:
        return _array(spec, _decode(spec, 1, b"[%b]" % piece.strip(b",").translate(None, b"[]")))
    except InvalidRequestError as problem:
        raise InvalidRequestError(f"{problem.message}, counted from element {done}") from None


def _pattern_size(shape: list[int]) -> int:
    inner = 0
    for size in reversed(shape):
        inner = 2 + size * inner + max(size - 1, 0)
    return inner


def _pattern(shape: list[int]) -> bytes:
    """Write the brackets and commas of a tensor of this shape."""
    inner = b""
    for size in reversed(shape):
        inner = b"[%b]" % ((inner + b",") * size)[:-1]
    return inner


def _pieces(raw: memoryview) -> Iterator[bytes]:
    """Cut a list before some of its commas."""
    start, size = 0, PIECE_BYTES
    while start < len(raw):
        piece = bytes(raw[start : start + size])
        end = piece.rfind(b",") if start + size < len(raw) else len(piece)
        if end > 0:
            yield piece[:end]
            start, size = start + end, PIECE_BYTES
        else:
            size *= 2


def write(name: str, array: Array) -> bytes:
    """Write a tensor's elements as a flat JSON list.

    NaN and infinity have no JSON form. Answering ``null`` in their place would be a silent
    change of the model's answer, so the caller is told to ask for binary instead.
    """
    if array.dtype.kind == "O":
        return orjson.dumps(array.ravel().tolist())
    data = orjson.dumps(array.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"n" in data:  # of null: no number has it, nor true and false
        raise InvalidRequestError(
            f"output {name!r} has NaN or infinity for this input, which JSON can't carry: ask for "
            'it as binary with the output\'s parameters {"binary_data": true}'
        )
    return data


def write_in_pieces(name: str, array: Array) -> list[bytes]:
    """Write a long tensor as ``write`` does, in pieces of one list."""
    flat = array.ravel()
    pieces = [b"["]
    for start in range(0, flat.size, PIECE_ELEMENTS):
        pieces += (write(name, flat[start : start + PIECE_ELEMENTS])[1:-1], b",")
        sleep(REST)
    pieces[-1] = b"]"
    return pieces
