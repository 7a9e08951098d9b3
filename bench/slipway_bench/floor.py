"""The least that a server can cost here: one that gives every request the same answer.

What it takes is the kernel's part of a request and the event loop's; with httptools, also that of
reading HTTP. A target below that can't be reached on the machine by anybody.

    python -m slipway_bench.floor PORT [--parse]
"""

# ruff: noqa: D102 - asyncio and httptools say when they call a connection's methods

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace

import httptools
import uvloop

from slipway_bench.asks import as_binary
from slipway_bench.models import Model
from slipway_bench.servers import Launch, free_ports, running
from slipway_bench.speed import Rounds, one_round
from slipway_bench.table import Row

BODY = bytes(150)
"""About as much as the answer of a small model."""
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Bare(asyncio.Protocol):
    """Takes whatever comes for a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        del data
        self.transport.write(ANSWER)


class Parsing(Bare):
    """Reads requests, and does nothing with what it has read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(ANSWER)


TITLES = {"": "nothing but uvloop", "--parse": "nothing but uvloop and httptools"}


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Measure both with the requests that the smallest model gets."""
    question = replace(as_binary(models["tiny"]), expected=None)
    for option, title in TITLES.items():
        with running(_launch(option)) as server:
            one_round(server, question, 16, 0.5)
            busy = [one_round(server, question, 16, rounds.seconds) for _ in range(rounds.count)]
            alone = [one_round(server, question, 1, rounds.seconds) for _ in range(rounds.count)]
        yield Row(f"{title}, c=16: CPU per request", "µs", [each.cpu_us for each in busy])
        yield Row(f"{title}, c=1: p50", "µs", [each.seen.latency_us["p50"] for each in alone])


def _launch(option: str) -> Launch:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", __name__, str(port), *filter(None, [option])]
    return Launch("floor", command, "/", port, port)


async def _serve(port: int, protocol: type[Bare]) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Parsing if "--parse" in sys.argv else Bare))
