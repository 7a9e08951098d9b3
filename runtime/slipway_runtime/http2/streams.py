"""One exchange of a connection, from its head to the last frame of its answer."""

from math import inf
from typing import TYPE_CHECKING, Protocol

from slipway_runtime.http2.requests import Head
from slipway_runtime.http2.sender import Outlet

if TYPE_CHECKING:
    from slipway_runtime.http2.connection import Connection

STREAM_WINDOW = 1 << 20
"""What a client may send on a stream before we say that we took it."""


class Stream(Outlet):
    """What a site derives from: it takes the request through ``begin``, ``data``, ``cancelled``.

    Attributes:
        ended: whether the request is complete.
        open: whether there is still somebody to answer.
        deadline: when ``overdue`` is called, on the port's clock.
        room: how much the client may still send, by flow control.
        expected: how much body there is to come, where the request says so.
    """

    __slots__ = ("connection", "deadline", "ended", "expected", "held", "open", "room")

    def __init__(self, connection: "Connection", stream_id: int, window: int) -> None:
        super().__init__(stream_id, window)
        self.connection = connection
        self.ended = False
        self.open = True
        self.deadline = inf
        self.room = STREAM_WINDOW
        self.expected: int | None = None
        self.held = 0

    # What the connection calls.

    def begin(self, head: Head, own: bytes) -> None:
        """Take the head, and the value of the header that the site calls its own."""
        raise NotImplementedError

    def data(self, piece: bytes) -> None:
        """Take a part of the body; after the last one ``ended`` is true."""
        raise NotImplementedError

    def cancelled(self) -> None:
        """Stop: nobody waits for the answer any more."""

    def overdue(self) -> None:
        """End it, since ``deadline`` has passed."""

    def retire(self) -> None:
        """Come to an end soon: the server is about to."""

    # What the site calls.

    def hold(self, size: int) -> None:
        """Count bytes of the request that are kept in memory; negative ones are let go."""
        self.held += size
        self.connection.port.held_bytes += size

    def answer(self, block: bytes, body: bytes, trailers: bytes) -> None:
        """Give a whole answer."""
        if self.open:
            self.connection.sender.whole(self, block, body, trailers)

    def answer_only(self, block: bytes) -> None:
        """Give an answer without a body."""
        if self.open:
            self.connection.sender.only(self, block)

    def start(self, block: bytes) -> None:
        """Begin an answer that comes in parts."""
        if self.open:
            self.connection.sender.open(self, block)

    def push(self, body: bytes) -> None:
        """Give a part of the answer."""
        if self.open:
            self.connection.sender.body(self, body)

    def finish(self, trailers: bytes) -> None:
        """Give the end of the answer."""
        if self.open:
            self.connection.sender.close(self, trailers)


class Site(Protocol):
    """What is served on a port.

    ``own_header`` is one that differs from request to request: it is no part of the head.
    """

    own_header: bytes

    def accept(self, connection: "Connection", stream_id: int, window: int) -> Stream:
        """Make the stream that takes a request."""
