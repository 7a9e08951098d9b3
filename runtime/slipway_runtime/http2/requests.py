"""From a list of headers to a request's head, by the rules of RFC 9113, section 8."""

import re
from collections.abc import Iterable
from typing import Any

from slipway_runtime.http2.frames import Code, StreamFault
from slipway_runtime.http2.hpack import Pair

_PSEUDO = (b":method", b":scheme", b":path", b":authority")
_OF_CONNECTIONS = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\0\r\n]")


def _length(text: bytes | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise StreamFault(Code.PROTOCOL_ERROR, "content-length is no number")
    return int(text)


class Head:
    """What a request begins with.

    ``route`` is a place for what the site makes of it: equal heads are the same object, so that
    the work is done once.
    """

    __slots__ = ("content_length", "headers", "method", "path", "route")

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        self.headers = headers
        self.method = headers[b":method"]
        self.path = headers[b":path"]
        self.content_length = _length(headers.get(b"content-length"))
        self.route: Any = None


OVERSIZED = Head({b":method": b"", b":path": b""})
"""Stands for headers that are longer than may be."""


def read(pairs: Iterable[Pair]) -> Head:
    """Read the headers that open a stream. Of a header that comes twice, the last counts.

    Raises:
        StreamFault: If they are malformed.
    """
    headers: dict[bytes, bytes] = {}
    regular = False
    for name, value in pairs:
        if name.startswith(b":"):
            if regular or name in headers or name not in _PSEUDO:
                raise _malformed(name)
        else:
            regular = True
            _check(name, value)
        headers[name] = value
    for name in _PSEUDO[:3]:
        if not headers.get(name):
            raise StreamFault(Code.PROTOCOL_ERROR, f"the header {name.decode()} is missing")
    return Head(headers)


def check_trailers(pairs: Iterable[Pair]) -> None:
    """Check the headers that close a stream.

    Raises:
        StreamFault: If they are malformed.
    """
    for name, value in pairs:
        _check(name, value)


def _check(name: bytes, value: bytes) -> None:
    bad = name in _OF_CONNECTIONS or not _NAME.fullmatch(name) or _BAD_VALUE.search(value)
    if bad or (name == b"te" and value != b"trailers"):
        raise _malformed(name)


def _malformed(name: bytes) -> StreamFault:
    text = name.decode("latin-1")
    return StreamFault(Code.PROTOCOL_ERROR, f"the header {text!r} is not allowed here")
