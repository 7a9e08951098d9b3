"""From a model file to something that predicts, away from the event loop."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from slipway_runtime import cpu, logs
from slipway_runtime.engine import Engine, Tuning
from slipway_runtime.errors import RequestError
from slipway_runtime.inspection import Found
from slipway_runtime.settings import Session

WARM_UP_SECONDS = 0.2
WARM_UP_RUNS = 10


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that has been tried; ``run_seconds`` is None if zeros are no input for it."""

    engine: Engine
    intra_op_threads: int
    workers: int
    run_seconds: float | None


def load(found: Found, session: Session) -> Loaded:
    """Load a model and run it a few times.

    Raises:
        Fault: If it can't be served.
    """
    wanted = session.intra_op_num_threads
    threads = 1 if wanted == "Auto" else wanted
    entries = tuple(session.config_entries.items())
    engine = Engine.load(found.path, Tuning(threads, session.graph_optimization_level, entries))
    workers = cpu.workers(cpu.quota(), len(os.sched_getaffinity(0)), threads)
    return Loaded(engine, threads, workers, _warm_up(engine, found.path))


def _warm_up(engine: Engine, path: Path) -> float | None:
    """Find the shortest of a few runs in seconds; the first ones are slower than what follows."""
    started = perf_counter()
    shortest = None
    feed, outputs = engine.smallest(), tuple(engine.signature.outputs)
    try:
        for _ in range(WARM_UP_RUNS):
            began = perf_counter()
            engine.run(feed, outputs)
            ended = perf_counter()
            shortest = min(ended - began, shortest or ended - began)
            if ended - started > WARM_UP_SECONDS:
                break
    except RequestError as error:
        # Zeros may be no index, or ones no size, that the model can work with.
        logs.warning("warm-up was refused", model=str(path), problem=error.message)
    return shortest
