"""A request and its answer, as those who answer see them: no connection, no bytes of HTTP."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import orjson

JSON = b"content-type: application/json\r\n"


class Asker(Protocol):
    """Whoever waits for an answer."""

    def answer(self, exchange: "Exchange", response: "Response") -> None:
        """Take the answer."""

    def hold(self, size: int) -> bool:
        """Count so many bytes more for this request; False if there are too many by now."""


class Response(msgspec.Struct, frozen=True, gc=False):
    """An answer. ``headers`` are whole lines with their line ends; lengths are added later."""

    status: int
    body: Sequence[bytes | memoryview]
    headers: bytes = JSON


def error(status: int, message: str, headers: bytes = b"") -> Response:
    """Answer with the protocol's error object."""
    return Response(status, (orjson.dumps({"error": message}),), JSON + headers)


class Head:
    """What a request begins with: its first line and its headers, read and found to be right.

    Requests that begin with the same bytes share one, so nobody changes it, but for ``plan``: there
    the site may keep what it makes of the head. ``length`` is that of the body, 0 when it comes in
    chunks; ``old`` is a request of HTTP/1.0.
    """

    __slots__ = ("headers", "keep_alive", "length", "method", "old", "plan", "target")

    def __init__(self, method: bytes, target: bytes, headers: dict[bytes, bytes]) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.length = int(headers.get(b"content-length", b"0"))
        self.keep_alive = False
        self.old = False
        self.plan: Any = None


class Exchange:
    """One request and the place for its answer.

    Whoever answers later sets ``cancel``, which is called if the client goes away first.
    """

    __slots__ = ("_connection", "body", "cancel", "head", "held")

    def __init__(self, connection: Asker, head: Head, body: bytes) -> None:
        self._connection = connection
        self.head = head
        self.body = body
        self.held = len(body)
        self.cancel: Callable[[], None] | None = None

    @property
    def method(self) -> bytes:
        """The request's method, in capitals."""
        return self.head.method

    @property
    def target(self) -> bytes:
        """The request's target as it came."""
        return self.head.target

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The request's headers, their names in small letters."""
        return self.head.headers

    def hold(self, size: int) -> bool:
        """Count so many bytes more for this request; False if the port has too many by now."""
        self.held += size
        return self._connection.hold(size)

    def answer(self, response: Response) -> None:
        """Send the answer; to be called once. An answer to nobody is dropped."""
        self._connection.answer(self, response)


class Site(Protocol):
    """What is served on a port."""

    def open(self, exchange: Exchange) -> None:
        """Answer a request, now or later."""

    def refused(self, target: bytes, status: int) -> None:
        """Take note of a request that could not be read, and was answered with ``status``."""
