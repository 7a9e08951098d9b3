"""Walks protocol buffers without their schema: enough to look into a model before loading it."""

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

FIXED_SIZES = {FIXED64: 8, FIXED32: 4}


class MalformedError(ValueError):
    """The bytes are no protocol buffer, or end too early."""


class Field(NamedTuple):
    """One field: its number and kind, and its value or where its bytes are."""

    number: int
    kind: int
    value: int
    start: int
    end: int


Source = bytes | memoryview


def fields(source: Source, start: int, end: int) -> Iterator[Field]:
    """Walk the fields of the message in ``source[start:end]``; contents are not touched."""
    at = start
    while at < end:
        tag, at = _varint(source, at, end)
        number, kind = tag >> 3, tag & 7
        value, first = 0, at
        if kind == VARINT:
            value, at = _varint(source, at, end)
        elif kind == BYTES:
            size, first = _varint(source, at, end)
            at = first + size
        elif kind in FIXED_SIZES:
            at += FIXED_SIZES[kind]
        else:
            raise MalformedError(f"byte {first} has the unknown wire type {kind}")
        if number == 0:
            raise MalformedError(f"byte {first} has field number 0")
        if at > end:
            raise MalformedError(
                f"the field at byte {first} needs {at - end} bytes more than there are"
            )
        yield Field(number, kind, value, first, at)


def _varint(source: Source, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = source[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise MalformedError(f"the number at byte {at} has no end")
    raise MalformedError(f"the number at byte {at} is cut off")
