"""Prometheus' text format, version 0.0.4: written when it is asked for, from plain numbers.

Beside our own names it has Triton's, so that dashboards and scaling rules made for those work.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from slipway_runtime.memory import resident_bytes
from slipway_runtime.metrics import BOUNDS, Metrics

BATCH_BOUNDS = tuple(1 << power for power in range(11))

NOT_TAKEN = (429, 503, 504)
"""What Triton counts as REJECTED."""


@dataclass(frozen=True, slots=True)
class Now:
    """What is so at the moment of a scrape: of the server's life, and of its queue."""

    ready: bool
    info: Mapping[str, str]
    depth: int = 0
    oldest_seconds: float = 0.0
    in_flight: int = 0
    in_flight_rows: int = 0
    workers: int = 0
    busy_seconds: float = 0.0
    batching: Mapping[str, Any] = field(default_factory=dict)


def render(metrics: Metrics, now: Now) -> bytes:
    """Write everything."""
    model = _label("model", metrics.model)
    lines = [
        *_requests(metrics, model),
        *_runs(metrics, now, model),
        *_gauges(metrics, now, model),
        *_verification(metrics, model),
        *_shadow(metrics, model),
        *_triton(metrics, now, model),
        *_process(),
    ]
    return ("\n".join(lines) + "\n").encode()


def _requests(metrics: Metrics, model: str) -> Iterator[str]:
    each = [(traffic, f'{model},protocol="{traffic.protocol}"') for traffic in metrics.traffic]
    name = "slipway_requests_total"
    yield from _head(name, "counter", "Inference requests, by HTTP status.")
    for traffic, labels in each:
        for code, count in sorted(traffic.codes.items()):
            yield f'{name}{{{labels},code="{code}"}} {count}'
    name = "slipway_request_duration_seconds"
    yield from _head(name, "histogram", "From an inference request's last byte to its answer.")
    for traffic, labels in each:
        times = traffic.durations
        yield from _histogram(name, labels, BOUNDS, times.counts, times.sum)
    name = "slipway_rejected_total"
    yield from _head(name, "counter", "Requests that were not run, by the reason.")
    for reason, count in sorted(metrics.rejected.items()):
        yield f'{name}{{{model},reason="{reason}"}} {count}'


def _runs(metrics: Metrics, now: Now, model: str) -> Iterator[str]:
    for name, times, text in (
        ("slipway_queue_duration_seconds", metrics.queued, "How long requests waited to be run."),
        ("slipway_inference_duration_seconds", metrics.runs, "Time in onnxruntime, run by run."),
    ):
        yield from _head(name, "histogram", text)
        yield from _histogram(name, model, BOUNDS, times.counts, times.sum)
    name = "slipway_batch_size"
    yield from _head(name, "histogram", "Rows of a run, which requests may share.")
    yield from _histogram(name, model, BATCH_BOUNDS, _by_size(metrics), metrics.rows)
    name = "slipway_busy_seconds_total"
    yield from _head(name, "counter", "Time that the workers together spent in runs.")
    yield f"{name}{{{model}}} {now.busy_seconds:.9g}"


def _by_size(metrics: Metrics) -> list[int]:
    counts = [0] * (len(BATCH_BOUNDS) + 1)
    for rows, runs in metrics.by_rows.items():
        counts[bisect_left(BATCH_BOUNDS, rows)] += runs.count
    return counts


def _gauges(metrics: Metrics, now: Now, model: str) -> Iterator[str]:
    busy = metrics.busy_share(now.workers)
    gauges: dict[str, tuple[float | None, str]] = {
        "queue_depth": (now.depth, "Requests that wait to be run."),
        "queue_oldest_seconds": (now.oldest_seconds, "How long the oldest of them has waited."),
        "in_flight": (now.in_flight, "Requests that wait or run."),
        "in_flight_rows": (now.in_flight_rows, "Their rows."),
        "workers": (now.workers, "Runs that can go on at a time."),
        "busy_ratio": (busy, "Share of the last 10 s that the workers spent in runs."),
        "model_ready": (int(now.ready), "1 when new callers are welcome."),
        "model_load_seconds": (metrics.load_seconds, "How long loading and warming up took."),
        "model_warm_up_seconds": (metrics.warm_up_seconds, "How long warming up alone took."),
        "batch_max_rows": (now.batching.get("maxBatchSize"), "Rows that may share a run."),
        "batch_gain": (now.batching.get("gain"), "Times the rows a second in batches, at load."),
    }
    for name, (value, text) in gauges.items():
        yield from _head(f"slipway_{name}", "gauge", text)
        if value is not None:
            yield f"slipway_{name}{{{model}}} {value:.9g}"
    name = "slipway_batching_enabled"
    yield from _head(name, "gauge", "1 when requests may share runs; otherwise why not.")
    if now.batching:
        reason = _label("reason", now.batching["reason"])
        yield f"{name}{{{model},{reason}}} {int(now.batching['enabled'])}"
    yield from _head("slipway_model_info", "gauge", "Which model this is; always 1.")
    labels = ",".join([model, *(_label(key, value) for key, value in now.info.items())])
    yield f"slipway_model_info{{{labels}}} 1"


def _verification(metrics: Metrics, model: str) -> Iterator[str]:
    name = "slipway_verification_checks_total"
    yield from _head(name, "counter", "Checks of verification, by suite and outcome.")
    for (suite, outcome), count in sorted(metrics.checks.items()):
        yield f'{name}{{{model},suite="{suite}",outcome="{outcome}"}} {count}'
    name = "slipway_golden_probe_rounds_total"
    yield from _head(
        name, "counter", "Rounds of rows whose answers are known: right ones, and not."
    )
    for result, count in sorted(metrics.probes.items()):
        yield f'{name}{{{model},result="{result}"}} {count}'
    name = "slipway_verification_wrong"
    yield from _head(name, "gauge", "1 when this pod answers such rows wrongly, time after time.")
    if metrics.answers_wrong is not None:
        yield f"{name}{{{model}}} {int(metrics.answers_wrong)}"


def _shadow(metrics: Metrics, model: str) -> Iterator[str]:
    name = "slipway_shadow_requests_total"
    yield from _head(name, "counter", "Copies of requests to a new revision, by what came of them.")
    for result, count in sorted(metrics.shadowed.items()):
        yield f'{name}{{{model},result="{result}"}} {count}'


def _triton(metrics: Metrics, now: Now, model: str) -> Iterator[str]:
    """Write what Triton's metrics would say; its times are whole microseconds."""
    labels = f"{model},{_label('version', now.info.get('version', ''))}"
    codes = [pair for traffic in metrics.traffic for pair in traffic.codes.items()]
    took = sum(traffic.durations.sum for traffic in metrics.traffic)
    failed = {
        "REJECTED": sum(count for code, count in codes if code in NOT_TAKEN),
        "CANCELED": metrics.rejected.get("Cancelled", 0),
        "BACKEND": sum(count for code, count in codes if code == 500),
        "OTHER": sum(count for code, count in codes if 400 <= code < 429 or 429 < code < 500),
    }
    name = "nv_inference_request_failure"
    yield from _head(name, "counter", "Triton's name: failed requests.")
    for reason, count in failed.items():
        yield f'{name}{{{labels},reason="{reason}"}} {count}'
    counters = {
        "request_success": sum(count for code, count in codes if code == 200),
        "count": metrics.rows,
        "exec_count": metrics.runs.count,
        "request_duration_us": round(took * 1e6),
        "queue_duration_us": round(metrics.queued.sum * 1e6),
        "compute_input_duration_us": 0,
        "compute_infer_duration_us": round(metrics.compute_seconds * 1e6),
        "compute_output_duration_us": 0,
    }
    for name, value in counters.items():
        yield from _head(f"nv_inference_{name}", "counter", "As Triton counts it.")
        yield f"nv_inference_{name}{{{labels}}} {value}"
    name = "nv_inference_pending_request_count"
    yield from _head(name, "gauge", "Triton's name for slipway_queue_depth.")
    yield f"{name}{{{labels}}} {now.depth}"
    name = "nv_model_load_duration_secs"
    yield from _head(name, "gauge", "Triton's name for slipway_model_load_seconds.")
    if metrics.load_seconds is not None:
        yield f"{name}{{{labels}}} {metrics.load_seconds:.9g}"


def _process() -> Iterator[str]:
    values: dict[str, tuple[str, str, float]] = {
        "resident_memory_bytes": ("gauge", "Memory in use.", resident_bytes()),
        "cpu_seconds_total": ("counter", "CPU time used.", time.process_time()),
        "open_fds": ("gauge", "Open files and connections.", _open_files()),
        "python_threads": ("gauge", "Python threads.", threading.active_count()),
    }
    for name, (kind, text, value) in values.items():
        yield from _head(f"process_{name}", kind, text)
        yield f"process_{name} {value:.15g}"


def _open_files() -> int:
    """Count them; Linux tells since 6.2, before each has to be listed."""
    folder = Path("/proc/self/fd")
    return folder.stat().st_size or sum(1 for _ in folder.iterdir())


def _histogram(
    name: str, labels: str, bounds: Iterable[float], counts: Sequence[int], total: float
) -> Iterator[str]:
    """Write the cumulative buckets, the sum and the count."""
    reached = 0
    for bound, reached in zip((*bounds, "+Inf"), accumulate(counts), strict=True):
        yield f'{name}_bucket{{{labels},le="{bound}"}} {reached}'
    yield f"{name}_sum{{{labels}}} {total:.9g}"
    yield f"{name}_count{{{labels}}} {reached}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{name}="{escaped}"'
