"""What the connections of an HTTP/2 port share: limits, the time, and who is there."""

from typing import TYPE_CHECKING

from slipway_runtime.http2.hpack import Pair
from slipway_runtime.http2.requests import Head
from slipway_runtime.http2.streams import Site

if TYPE_CHECKING:
    from slipway_runtime.http2.connection import Connection

MOST_KNOWN_HEADS = 256


class Port:
    """One port.

    ``held_bytes`` are those of all requests that are being read or wait for their answer.
    ``heads`` keeps those that came before, so that equal ones are read once.
    """

    def __init__(self, site: Site, most_held_bytes: int, most_connections: int) -> None:
        self.site = site
        self.most_held_bytes = most_held_bytes
        self.most_connections = most_connections
        self.held_bytes = 0
        self.connections: set[Connection] = set()
        self.heads: dict[tuple[Pair, ...], Head] = {}
        self.now = 0.0

    def tick(self, now: float) -> None:
        """Move time on, by about a second, and end what took too long."""
        self.now = now
        for connection in list(self.connections):
            connection.tick(now)

    def remember(self, pairs: tuple[Pair, ...], head: Head) -> None:
        """Keep a head for requests to come."""
        if len(self.heads) >= MOST_KNOWN_HEADS:
            self.heads.clear()
        self.heads[pairs] = head

    def retire(self) -> None:
        """Tell all clients to go elsewhere; what they have asked is still answered."""
        for connection in list(self.connections):
            connection.retire()

    def abort(self) -> None:
        """Close every connection, whatever is going on there."""
        for connection in list(self.connections):
            connection.abort()
