"""What it costs to be watched by Prometheus, and whether requests feel it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

from slipway_bench.asks import as_binary
from slipway_bench.models import Model
from slipway_bench.servers import Server, running, slipway
from slipway_bench.speed import Rounds, one_round
from slipway_bench.table import Row

SCRAPES = 1000
PER_SECOND = 10
"""A hundred times as often as Prometheus does by default."""


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Measure scrapes alone, and requests with and without them."""
    question = as_binary(models["tiny"])
    cost, without, with_them = [], [], []
    with running(slipway(models["tiny"])) as server:
        for _ in range(rounds.count):
            cost.append(_cost(server))
            calm = one_round(server, question, 16, rounds.seconds)
            without.append(calm.seen.latency_us["p99"] / 1e3)
            with _scraping(server):
                watched = one_round(server, question, 16, rounds.seconds)
            with_them.append(watched.seen.latency_us["p99"] / 1e3)
    yield Row("/metrics: CPU per scrape", "µs", cost)
    yield Row("tiny, binary, c=16: p99", "ms", without)
    yield Row(f"the same, with {PER_SECOND} scrapes a second", "ms", with_them)


def _cost(server: Server) -> float:
    connection = HTTPConnection("127.0.0.1", server.admin)
    before = server.cpu_seconds()
    for _ in range(SCRAPES):
        _scrape(connection)
    used = server.cpu_seconds() - before
    connection.close()
    return used / SCRAPES * 1e6


@contextmanager
def _scraping(server: Server) -> Iterator[None]:
    ended = threading.Event()
    watcher = threading.Thread(target=_scrape_until, args=[server, ended])
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _scrape_until(server: Server, ended: threading.Event) -> None:
    connection = HTTPConnection("127.0.0.1", server.admin)
    while not ended.wait(1 / PER_SECOND):
        _scrape(connection)
    connection.close()


def _scrape(connection: HTTPConnection) -> None:
    connection.request("GET", "/metrics")
    connection.getresponse().read()
