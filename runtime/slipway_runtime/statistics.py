"""Numbers since the start: in the words of Triton's statistics, and in those of ``/status``.

Triton's have one form for REST, where it is the JSON, and for gRPC, whose messages have the same
names; times are in nanoseconds.
"""

from time import perf_counter
from typing import Any

from slipway_runtime.metrics import BOUNDS, Metrics


def describe(metrics: Metrics, version: str, now_ms: int) -> dict[str, Any]:
    """Write one entry of ``model_stats``.

    Merging and taking apart batches is part of the run here, so ``compute_infer`` has all of it.
    There is no cache. Runs of more than 64 rows are counted under the next power of two.
    """
    since = 0.0 if metrics.last_run is None else perf_counter() - metrics.last_run
    return {
        "name": metrics.model,
        "version": version,
        "last_inference": 0 if metrics.last_run is None else now_ms - round(since * 1e3),
        "inference_count": metrics.rows,
        "execution_count": metrics.runs.count,
        "inference_stats": _requests(metrics),
        "response_stats": {},
        "batch_stats": [
            {"batch_size": rows, **_compute(runs.count, runs.seconds)}
            for rows, runs in sorted(metrics.by_rows.items())
        ],
        "memory_usage": [],
    }


def requests(metrics: Metrics) -> dict[str, Any]:
    """Write what a rollout judges: how many came out how, and how long they took."""
    codes = [pair for traffic in metrics.traffic for pair in traffic.codes.items()]
    each = zip(*(traffic.durations.counts for traffic in metrics.traffic), strict=True)
    return {
        "answered": sum(n for _, n in codes),
        "refused": sum(n for code, n in codes if 400 <= code < 500),
        "failed": sum(n for code, n in codes if code >= 500),
        "durations": {"bounds": list(BOUNDS), "counts": [sum(counts) for counts in each]},
    }


def _requests(metrics: Metrics) -> dict[str, dict[str, int]]:
    codes = [pair for traffic in metrics.traffic for pair in traffic.codes.items()]
    failed = sum(traffic.failed_seconds for traffic in metrics.traffic)
    answered = sum(traffic.durations.sum for traffic in metrics.traffic)
    ran = metrics.queued.count
    return {
        "success": _times(sum(n for code, n in codes if code == 200), answered - failed),
        "fail": _times(sum(n for code, n in codes if code != 200), failed),
        "queue": _times(ran, metrics.queued.sum),
        **_compute(ran, metrics.compute_seconds),
        "cache_hit": _times(0, 0.0),
        "cache_miss": _times(0, 0.0),
    }


def _compute(count: int, seconds: float) -> dict[str, dict[str, int]]:
    return {
        "compute_input": _times(count, 0.0),
        "compute_infer": _times(count, seconds),
        "compute_output": _times(count, 0.0),
    }


def _times(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(seconds * 1e9)}
