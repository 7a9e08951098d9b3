"""The Open Inference Protocol over REST: routes, headers and status codes, nothing else."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version as package_version
from time import perf_counter
from urllib.parse import unquote, urlsplit

import orjson

from slipway_runtime.answers import Answer
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.errors import InvalidRequestError, Kind, RequestError
from slipway_runtime.exchange import Exchange, Response, error

VERSION = package_version("slipway")

STATUS = {
    Kind.INVALID: 400,
    Kind.NOT_FOUND: 404,
    Kind.NOT_READY: 503,
    Kind.OVERLOADED: 503,
    Kind.EXPIRED: 504,
    Kind.INTERNAL: 500,
}

REJECTIONS = {Kind.NOT_READY: "NotReady", Kind.OVERLOADED: "Overloaded", Kind.EXPIRED: "Expired"}

READ = (b"GET", b"HEAD")
JSON_LENGTH = b"inference-header-content-length"

Open = Callable[[Exchange], None]


class Rest:
    """The site of the ``http`` port."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        quick = [f"/v2/models/{plane.name}", f"/v2/models/{plane.name}/versions/{plane.version}"]
        self._infer_targets = {f"{start}/infer".encode() for start in quick}

    def open(self, exchange: Exchange) -> None:
        """Answer a request."""
        if exchange.method == b"POST" and exchange.target in self._infer_targets:
            self._infer(exchange)
            return
        try:
            methods, answer = self._route(exchange.target)
            if exchange.method in methods:
                answer(exchange)
            else:
                exchange.answer(_not_allowed(exchange.method, methods))
        except RequestError as problem:
            exchange.answer(_failure(problem))

    def refused(self, target: bytes, status: int) -> None:
        """Count an inference request that could not be read."""
        if target in self._infer_targets:
            self._plane.metrics.refused(status, "Unreadable")

    def _route(self, target: bytes) -> tuple[tuple[bytes, ...], Open]:
        """Find what a target means: its methods, and what answers them.

        Raises:
            RequestError: NOT_FOUND.
        """
        path = urlsplit(target.decode("latin-1")).path
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["v2"]:
                return READ, self._server
            case ["v2", "health", "live"]:
                return READ, self._live
            case ["v2", "health", "ready"]:
                return READ, self._ready
            case ["v2", "models", name, "versions", version, *rest]:
                return self._model_route(path, name, version, rest)
            case ["v2", "models", name, *rest]:
                return self._model_route(path, name, None, rest)
            case _:
                raise _unknown(path)

    def _model_route(
        self, path: str, name: str, version: str | None, rest: list[str]
    ) -> tuple[tuple[bytes, ...], Open]:
        self._plane.check(name, version)
        match rest:
            case []:
                return READ, self._metadata
            case ["ready"]:
                return READ, self._model_ready
            case ["infer"]:
                return (b"POST",), self._infer
            case _:
                raise _unknown(path)

    def _server(self, exchange: Exchange) -> None:
        exchange.answer(
            _json(
                200, {"name": "slipway", "version": VERSION, "extensions": ["binary_tensor_data"]}
            )
        )

    def _live(self, exchange: Exchange) -> None:
        exchange.answer(_json(200, {"live": True}))

    def _ready(self, exchange: Exchange) -> None:
        health = self._plane.health
        if health.ready:
            exchange.answer(_json(200, {"ready": True}))
            return
        state = {"ready": False, "reason": health.reason, "message": health.message}
        exchange.answer(_json(503, state))

    def _model_ready(self, exchange: Exchange) -> None:
        ready = self._plane.health.ready
        exchange.answer(_json(200 if ready else 503, {"name": self._plane.name, "ready": ready}))

    def _metadata(self, exchange: Exchange) -> None:
        exchange.answer(_json(200, self._plane.metadata()))

    def _infer(self, exchange: Exchange) -> None:
        started = perf_counter()
        done = partial(self._infer_done, exchange, started)
        try:
            call = self._plane.model().reader.read(exchange.body, _json_length(exchange))
            job = self._plane.infer(call, done)
        except RequestError as problem:
            done(problem)
        else:
            if job:
                exchange.cancel = partial(self._plane.cancel, job)

    def _infer_done(
        self, exchange: Exchange, started: float, outcome: Answer | RequestError
    ) -> None:
        if isinstance(outcome, Answer):
            response = _answer(outcome)
        else:
            response = _failure(outcome)
            if reason := REJECTIONS.get(outcome.kind):
                self._plane.metrics.rejected[reason] += 1
        exchange.answer(response)
        self._plane.metrics.answered(response.status, perf_counter() - started)


def _json_length(exchange: Exchange) -> int | None:
    """Return how many bytes of the body are JSON; None for all."""
    headers = exchange.headers
    if (encoding := headers.get(b"content-encoding", b"identity")) != b"identity":
        raise _UnsupportedEncodingError(encoding.decode("latin-1"))
    text = headers.get(JSON_LENGTH)
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise InvalidRequestError(
            f"the header Inference-Header-Content-Length is {text.decode('latin-1')!r}, expected "
            "the number of bytes of the JSON part"
        )
    return int(text)


class _UnsupportedEncodingError(InvalidRequestError):
    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"the body's Content-Encoding is {encoding!r}; only uncompressed bodies are taken"
        )


def _json(status: int, content: object) -> Response:
    return Response(status, (orjson.dumps(content),))


def _answer(answer: Answer) -> Response:
    if not answer.tail:
        return Response(200, (answer.json,))
    headers = (
        b"content-type: application/octet-stream\r\n"
        b"inference-header-content-length: %d\r\n" % len(answer.json)
    )
    return Response(200, (answer.json, *answer.tail), headers)


def _failure(problem: RequestError) -> Response:
    status = 415 if isinstance(problem, _UnsupportedEncodingError) else STATUS[problem.kind]
    retry = problem.retry_after
    return error(status, problem.message, b"retry-after: %d\r\n" % retry if retry else b"")


def _not_allowed(method: bytes, methods: tuple[bytes, ...]) -> Response:
    allowed = b", ".join(methods)
    message = f"{method.decode('latin-1')} is not allowed here; use {allowed.decode()}"
    return error(405, message, b"allow: " + allowed + b"\r\n")


def _unknown(path: str) -> RequestError:
    return RequestError(
        Kind.NOT_FOUND,
        f"there is nothing at {path!r}; the Open Inference Protocol begins at '/v2' and "
        "'/v2/models/NAME'",
    )
