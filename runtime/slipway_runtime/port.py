"""What the connections of one port share: limits, the time, who is there, and heads seen before."""

from http import HTTPStatus
from typing import Protocol

from slipway_runtime.exchange import Head, Site

MOST_LARGE_BODIES = 4
"""Of the largest size, at a time; more of smaller ones."""
MOST_HEADS = 512
MOST_REMEMBERED_BYTES = 2 << 10
"""Of one head: clients that send the same again and again send short ones."""

_STATUS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class Client(Protocol):
    """What a port wants of its connections."""

    deadline: float

    def overdue(self) -> None:
        """End what took too long."""

    def abort(self) -> None:
        """Close at once."""

    def close_if_idle(self) -> None:
        """Close unless a request is being read, waits or is worked on."""


class Port:
    """One port.

    ``held_bytes`` are those of all bodies that are being read or wait for their answer.
    ``heads`` are what requests began with, byte for byte, that were read as a whole: the same bytes
    mean the same again, so they need not be parsed.
    """

    def __init__(self, site: Site, most_body_bytes: int, most_connections: int) -> None:
        self.site = site
        self.most_body_bytes = most_body_bytes
        self.most_held_bytes = MOST_LARGE_BODIES * most_body_bytes
        self.held_bytes = 0
        self.most_connections = most_connections
        self.connections: set[Client] = set()
        self.draining = False
        self.heads: dict[bytes, Head] = {}
        self.now = 0.0
        self._date = b""
        self._heads: dict[tuple[int, bytes, int, bytes], bytes] = {}
        """What answers of this second begin with."""

    def tick(self, now: float, date: bytes) -> None:
        """Move time on, by about a second, and end what took too long."""
        self.now, self._date = now, b"date: " + date + b"\r\n"
        self._heads.clear()
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.overdue()

    def remember(self, start: bytes, head: Head) -> None:
        """Know what a request begins with when it comes again."""
        if len(start) > MOST_REMEMBERED_BYTES:
            return
        if len(self.heads) >= MOST_HEADS:
            self.heads.clear()
        self.heads[start] = head

    def head(self, status: int, headers: bytes, size: int, end: bytes) -> bytes:
        """Write what an answer begins with; ``size`` is its body's, ``end`` its last lines."""
        key = status, headers, size, end
        head = self._heads.get(key)
        if head is None:
            lines = _STATUS[status], self._date, headers
            head = b"%b%b%bcontent-length: %d%b" % (*lines, size, end)
            if len(self._heads) < MOST_HEADS:
                self._heads[key] = head
        return head

    def abort(self) -> None:
        """Close every connection, whatever is going on there."""
        for connection in list(self.connections):
            connection.abort()

    def close_idle(self) -> None:
        """Close connections on which nothing is going on."""
        for connection in list(self.connections):
            connection.close_if_idle()
