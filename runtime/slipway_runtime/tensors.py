"""One tensor's elements, from and to bytes and JSON. Nothing here knows of requests or models.

Every refusal is an ``InvalidRequestError`` that starts with what the caller called the tensor.
"""

from functools import cache
from math import prod
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from slipway_runtime.datatypes import BYTES, TensorSpec
from slipway_runtime.errors import InvalidRequestError

Array = npt.NDArray[Any]
Buffer = bytes | memoryview

MOST_DIMENSIONS = 32

MOST_PHANTOM_ELEMENTS = 1 << 24
"""Bound on the other dimensions of a tensor that has none: they cost the caller no byte, but a
model may multiply them out."""


def check_shape(spec: TensorSpec, shape: list[int]) -> int:
    """Compare a shape with the model's and count its elements."""
    if len(shape) > MOST_DIMENSIONS:
        raise InvalidRequestError(
            f"input {spec}: {len(shape)} dimensions came, the most is {MOST_DIMENSIONS}"
        )
    if spec.shape and not _fits(spec.shape, shape):
        raise InvalidRequestError(
            f"input {spec}: the request's shape is {shape}, the model takes "
            f"{list(spec.shape)} (-1 is any size)"
        )
    count = 1
    for size in shape:
        if size < 0:
            raise InvalidRequestError(f"input {spec}: shape {shape} has a negative dimension")
        count *= size
    if not count and prod(filter(None, shape)) > MOST_PHANTOM_ELEMENTS:
        raise InvalidRequestError(f"input {spec}: shape {shape} is too large for an empty tensor")
    return count


def _fits(expected: tuple[int, ...], shape: list[int]) -> bool:
    if len(expected) != len(shape):
        return False
    for want, got in zip(expected, shape, strict=True):  # noqa: SIM110 - all() takes twice as long
        if want not in (-1, got):
            return False
    return True


def from_bytes(spec: TensorSpec, shape: list[int], buffer: Buffer) -> Array:
    """Read a tensor of the binary extension: little-endian elements in row-major order."""
    count = check_shape(spec, shape)
    if spec.datatype is BYTES:
        return _object_array(spec, shape, _split(spec, count, buffer))
    wanted = count * spec.datatype.dtype.itemsize
    if len(buffer) != wanted:
        raise InvalidRequestError(
            f"input {spec}: {len(buffer)} bytes came, but shape {shape} of "
            f"{spec.datatype.name} takes {wanted}"
        )
    array = np.frombuffer(buffer, spec.datatype.dtype)
    if not array.flags.aligned:
        array = array.copy()  # onnxruntime's kernels may read whole vectors
    if spec.datatype.name == "BOOL" and count and array.view(np.uint8).max() > 1:
        raise InvalidRequestError(f"input {spec}: every byte of a BOOL tensor must be 0 or 1")
    return array.reshape(shape)


def _split(spec: TensorSpec, count: int, buffer: Buffer) -> list[str]:
    """Take apart strings that carry their length in four bytes each."""
    view, at = memoryview(buffer), 0
    strings: list[str] = []
    while at < len(view) and len(strings) < count:
        end = at + 4 + int.from_bytes(view[at : at + 4], "little")
        if at + 4 > len(view) or end > len(view):
            raise InvalidRequestError(
                f"input {spec}: string {len(strings)} runs past the tensor's end"
            )
        strings.append(_text(spec, len(strings), view[at + 4 : end]))
        at = end
    if at != len(view) or len(strings) != count:
        raise InvalidRequestError(
            f"input {spec}: the shape has {count} strings, the first {len(strings)} of them take "
            f"{at} of {len(view)} bytes"
        )
    return strings


def _text(spec: TensorSpec, index: int, piece: memoryview) -> str:
    try:
        return str(piece, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"input {spec}: string {index} is not UTF-8 ({error.reason} at byte {error.start}); "
            "onnxruntime takes no other text: encode arbitrary bytes, for example as base64"
        ) from None


def from_json(spec: TensorSpec, shape: list[int], raw: Buffer) -> Array:
    """Read a tensor's JSON ``data``, nested as its shape or flat in row-major order."""
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
        elements: list[Any] = _decoder(spec.datatype.dtype.kind, depth).decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"input {spec}: data: {error}") from None
    return elements


@cache
def _decoder(kind: str, depth: int) -> msgspec.json.Decoder[Any]:
    """Make a decoder which takes nothing but elements of one kind, so many lists deep."""
    element: Any = {"b": bool, "f": float, "O": str}.get(kind, int)
    for _ in range(depth):
        element = list[element]
    return msgspec.json.Decoder(element)


def _array(spec: TensorSpec, elements: list[Any]) -> Array:
    dtype = spec.datatype.dtype
    try:
        if dtype != np.float32:
            return np.array(elements, dtype)
        with np.errstate(over="raise"):
            return np.array(elements, dtype)
    except (FloatingPointError, OverflowError):
        raise InvalidRequestError(
            f"input {spec}: data has a number beyond {spec.datatype.name}"
        ) from None
    except ValueError:
        raise InvalidRequestError(f"input {spec}: the rows of data differ in length") from None


def _object_array(spec: TensorSpec, shape: list[int], strings: list[str]) -> Array:
    array = np.empty(len(strings), spec.datatype.dtype)
    array[:] = strings
    return array.reshape(shape)


def to_bytes(spec: TensorSpec, array: Array) -> Buffer:
    """Write a tensor as the binary extension has it; large ones are not copied."""
    if spec.datatype is BYTES:
        texts = [str(element).encode() for element in array.flat]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    if array.nbytes < 65536:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def to_json(spec: TensorSpec, array: Array) -> bytes:
    """Write a tensor's elements as a flat JSON list.

    NaN and infinity have no JSON form. Answering ``null`` in their place would be a silent
    change of the model's answer, so the caller is told to ask for binary instead.
    """
    if spec.datatype is BYTES:
        return orjson.dumps(array.ravel().tolist())
    data = orjson.dumps(np.ascontiguousarray(array).reshape(-1), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in data:
        raise InvalidRequestError(
            f"output {spec} has NaN or infinity for this input, which JSON can't carry: ask for "
            'it as binary with the output\'s parameters {"binary_data": true}'
        )
    return data
