"""onnxruntime without a server, in a process of its own: what there is to be compared with."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from slipway_bench.models import Model


@dataclass(frozen=True)
class Raw:
    """Single rows one after the other in one thread: runs a second, microseconds."""

    rate: float
    cpu_us: float
    p50_us: float


def measure(model: Model, seconds: float) -> Raw:
    """Run a model for some time, in another process."""
    return _read(_start(model, seconds))


def crowded(model: Model, seconds: float) -> float:
    """Run a model on every CPU at a time; return the CPU time of one run, in microseconds."""
    started = [_start(model, seconds) for _ in range(os.cpu_count() or 1)]
    return mean(_read(each).cpu_us for each in started)


def _start(model: Model, seconds: float) -> "subprocess.Popen[bytes]":
    shape = json.dumps(model.shape)
    command = [sys.executable, "-m", __spec__.name, str(model.path), shape, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _read(process: "subprocess.Popen[bytes]") -> Raw:
    said, _ = process.communicate()
    return Raw(**json.loads(said))


def _work(model: Model, seconds: float) -> dict[str, float]:
    session, feed, names = model.session(), {"x": model.rows(1)}, ["y"]
    for _ in range(20):
        session.run(names, feed)
    clock, times = time.perf_counter, []
    used = time.process_time()
    began = last = clock()
    while last < began + seconds:
        session.run(names, feed)
        now = clock()
        times.append(now - last)
        last = now
    used = time.process_time() - used
    return {
        "rate": len(times) / (last - began),
        "cpu_us": used / len(times) * 1e6,
        "p50_us": median(times) * 1e6,
    }


if __name__ == "__main__":
    path, shape, seconds = sys.argv[1:]
    print(json.dumps(_work(Model(Path(path), tuple(json.loads(shape))), float(seconds))))
