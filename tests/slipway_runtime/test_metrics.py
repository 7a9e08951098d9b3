"""What is counted, and that Prometheus and Triton's clients can read it."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from slipway_runtime import exposition, statistics
from slipway_runtime.exposition import Now
from slipway_runtime.metrics import BUSY_SECONDS, Metrics
from support.runtime_server import Server

X = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}


def now(**changes: Any) -> Now:
    info = {"version": "7", "digest": "9f2c", "onnxruntime": "1.31.1"}
    return Now(True, info, **changes)


def samples(text: bytes) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text.decode()):
        yield from family.samples


def scrape(metrics: Metrics, **state: float) -> dict[tuple[str, ...], float]:
    """Read what is written, by name and the labels beside model and version, in order.

    The parser calls every counter NAME_total, whether it has that name or not.
    """
    known = ("model", "version")
    return {
        (each.name, *(value for key, value in each.labels.items() if key not in known)): each.value
        for each in samples(exposition.render(metrics, now(**state)))
    }


def test_a_parser_of_prometheus_reads_every_line_once() -> None:
    metrics = Metrics("m")
    metrics.rest.answered(200, 0.002)
    metrics.ran(2, 0.001, [0.0])
    text = exposition.render(metrics, now())
    plain = [line for line in text.decode().splitlines() if not line.startswith("#")]
    names = [(each.name, *sorted(each.labels.items())) for each in samples(text)]
    assert len(names) == len(plain) == len(set(names))


def test_every_family_says_what_it_is() -> None:
    families = list(text_string_to_metric_families(exposition.render(Metrics("m"), now()).decode()))
    assert all(family.type != "unknown" and family.documentation for family in families)


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\nb", "größe", "{}"])
def test_a_model_may_have_any_name(name: str) -> None:
    read = {each.labels.get("model") for each in samples(exposition.render(Metrics(name), now()))}
    assert read == {name, None}


def test_buckets_are_cumulative_and_end_with_all() -> None:
    metrics = Metrics("m")
    for seconds in (5e-6, 1e-5, 3e-3, 1000.0):
        metrics.rest.answered(200, seconds)
    seen = scrape(metrics)
    name = "slipway_request_duration_seconds"
    buckets = [value for key, value in seen.items() if key[:2] == (name + "_bucket", "rest")]
    assert buckets == sorted(buckets)
    assert seen[name + "_bucket", "rest", "1e-05"] == 2
    assert seen[name + "_bucket", "rest", "0.005"] == 3
    assert seen[name + "_bucket", "rest", "+Inf"] == seen[name + "_count", "rest"] == 4
    assert seen[name + "_sum", "rest"] == pytest.approx(1000.003015)


def test_protocols_are_told_apart() -> None:
    metrics = Metrics("m")
    metrics.rest.answered(200, 0.1)
    metrics.grpc.answered(200, 0.1)
    metrics.grpc.answered(400, 0.1)
    seen = scrape(metrics)
    assert seen["slipway_requests_total", "rest", "200"] == 1
    assert seen["slipway_requests_total", "grpc", "400"] == 1
    assert seen["slipway_request_duration_seconds_count", "grpc"] == 2


def test_a_run_counts_once_and_each_of_its_requests_waits() -> None:
    metrics = Metrics("m")
    metrics.ran(12, 0.5, [0.1, 0.2, 0.3])
    seen = scrape(metrics)
    assert seen["slipway_inference_duration_seconds_count",] == 1
    assert seen["slipway_queue_duration_seconds_count",] == 3
    assert seen["slipway_queue_duration_seconds_sum",] == pytest.approx(0.6)
    assert seen["slipway_batch_size_bucket", "8"] == 0
    assert seen["slipway_batch_size_bucket", "16"] == 1
    assert seen["slipway_batch_size_sum",] == 12


def test_callers_can_not_fill_the_memory_with_sizes() -> None:
    metrics = Metrics("m")
    for rows in range(1, 10_000):
        metrics.ran(rows, 0.001, [0.0])
    assert len(metrics.by_rows) < 80
    assert metrics.rows == sum(range(10_000))
    assert scrape(metrics)["slipway_batch_size_count",] == 9_999


def test_numbers_that_are_not_known_are_left_out() -> None:
    metrics = Metrics("m")
    assert ("slipway_model_load_seconds",) not in scrape(metrics)
    metrics.load_seconds = 1.5
    assert scrape(metrics)["slipway_model_load_seconds",] == 1.5


def test_the_busy_share_is_that_of_the_last_seconds() -> None:
    metrics = Metrics("m")
    for _ in range(3):
        metrics.tick(0.0)
    for second in range(1, BUSY_SECONDS + 1):
        metrics.tick(second * 1.0)
    assert metrics.busy_share(workers=2) == 0.5
    for _ in range(BUSY_SECONDS):
        metrics.tick(10.0)
    assert metrics.busy_share(workers=2) == 0.0


def test_a_server_without_a_model_is_not_busy() -> None:
    assert Metrics("m").busy_share(workers=0) == 0.0


def test_triton_s_names_say_the_same() -> None:
    metrics = Metrics("m")
    metrics.rest.answered(200, 0.25)
    metrics.grpc.answered(503, 0.0)
    metrics.grpc.answered(500, 0.25)
    metrics.rest.answered(404, 0.0)
    metrics.dropped("Cancelled")
    metrics.ran(4, 0.2, [0.05])
    seen = scrape(metrics, depth=3)
    assert seen["nv_inference_request_success_total",] == 1
    failures = {
        key[1]: value
        for key, value in seen.items()
        if key[0] == "nv_inference_request_failure_total"
    }
    assert failures == {"REJECTED": 1, "CANCELED": 1, "BACKEND": 1, "OTHER": 1}
    assert seen["nv_inference_count_total",] == 4
    assert seen["nv_inference_exec_count_total",] == 1
    assert seen["nv_inference_request_duration_us_total",] == 500_000
    assert seen["nv_inference_queue_duration_us_total",] == 50_000
    assert seen["nv_inference_compute_infer_duration_us_total",] == 200_000
    assert seen["nv_inference_pending_request_count",] == 3


STATE = now(
    depth=3,
    oldest_seconds=0.25,
    in_flight=5,
    in_flight_rows=40,
    workers=2,
    busy_seconds=7.5,
    batching={"enabled": True, "reason": "", "gain": 2.5, "maxBatchSize": 16},
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slipway_queue_depth", 3),
        ("slipway_queue_oldest_seconds", 0.25),
        ("slipway_in_flight", 5),
        ("slipway_in_flight_rows", 40),
        ("slipway_workers", 2),
        ("slipway_busy_ratio", 0.75),
        ("slipway_busy_seconds_total", 7.5),
        ("slipway_model_ready", 1),
        ("slipway_model_load_seconds", 1.5),
        ("slipway_model_warm_up_seconds", 0.5),
        ("slipway_batching_enabled", 1),
        ("slipway_batch_max_rows", 16),
        ("slipway_batch_gain", 2.5),
        ("slipway_model_info", 1),
        ("nv_model_load_duration_secs", 1.5),
        ("nv_inference_pending_request_count", 3),
        ("nv_inference_compute_input_duration_us", 0),
        ("nv_inference_compute_infer_duration_us", 200_000),
        ("nv_inference_compute_output_duration_us", 0),
    ],
)
def test_a_number_is_told_under_its_name(name: str, value: float) -> None:
    metrics = Metrics("m")
    metrics.load_seconds, metrics.warm_up_seconds = 1.5, 0.5
    metrics.ran(4, 0.2, [0.05])
    metrics.tick(1.5)
    read = samples(exposition.render(metrics, STATE))
    assert [each.value for each in read if each.name in (name, f"{name}_total")] == [value]


def test_statistics_are_of_the_same_requests() -> None:
    metrics = Metrics("m")
    metrics.rest.answered(200, 0.25)
    metrics.grpc.answered(400, 0.5)
    metrics.rest.refused(431, "Unreadable")
    metrics.ran(4, 0.2, [0.05, 0.0])
    told = statistics.describe(metrics, "7", now_ms=1_000_000)
    of = told["inference_stats"]
    assert (told["inference_count"], told["execution_count"]) == (4, 1)
    assert of["success"] == {"count": 1, "ns": 250_000_000}
    assert of["fail"] == {"count": 2, "ns": 500_000_000}
    assert of["queue"] == {"count": 2, "ns": 50_000_000}
    assert of["compute_infer"] == {"count": 2, "ns": 400_000_000}
    assert [each["batch_size"] for each in told["batch_stats"]] == [4]
    assert told["batch_stats"][0]["compute_infer"] == {"count": 1, "ns": 200_000_000}
    assert 999_000 < told["last_inference"] <= 1_000_000


def test_statistics_of_a_model_that_never_ran_have_no_last_inference() -> None:
    assert statistics.describe(Metrics("m"), "7", now_ms=1_000_000)["last_inference"] == 0


def test_a_server_tells_of_what_it_did(server: Server) -> None:
    before = server.metrics()
    assert server.infer(X).status == 200
    after = server.metrics()
    grown = {name for name in after if after[name] > before.get(name, 0)}
    assert {
        'slipway_requests_total{model="m",protocol="rest",code="200"}',
        'slipway_request_duration_seconds_count{model="m",protocol="rest"}',
        'slipway_queue_duration_seconds_count{model="m"}',
        'slipway_inference_duration_seconds_count{model="m"}',
        'slipway_busy_seconds_total{model="m"}',
        'nv_inference_request_success{model="m",version="7"}',
    } <= grown
    assert after['slipway_batch_size_sum{model="m"}'] > before['slipway_batch_size_sum{model="m"}']
    assert after['slipway_model_load_seconds{model="m"}'] > 0
    assert after['slipway_workers{model="m"}'] >= 1
    assert after['slipway_in_flight{model="m"}'] == 0
    assert after["process_open_fds"] > 3
