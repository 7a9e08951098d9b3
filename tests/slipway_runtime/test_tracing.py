"""Trace context: what is understood and passed on, and the spans that a collector gets."""

import json
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from slipway_runtime import spans, tracing
from support.grpc_calls import Caller, rows
from support.onnx_models import identity, written
from support.runtime_server import Server, a_server

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
X = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}


def read(parent: str, state: str = "") -> tracing.Context | None:
    headers = {b"traceparent": parent.encode(), b"tracestate": state.encode()}
    return tracing.read(headers)


def test_a_context_is_passed_on_as_it_came() -> None:
    context = read(PARENT, "congo=t61rcWkgMzE")
    assert context is not None
    assert context.sampled
    assert dict(context.pairs()) == {
        b"traceparent": PARENT.encode(),
        b"tracestate": b"congo=t61rcWkgMzE",
    }


def test_of_a_newer_version_what_is_known_is_understood() -> None:
    context = read(f"cc-{TRACE}-{SPAN}-09-what-the-future-brings")
    assert context is not None
    assert dict(context.pairs()) == {b"traceparent": PARENT.encode()}


@pytest.mark.parametrize(
    "parent",
    [
        pytest.param("", id="empty"),
        pytest.param("hello", id="text"),
        pytest.param(PARENT.upper(), id="capitals"),
        pytest.param(PARENT[:-1], id="short"),
        pytest.param(PARENT + "-more", id="long"),
        pytest.param("ff" + PARENT[2:], id="version"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="no span"),
        pytest.param(PARENT + "\n", id="line end"),
    ],
)
def test_what_is_no_context_begins_no_trace(parent: str) -> None:
    assert read(parent) is None


def test_a_state_that_is_too_long_is_left_out() -> None:
    context = read(PARENT, "a=" + "b" * tracing.MOST_STATE_BYTES)
    assert context is not None
    assert context.state == b""


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "fraud"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_spans_are_exported_only_where_that_is_asked_for(
    environ: dict[str, str], asked: bool
) -> None:
    assert spans.wanted(environ) is asked


def test_a_protocol_that_is_not_spoken_is_refused_by_name() -> None:
    assert spans.unspoken({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) == "grpc"
    assert spans.unspoken({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) == ""


def ask(server: Server, body: dict[str, Any], **headers: str) -> Any:
    return server.ask("POST", "/v2/models/m/infer", json.dumps(body), headers)


def test_an_answer_has_the_context_of_its_request(server: Server) -> None:
    answer = ask(server, {"inputs": [X]}, traceparent=PARENT, tracestate="a=b")
    assert answer.status == 200
    assert answer.headers["traceparent"] == PARENT
    assert answer.headers["tracestate"] == "a=b"
    assert ask(server, {}, traceparent=PARENT).headers["traceparent"] == PARENT


@pytest.mark.parametrize(
    ("asked", "code"), [(rows(), "OK"), (rows([[1]]), "INVALID_ARGUMENT")], ids=["well", "wrong"]
)
def test_a_call_ends_with_the_context_that_it_began_with(
    server: Server, asked: bytes, code: str
) -> None:
    with Caller.at(server.grpc) as caller:
        plain = caller.infer(asked)
        traced = caller.infer(asked, metadata=[("traceparent", PARENT), ("tracestate", "a=b")])
    assert plain.code == traced.code == code
    assert "traceparent" not in plain.trailers
    assert traced.trailers["traceparent"] == PARENT
    assert traced.trailers["tracestate"] == "a=b"


def test_without_a_context_an_answer_has_none(server: Server) -> None:
    assert "traceparent" not in ask(server, {"inputs": [X]}).headers
    assert "traceparent" not in ask(server, {"inputs": [X]}, traceparent="00-1-2-3").headers


@contextmanager
def a_collector() -> Iterator[tuple[str, "queue.Queue[Any]"]]:
    """Take OTLP over HTTP as a real collector does; yield its address and the spans."""
    taken: queue.Queue[Any] = queue.Queue()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        taken.put((resource.resource, span))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{collector.server_port}", taken
        finally:
            collector.shutdown()
            thread.join()


def attributes(pairs: Any) -> dict[str, str | int]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in pairs}


def test_a_collector_gets_a_request_its_wait_and_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = written(identity(), tmp_path / "m.onnx")
    with a_collector() as (address, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with a_server(model) as server:
            answer = ask(server, {"id": "42", "inputs": [X]}, traceparent=PARENT)
            got = [taken.get(timeout=30) for _ in range(3)]
    assert all(attributes(resource.attributes)["service.name"] == "m" for resource, _ in got)
    by_name = {span.name: span for _, span in got}
    request, wait, run = by_name["infer"], by_name["queue"], by_name["inference"]
    assert {span.trace_id.hex() for span in by_name.values()} == {TRACE}
    assert request.parent_span_id.hex() == SPAN
    assert wait.parent_span_id == run.parent_span_id == request.span_id
    assert answer.headers["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    told = attributes(request.attributes)
    assert told["slipway.request.id"] == "42"
    assert told["http.response.status_code"] == 200
    assert request.start_time_unix_nano <= wait.start_time_unix_nano
    assert wait.end_time_unix_nano == run.start_time_unix_nano <= run.end_time_unix_nano
    assert run.end_time_unix_nano <= request.end_time_unix_nano


@pytest.mark.parametrize("backend", ["builtin", "grpcio"])
def test_a_collector_gets_a_call_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    model = written(identity(), tmp_path / "m.onnx")
    with a_collector() as (address, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with (
            a_server(model, f"--grpc-backend={backend}") as server,
            Caller.at(server.grpc) as calls,
        ):
            outcome = calls.infer(rows(id="42"), metadata=[("traceparent", PARENT)])
            got = [taken.get(timeout=30) for _ in range(3)]
    by_name = {span.name: span for _, span in got}
    request = by_name["infer"]
    assert {span.trace_id.hex() for span in by_name.values()} == {TRACE}
    assert request.parent_span_id.hex() == SPAN
    assert by_name["inference"].parent_span_id == request.span_id
    assert outcome.trailers["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    told = attributes(request.attributes)
    assert (told["slipway.protocol"], told["slipway.request.id"]) == ("grpc", "42")


def test_a_caller_that_records_nothing_has_nothing_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = written(identity(), tmp_path / "m.onnx")
    unsampled = PARENT[:-1] + "0"
    with a_collector() as (address, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with a_server(model) as server:
            quiet = ask(server, {"inputs": [X]}, traceparent=unsampled)
            ask(server, {"inputs": [X]}, traceparent=PARENT)
            got = [taken.get(timeout=30) for _ in range(3)]
    assert quiet.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert quiet.headers["traceparent"].endswith("-00")
    assert {span.name for _, span in got} == {"infer", "queue", "inference"}
    assert taken.empty()


def test_a_server_that_can_not_reach_its_collector_answers_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with a_server(written(identity(), tmp_path / "m.onnx")) as server:
        assert ask(server, {"inputs": [X]}, traceparent=PARENT).status == 200
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


def test_what_was_recorded_last_is_exported_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_collector() as (address, taken):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
        with a_server(written(identity(), tmp_path / "m.onnx")) as server:
            ask(server, {"inputs": [X]})
            assert taken.empty()
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        assert taken.qsize() == 3
