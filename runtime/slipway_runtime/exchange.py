"""A request and its answer, as those who answer see them: no connection, no bytes of HTTP."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import orjson

JSON = b"content-type: application/json\r\n"


class Asker(Protocol):
    """Whoever waits for an answer."""

    def answer(self, exchange: "Exchange", response: "Response") -> None:
        """Take the answer."""


class Response(msgspec.Struct, frozen=True, gc=False):
    """An answer. ``headers`` are whole lines with their line ends; lengths are added later."""

    status: int
    body: Sequence[bytes | memoryview]
    headers: bytes = JSON


def error(status: int, message: str, headers: bytes = b"") -> Response:
    """Answer with the protocol's error object."""
    return Response(status, (orjson.dumps({"error": message}),), JSON + headers)


class Exchange:
    """One request and the place for its answer.

    Whoever answers later sets ``cancel``, which is called if the client goes away first.
    """

    __slots__ = ("_connection", "body", "cancel", "headers", "keep_alive", "method", "target")

    def __init__(self, connection: Asker, method: bytes, target: bytes) -> None:
        self._connection = connection
        self.method = method
        self.target = target
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.keep_alive = False
        self.cancel: Callable[[], None] | None = None

    def answer(self, response: Response) -> None:
        """Send the answer; to be called once. An answer to nobody is dropped."""
        self._connection.answer(self, response)


class Site(Protocol):
    """What is served on a port."""

    def open(self, exchange: Exchange) -> None:
        """Answer a request, now or later."""

    def refused(self, target: bytes, status: int) -> None:
        """Take note of a request that could not be read, and was answered with ``status``."""
