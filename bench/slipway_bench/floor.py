"""The least that a server can cost here: one that gives every request the same answer.

What it takes is the kernel's part of a request and the event loop's; with httptools, also that of
reading HTTP. A target below that can't be reached on the machine by anybody.

    python -m slipway_bench.floor PORT [--parse] [--answer FILE]
"""

# ruff: noqa: D102 - asyncio and httptools say when they call a connection's methods

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

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

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        del data
        self.transport.write(self._answer)


class Parsing(Bare):
    """Reads requests, and does nothing with what it has read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(self._answer)


TITLES = {(): "nothing but uvloop", ("--parse",): "nothing but uvloop and httptools"}


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Measure both with the requests that the smallest model gets."""
    question = replace(as_binary(models["tiny"]), expected=None)
    for options, title in TITLES.items():
        with running(launch(*options)) as server:
            one_round(server, question, 16, 0.5)
            busy = [one_round(server, question, 16, rounds.seconds) for _ in range(rounds.count)]
            alone = [one_round(server, question, 1, rounds.seconds) for _ in range(rounds.count)]
        yield Row(f"{title}, c=16: CPU per request", "µs", [each.cpu_us for each in busy])
        yield Row(f"{title}, c=1: p50", "µs", [each.seen.latency_us["p50"] for each in alone])


def launch(*options: str | Path) -> Launch:
    """Give every request the same answer."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", __name__, str(port), *options]
    return Launch("floor", command, "/", port, port)


async def _serve(port: int, protocol: Callable[[], Bare]) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--parse", action="store_true", help="read requests with httptools")
    parser.add_argument("--answer", type=Path, help="what is answered, head and body")
    wanted = parser.parse_args()
    answer = wanted.answer.read_bytes() if wanted.answer else ANSWER
    uvloop.run(_serve(wanted.port, partial(Parsing if wanted.parse else Bare, answer)))


if __name__ == "__main__":
    _main()
