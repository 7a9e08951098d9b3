"""Numbers for Prometheus: plain counters where requests pass, text only when it is asked for."""

import resource
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from slipway_runtime.health import Health

BOUNDS = (
    *(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds in seconds: small models answer in microseconds, large ones in seconds."""


class Histogram:
    """Counts durations by their size."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Write the cumulative buckets, the sum and the count."""
        total = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{name}_sum{{{labels}}} {self._sum:.9g}"
        yield f"{name}_count{{{labels}}} {total}"


class Metrics:
    """All numbers of one model server."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.requests: Counter[int] = Counter()
        self.rejected: Counter[str] = Counter()
        self.durations = Histogram()
        self.inferences = Histogram()
        self.load_seconds: float | None = None

    def answered(self, code: int, seconds: float) -> None:
        """Count an inference request and how long its answer took."""
        self.requests[code] += 1
        self.durations.observe(seconds)

    def refused(self, code: int, reason: str) -> None:
        """Count a request that was not even tried."""
        self.rejected[reason] += 1
        self.requests[code] += 1


def render(
    metrics: Metrics, health: Health, depth: int, in_flight: int, info: Mapping[str, str]
) -> bytes:
    """Write everything in Prometheus' text format."""
    lines = [*_model_lines(metrics, health, depth, in_flight, info), *_process_lines()]
    return ("\n".join(lines) + "\n").encode()


def _model_lines(
    metrics: Metrics, health: Health, depth: int, in_flight: int, info: Mapping[str, str]
) -> Iterator[str]:
    model = f'model="{_escaped(metrics.model)}"'
    yield from _head("slipway_requests_total", "counter", "Inference requests, by HTTP status.")
    for code, count in sorted(metrics.requests.items()):
        yield f'slipway_requests_total{{{model},code="{code}"}} {count}'
    name = "slipway_request_duration_seconds"
    yield from _head(name, "histogram", "From an inference request's last byte to its answer.")
    yield from metrics.durations.lines(name, model)
    name = "slipway_inference_duration_seconds"
    yield from _head(name, "histogram", "Time inside onnxruntime, one observation a run.")
    yield from metrics.inferences.lines(name, model)
    yield from _head("slipway_rejected_total", "counter", "Requests that were not even tried.")
    for reason, count in sorted(metrics.rejected.items()):
        yield f'slipway_rejected_total{{{model},reason="{reason}"}} {count}'
    gauges = {
        "slipway_queue_depth": ("Requests that wait for a worker.", depth),
        "slipway_in_flight": ("Requests that wait or run.", in_flight),
        "slipway_model_ready": ("1 when new callers are welcome.", int(health.ready)),
    }
    for name, (text, value) in gauges.items():
        yield from _head(name, "gauge", text)
        yield f"{name}{{{model}}} {value}"
    yield from _head("slipway_model_load_seconds", "gauge", "How long loading took.")
    if metrics.load_seconds is not None:
        yield f"slipway_model_load_seconds{{{model}}} {metrics.load_seconds:.6g}"
    yield from _head("slipway_model_info", "gauge", "Which model this is; always 1.")
    labels = ",".join([model, *(f'{key}="{_escaped(value)}"' for key, value in info.items())])
    yield f"slipway_model_info{{{labels}}} 1"


def _process_lines() -> Iterator[str]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    cpu = time.process_time()
    values = {
        "process_resident_memory_bytes": (
            "gauge",
            "Memory in use.",
            pages * resource.getpagesize(),
        ),
        "process_cpu_seconds_total": ("counter", "CPU time used.", f"{cpu:.6g}"),
        "process_open_fds": ("gauge", "Open files and connections.", files),
        "process_python_threads": ("gauge", "Python threads.", threading.active_count()),
    }
    for name, (kind, text, value) in values.items():
        yield from _head(name, kind, text)
        yield f"{name} {value}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
