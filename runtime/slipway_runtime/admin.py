"""The admin port: numbers, and the state of this server in full."""

import orjson

from slipway_runtime import exposition
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.exchange import Exchange, Response, error

PAGES = "/metrics, /started, /status and /verification"
UNVERIFIED = "the settings have no verification, or the model is not loaded yet"
TEXT = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"


class Admin:
    """The site of the ``admin`` port."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def open(self, exchange: Exchange) -> None:
        """Answer a request."""
        pages = {
            b"/metrics": self._metrics,
            b"/started": self._started,
            b"/status": self._status,
            b"/verification": self._verification,
        }
        target = exchange.target.partition(b"?")[0]
        page = pages.get(target)
        if page is None:
            exchange.answer(error(404, f"the pages here are {PAGES}"))
        elif target == b"/verification" and exchange.method == b"POST":
            exchange.answer(self._verify())
        elif exchange.method not in (b"GET", b"HEAD"):
            exchange.answer(error(405, "only GET is allowed here", b"allow: GET, HEAD\r\n"))
        else:
            exchange.answer(page())

    def refused(self, target: bytes, status: int) -> None:
        """Requests to this port are not counted."""

    def _metrics(self) -> Response:
        return Response(200, (exposition.render(self._plane.metrics, self._now()),), TEXT)

    def _now(self) -> exposition.Now:
        plane = self._plane
        info = {
            "version": plane.version,
            "digest": plane.found.digest if plane.found else "",
            "onnxruntime": plane.served.effective.onnxruntime if plane.served else "",
        }
        if plane.served is None:
            return exposition.Now(plane.health.ready, info)
        batcher = plane.served.batcher
        return exposition.Now(
            plane.health.ready,
            info,
            batcher.depth,
            batcher.oldest_seconds,
            batcher.in_flight,
            batcher.in_flight_rows,
            batcher.workers,
            batcher.busy_seconds,
            plane.batching(),
        )

    def _started(self) -> Response:
        started = self._plane.health.started
        return Response(200 if started else 503, (orjson.dumps({"started": started}),))

    def _verification(self) -> Response:
        verification = self._plane.verification
        if verification is None:
            return error(404, UNVERIFIED)
        return Response(200, (orjson.dumps(verification.describe()),))

    def _verify(self) -> Response:
        """Begin the full suite, which takes longer than a request may."""
        verification = self._plane.verification
        if verification is None:
            return error(404, UNVERIFIED)
        begun = verification.full()
        if begun is None:
            return error(409, f"this server is not ready: {self._plane.health.message}")
        return Response(202 if begun else 200, (orjson.dumps(verification.describe()),))

    def _status(self) -> Response:
        return Response(200, (orjson.dumps(self._plane.status()),))
