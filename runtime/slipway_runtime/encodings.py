"""Compressed bodies: gzip and deflate, the latter in zlib's format as HTTP has it.

What comes is inflated up to a bound only. Nothing here knows of tensors.
"""

import zlib
from collections.abc import Iterable

from slipway_runtime.errors import InvalidRequestError

ENCODINGS = {b"gzip": 31, b"deflate": 15}
"""The window bits by which zlib tells the two apart."""

LEAST_BYTES = 1 << 10
"""A smaller answer would not become one packet less."""
LEVEL = 1
"""Numbers shrink little, and higher levels take several times as long for it."""


def inflate(encoding: bytes, body: bytes, most: int) -> bytes:
    """Inflate a body to at most so many bytes.

    Raises:
        InvalidRequestError: Broken, cut short, too large, or followed by something else.
    """
    name = encoding.decode()
    stream = zlib.decompressobj(ENCODINGS[encoding])
    try:
        plain = stream.decompress(body, most)
        if stream.unconsumed_tail and stream.decompress(stream.unconsumed_tail, 1):
            raise TooLargeError(name, most)
    except zlib.error as problem:
        raise InvalidRequestError(
            f"the body is not what its Content-Encoding says, {name}: {problem}"
        ) from None
    if not stream.eof:
        raise InvalidRequestError(f"the body's {name} data is cut short after {len(body)} bytes")
    if stream.unused_data:
        raise InvalidRequestError(
            f"{len(stream.unused_data)} bytes follow the body's {name} data, of which there may "
            "be one piece"
        )
    return plain


class TooLargeError(InvalidRequestError):
    """A body that is too large once it is inflated."""

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"the body inflates from {name} to more than {most} bytes")


def deflate(encoding: bytes, pieces: Iterable[bytes | memoryview]) -> bytes:
    """Compress an answer."""
    stream = zlib.compressobj(LEVEL, wbits=ENCODINGS[encoding])
    return b"".join([*map(stream.compress, pieces), stream.flush()])


def choose(accepted: bytes) -> bytes:
    """Choose the encoding of an answer from an Accept-Encoding header; empty for none.

    The first of those known that is not refused by ``q=0``: clients list what they like first.
    """
    for offer in accepted.lower().split(b","):
        name, _, weight = offer.partition(b";")
        _, _, value = weight.partition(b"=")
        if name.strip() in ENCODINGS and not _none(value):
            return name.strip()
    return b""


def _none(weight: bytes) -> bool:
    """Tell whether a weight is zero: 0, 0.0 and so on."""
    return weight.strip().startswith(b"0") and not weight.strip(b"0. \t")
