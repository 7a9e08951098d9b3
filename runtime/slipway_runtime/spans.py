"""Spans of requests for OpenTelemetry, made from times that were taken anyway.

Needs the extra ``tracing``, and is asked for with OpenTelemetry's own environment variables
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/): an exporter or
its endpoint. Without them nothing is imported and nothing connects to anywhere.
"""

import threading
from collections.abc import Mapping
from time import perf_counter, time_ns
from typing import Any

import msgspec

from slipway_runtime import logs
from slipway_runtime.batching import Job
from slipway_runtime.tracing import Context

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"

LEAVE_SECONDS = 2.0
"""For the last spans; the exporter alone would try for ten."""


class Run(msgspec.Struct, frozen=True, gc=False):
    """The run of a request, and since when that was ``queued``; as ``perf_counter`` has times."""

    queued: float
    began: float
    ended: float
    rows: int


def run(job: Job | None) -> Run | None:
    """Tell of a job's run; None if there was none."""
    return Run(job.arrived, job.began, job.ended, job.rows) if job and job.ended else None


class Request(msgspec.Struct, frozen=True, gc=False):
    """A request that has its answer; ``code`` is always of HTTP. One may not have been run."""

    protocol: str
    code: int
    id: str
    started: float
    run: Run | None


def wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment asks for spans to be exported."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporters = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporters:
        return exporters == "otlp"
    return any(environ.get(name) for name in ENDPOINTS)


def unspoken(environ: Mapping[str, str]) -> str:
    """Return the protocol that is asked for, if it is not the one that is spoken here."""
    asked = next((environ[name] for name in PROTOCOLS if environ.get(name)), SPOKEN)
    return "" if asked == SPOKEN else asked


class Spans:
    """Hands spans over to OpenTelemetry, whose own thread exports them."""

    def __init__(self, model: str, version: str) -> None:
        """Begin to export, as the environment says.

        Raises:
            ImportError: The extra ``tracing`` is not installed.
        """
        from opentelemetry import trace  # noqa: PLC0415 - an extra, which takes long to import
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource.create()
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": model}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("slipway_runtime")
        self._trace = trace
        self._common = {"slipway.model.name": model, "slipway.model.version": version}

    def record(self, parent: Context | None, request: Request) -> Context:
        """Make the spans of a request, and return the context that its answer passes on."""
        trace = self._trace
        behind = time_ns() - _ns(perf_counter())
        span = self._tracer.start_span(
            "infer",
            context=self._remote(parent),
            kind=trace.SpanKind.SERVER,
            start_time=behind + _ns(request.started),
            attributes=self._attributes(request),
        )
        if request.code >= 500:
            span.set_status(trace.StatusCode.ERROR)
        if (ran := request.run) and span.is_recording():
            inside = trace.set_span_in_context(span)
            self._part("queue", inside, behind + _ns(ran.queued), behind + _ns(ran.began))
            self._part("inference", inside, behind + _ns(ran.began), behind + _ns(ran.ended))
        span.end(behind + _ns(perf_counter()))
        made = span.get_span_context()
        flags = b"%02x" % made.trace_flags
        state = parent.state if parent else b""
        return Context(b"%032x" % made.trace_id, b"%016x" % made.span_id, flags, state)

    def close(self) -> None:
        """Export what is left, but do not wait long for a collector that is not there."""
        leaving = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        leaving.start()
        leaving.join(LEAVE_SECONDS)

    def _part(self, name: str, inside: Any, began: int, ended: int) -> None:
        self._tracer.start_span(name, inside, start_time=began).end(ended)

    def _attributes(self, request: Request) -> dict[str, str | int]:
        attributes: dict[str, str | int] = {
            **self._common,
            "slipway.protocol": request.protocol,
            "http.response.status_code": request.code,
        }
        if request.id:
            attributes["slipway.request.id"] = request.id
        if request.run:
            attributes["slipway.rows"] = request.run.rows
        return attributes

    def _remote(self, parent: Context | None) -> Any:
        trace = self._trace
        if parent is None:
            return None
        caller = trace.SpanContext(
            int(parent.trace_id, 16),
            int(parent.span_id, 16),
            is_remote=True,
            trace_flags=trace.TraceFlags(int(parent.flags, 16)),
            trace_state=trace.TraceState.from_header([parent.state.decode()]),
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(caller))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def start(environ: Mapping[str, str], model: str, version: str) -> Spans | None:
    """Begin to export spans, if that is asked for and can be done."""
    if not wanted(environ):
        return None
    if protocol := unspoken(environ):
        logs.warning("no tracing", problem=f"the protocol is {protocol}; only {SPOKEN} is spoken")
        return None
    try:
        spans = Spans(model, version)
    except ImportError as missing:
        logs.warning(
            "no tracing", problem=str(missing), hint="Install Slipway with its extra `tracing`."
        )
        return None
    logs.info("tracing")
    return spans
