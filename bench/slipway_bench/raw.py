"""onnxruntime without a server, in a process of its own: what there is to be compared with."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from slipway_bench.models import Model


@dataclass(frozen=True)
class Raw:
    """Single rows one after the other in one thread: runs a second, microseconds."""

    rate: float
    cpu_us: float
    p50_us: float


def measure(model: Model, seconds: float) -> Raw:
    """Run a model for some time, in another process."""
    shape = json.dumps(model.shape)
    command = [sys.executable, "-m", __spec__.name, str(model.path), shape, str(seconds)]
    return Raw(**json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


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
