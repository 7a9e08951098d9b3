"""The gRPC port on our own HTTP/2."""

import asyncio
import socket

from slipway_runtime.grpc.stream import Service
from slipway_runtime.http2.connection import Connection
from slipway_runtime.http2.port import Port

MOST_LARGE_MESSAGES = 4
"""Of the largest size, at a time; more of smaller ones."""
BACKLOG = 1024


class Server:
    """What listens, and what is connected."""

    def __init__(self, service: Service, most_connections: int) -> None:
        self._service = service
        self._port = Port(service, MOST_LARGE_MESSAGES * service.most_bytes, most_connections)
        self._listener: asyncio.Server | None = None

    async def listen(self, bound: socket.socket) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self._port), sock=bound, backlog=BACKLOG
        )

    def tick(self, now: float) -> None:
        """Move time on, by about a second."""
        self._port.tick(now)

    def retire(self) -> None:
        """Accept no more, and tell all clients to go elsewhere once they have their answers."""
        if self._listener:
            self._listener.close()
        self._port.retire()

    @property
    def connections(self) -> int:
        """How many clients are still there."""
        return len(self._port.connections)

    async def close(self) -> None:
        """Leave nothing open."""
        self._port.abort()
        self._service.aside.close()
