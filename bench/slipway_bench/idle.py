"""What a server costs that does nothing, and how soon it is ready."""

import time
from collections.abc import Iterator

from slipway_bench.models import Model
from slipway_bench.servers import running, slipway
from slipway_bench.speed import Rounds
from slipway_bench.table import Row, Target

MEMORY_MB = 80.0
CPU_PERCENT = 0.5
LIVE_SECONDS = 0.3
READY_SECONDS = 0.8
SETTLE_SECONDS = 1.0
LEAST_SECONDS = 10.0


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Measure a server that was started and left alone."""
    model = models["tiny"]
    live, ready, memory, cpu = [], [], [], []
    seconds = max(LEAST_SECONDS, rounds.seconds)
    for _ in range(rounds.count):
        with running(slipway(model)) as server:
            live.append(server.live_seconds)
            ready.append(server.start_seconds)
            time.sleep(SETTLE_SECONDS)
            before = server.cpu_seconds()
            time.sleep(seconds)
            cpu.append((server.cpu_seconds() - before) / seconds * 100)
            memory.append((server.memory_bytes() - model.path.stat().st_size) / 1e6)
    yield Row("tiny, idle: CPU, of one core", "%", cpu, Target(CPU_PERCENT))
    yield Row("tiny, idle: resident memory beyond the model", "MB", memory, Target(MEMORY_MB))
    yield Row("tiny: from exec to live", "s", live, Target(LIVE_SECONDS))
    yield Row("tiny: from exec to ready", "s", ready, Target(READY_SECONDS))
