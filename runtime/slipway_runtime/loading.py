"""From a model file to something that predicts, away from the event loop."""

import os
from dataclasses import dataclass
from time import perf_counter

from slipway_runtime import cpu, logs, signature
from slipway_runtime.engine import VERSION, Engine, Tuning
from slipway_runtime.inspection import Found
from slipway_runtime.profile import Profile, Wish, profile
from slipway_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that has been tried, with every number of rows that its batches may have."""

    engine: Engine
    profile: Profile
    intra_op_threads: int
    workers: int
    warm_up_seconds: float
    steady: bool
    """Whether what a run takes depends on its input's size alone."""
    version: str = VERSION
    """onnxruntime's."""


def load(found: Found, settings: Settings) -> Loaded:
    """Load a model, hold it to its promised signature, and find out how it runs best.

    Raises:
        Fault: If it can't be served.
    """
    session = settings.session
    wanted = session.intra_op_num_threads
    threads = 1 if wanted == "Auto" else wanted
    tuning = Tuning(
        threads,
        session.graph_optimization_level,
        tuple(session.config_entries.items()),
        settings.execution_providers,
        settings.require_provider,
    )
    engine = Engine.load(found.path, tuning)
    if settings.signature:
        signature.check(engine.signature, settings.signature)
    workers = cpu.workers(cpu.quota(), len(os.sched_getaffinity(0)), threads)
    wish = Wish(settings.batching.most, settings.limits.request_timeout_seconds / 2)
    steady = not found.facts.loops
    began = perf_counter()
    found_out = profile(engine.run, engine.signature, wish, perf_counter)
    if found_out.most == 1:
        logs.info("batching is off", reason=found_out.reason)
    return Loaded(engine, found_out, threads, workers, perf_counter() - began, steady)
