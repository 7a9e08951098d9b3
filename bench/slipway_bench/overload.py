"""What a server does when three times as much comes as it can take."""

from collections.abc import Iterator
from pathlib import Path

from slipway_bench.asks import as_binary
from slipway_bench.load import Load, ask
from slipway_bench.models import Model
from slipway_bench.servers import running, slipway
from slipway_bench.settings import plain
from slipway_bench.speed import Rounds
from slipway_bench.table import Row, Target

TIMES = 3.0
DEADLINE_SECONDS = 0.1
CONNECTIONS = 512
GOODPUT = 0.9
REFUSAL_MS = 5.0


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Measure goodput and latency under too much load."""
    model = models["deep"]
    goodput, accepted, refused, late = [], [], [], []
    settings = _settings(model)
    with running(slipway(model, "--config", settings)) as server:
        question = [as_binary(model)]
        for _ in range(rounds.count):
            peak = ask(server.http, question, Load(16, rounds.seconds)).sound().rate
            load = Load(CONNECTIONS, rounds.seconds, rate=TIMES * peak)
            seen = ask(server.http, question, load).sound()
            goodput.append(seen.rate / peak)
            accepted.append(seen.latency_us["p99"] / 1e3)
            refused.append(seen.refused_us["p99"] / 1e3)
            late.append(seen.expired / max(1, seen.answers) * 100)
    name = f"deep, {TIMES:g} x capacity"
    deadline = Target(DEADLINE_SECONDS * 1e3)
    yield Row(f"{name}: right answers / peak", "x", goodput, Target(GOODPUT, least=True))
    yield Row(f"{name}: p99 of accepted (deadline {deadline.bound:g} ms)", "ms", accepted, deadline)
    yield Row(f"{name}: p99 of refusals", "ms", refused, Target(REFUSAL_MS))
    yield Row(f"{name}: taken, but not answered in time", "%", late)


def _settings(model: Model) -> Path:
    """Give requests little time, and let more wait than could be answered in it."""
    limits = {"requestTimeoutSeconds": DEADLINE_SECONDS, "maxRequestBytes": 1 << 20}
    return plain(model.path.with_suffix(".json"), model.name, **limits)
