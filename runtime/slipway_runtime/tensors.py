"""One tensor's shape and its elements as bytes. Nothing here knows of requests or models.

Every refusal is an ``InvalidRequestError`` that starts with what the caller called the tensor.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from slipway_runtime.datatypes import BOOL, BYTES, TensorSpec
from slipway_runtime.errors import InvalidRequestError

Array = npt.NDArray[Any]
Buffer = bytes | memoryview

MOST_DIMENSIONS = 32

MOST_PHANTOM_ELEMENTS = 1 << 24
"""Bound on the other dimensions of a tensor that has none: they cost the caller no byte, but a
model may multiply them out."""


def check_shape(spec: TensorSpec, shape: Sequence[int]) -> int:
    """Compare a shape with the model's and count its elements."""
    if len(shape) > MOST_DIMENSIONS:
        raise InvalidRequestError(
            f"input {spec}: {len(shape)} dimensions came, the most is {MOST_DIMENSIONS}"
        )
    if spec.shape and not _fits(spec.shape, shape):
        raise InvalidRequestError(
            f"input {spec}: the request's shape is {list(shape)}, the model takes "
            f"{list(spec.shape)} (-1 is any size)"
        )
    count = 1
    for size in shape:
        if size < 0:
            raise InvalidRequestError(f"input {spec}: shape {list(shape)} has a negative dimension")
        count *= size
    if not count and prod(filter(None, shape)) > MOST_PHANTOM_ELEMENTS:
        raise InvalidRequestError(
            f"input {spec}: shape {list(shape)} is too large for an empty tensor"
        )
    return count


def _fits(expected: tuple[int, ...], shape: Sequence[int]) -> bool:
    if len(expected) != len(shape):
        return False
    for want, got in zip(expected, shape, strict=True):  # noqa: SIM110 - all() takes twice as long
        if want not in (-1, got):
            return False
    return True


def from_bytes(spec: TensorSpec, shape: Sequence[int], buffer: Buffer) -> Array:
    """Read a tensor of the binary extension: little-endian elements in row-major order."""
    count = check_shape(spec, shape)
    check_size(spec, shape, count, len(buffer))
    return elements(spec, shape, count, buffer)


def check_size(spec: TensorSpec, shape: Sequence[int], count: int, size: int) -> None:
    """Compare how many bytes there are with what so many elements take; strings take any."""
    wanted = count * spec.datatype.dtype.itemsize
    if size != wanted and spec.datatype is not BYTES:
        raise InvalidRequestError(
            f"input {spec}: {size} bytes came, but shape {list(shape)} of "
            f"{spec.datatype.name} takes {wanted}"
        )


def elements(
    spec: TensorSpec, shape: Sequence[int], count: int, buffer: Buffer, at: int = 0
) -> Array:
    """Read the elements of a tensor whose shape and size are right.

    ``at`` is where they begin in the buffer; strings go to its end.
    """
    datatype = spec.datatype
    if datatype is BYTES:
        return object_array(spec, shape, _split(spec, count, memoryview(buffer)[at:]))
    if not count:
        return np.empty(shape, datatype.dtype)  # nothing can't be taken from the end of a buffer
    array: Array = np.ndarray(shape, datatype.dtype, buffer, at)
    if not array.flags.aligned:
        array = array.copy()  # onnxruntime's kernels may read whole vectors
    if datatype is BOOL and array.view(np.uint8).max() > 1:
        raise InvalidRequestError(f"input {spec}: every byte of a BOOL tensor must be 0 or 1")
    return array


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
        strings.append(text(spec, len(strings), view[at + 4 : end]))
        at = end
    if at != len(view) or len(strings) != count:
        raise InvalidRequestError(
            f"input {spec}: the shape has {count} strings, the first {len(strings)} of them take "
            f"{at} of {len(view)} bytes"
        )
    return strings


def text(spec: TensorSpec, index: int, piece: Buffer) -> str:
    """Read one string."""
    try:
        return str(piece, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"input {spec}: string {index} is not UTF-8 ({error.reason} at byte {error.start}); "
            "onnxruntime takes no other text: encode arbitrary bytes, for example as base64"
        ) from None


def object_array(spec: TensorSpec, shape: Sequence[int], strings: list[str]) -> Array:
    """Make an array of strings."""
    array = np.empty(len(strings), spec.datatype.dtype)
    array[:] = strings
    return array.reshape(shape)


def to_bytes(array: Array) -> Buffer:
    """Write a tensor as the binary extension has it; large ones are not copied."""
    if array.dtype.kind == "O":
        texts = [str(element).encode() for element in array.flat]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    if array.nbytes < 65536:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
