"""The admin port: numbers, and the state of this server in full."""

import orjson

from slipway_runtime import engine, metrics
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.exchange import Exchange, Response, error

TEXT = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"


class Admin:
    """The site of the ``admin`` port."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    def open(self, exchange: Exchange) -> None:
        """Answer a request."""
        pages = {b"/metrics": self._metrics, b"/started": self._started, b"/status": self._status}
        page = pages.get(exchange.target.partition(b"?")[0])
        if page is None:
            exchange.answer(error(404, "the pages here are /metrics, /started and /status"))
        elif exchange.method not in (b"GET", b"HEAD"):
            exchange.answer(error(405, "only GET is allowed here", b"allow: GET, HEAD\r\n"))
        else:
            exchange.answer(page())

    def refused(self, target: bytes, status: int) -> None:
        """Requests to this port are not counted."""

    def _metrics(self) -> Response:
        plane = self._plane
        batcher = plane.served.batcher if plane.served else None
        info = {
            "version": plane.version,
            "digest": plane.found.digest if plane.found else "",
            "onnxruntime": engine.VERSION,
        }
        text = metrics.render(
            plane.metrics,
            plane.health,
            batcher.depth if batcher else 0,
            batcher.in_flight if batcher else 0,
            info,
        )
        return Response(200, (text,), TEXT)

    def _started(self) -> Response:
        started = self._plane.health.started
        return Response(200 if started else 503, (orjson.dumps({"started": started}),))

    def _status(self) -> Response:
        return Response(200, (orjson.dumps(self._plane.status()),))
