"""The Open Inference Protocol over REST: routes and what is served but predictions."""

from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

import msgspec
import orjson

from slipway_runtime import __version__, descriptions, openapi
from slipway_runtime.aside import Aside
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.errors import InvalidRequestError, Kind, RequestError, shown
from slipway_runtime.exchange import Exchange, Head, Response, error
from slipway_runtime.prediction import Predictions, failure

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "statistics",
]

READ = (b"GET", b"HEAD")
POST = (b"POST",)

Open = Callable[[Exchange], None]
Page = tuple[tuple[bytes, ...], Open]
"""The methods that are allowed there, and what answers them."""


class IndexRequest(msgspec.Struct):
    """What a client asks of the repository index."""

    ready: bool = False


class Rest:
    """The site of the ``http`` port."""

    def __init__(self, plane: DataPlane, most_body_bytes: int) -> None:
        self._plane = plane
        self._aside = Aside()
        self._predictions = Predictions(plane, self._aside, most_body_bytes)
        self._pages: dict[tuple[str, ...], Page] = {
            ("v2",): (READ, self._server),
            ("v2", "health", "live"): (READ, self._live),
            ("v2", "health", "ready"): (READ, self._ready),
            ("v2", "models"): (READ, self._models),
            ("v2", "models", "stats"): (READ, self._statistics),
            ("v2", "openapi.json"): (READ, self._openapi),
            ("v2", "repository", "index"): (POST, self._index),
        }
        self._model_pages: dict[tuple[str, ...], Page] = {
            (): (READ, self._metadata),
            ("ready",): (READ, self._model_ready),
            ("config",): (READ, self._config),
            ("stats",): (READ, self._statistics),
            ("infer",): (POST, self._infer),
        }
        if plane.name == "stats":
            del self._pages["v2", "models", "stats"]  # a model of that name goes first

    def open(self, exchange: Exchange) -> None:
        """Answer a request."""
        head = exchange.head
        try:
            if head.plan is None:
                head.plan = self._plan(head)
            head.plan(exchange)
        except RequestError as problem:
            exchange.answer(failure(problem))

    def close(self) -> None:
        """Leave no thread behind."""
        self._aside.close()

    def refused(self, target: bytes, status: int) -> None:
        """Count an inference request that could not be read."""
        try:
            _, answer = self._route(target)
        except RequestError:
            return
        if answer == self._infer:
            self._plane.metrics.rest.refused(status, "Unreadable")

    def _plan(self, head: Head) -> Open:
        """Make up what answers requests with this head.

        Raises:
            RequestError: NOT_FOUND.
        """
        methods, answer = self._route(head.target)
        if head.method not in methods:
            return partial(_refuse, _not_allowed(head.method, methods))
        return self._predictions.plan(head) if answer == self._infer else answer

    def _route(self, target: bytes) -> Page:
        """Find what a target means: its methods, and what answers them.

        Raises:
            RequestError: NOT_FOUND.
        """
        path = _path(target)
        parts = tuple(unquote(part) for part in path.strip("/").split("/"))
        if page := self._pages.get(parts):
            return page
        match parts:
            case ("v2", "models", name, "versions", version, *rest):
                self._plane.check(name, version)
            case ("v2", "models", name, *rest):
                self._plane.check(name, None)
            case _:
                raise _unknown(path)
        if page := self._model_pages.get(tuple(rest)):
            return page
        raise _unknown(path)

    def _server(self, exchange: Exchange) -> None:
        described = {"name": "slipway", "version": __version__, "extensions": EXTENSIONS}
        exchange.answer(_json(200, described))

    def _live(self, exchange: Exchange) -> None:
        live = self._plane.live
        exchange.answer(_json(200 if live else 503, {"live": live}))

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

    def _models(self, exchange: Exchange) -> None:
        exchange.answer(_json(200, {"models": [self._plane.name]}))

    def _config(self, exchange: Exchange) -> None:
        exchange.answer(_json(200, descriptions.config(self._plane)))

    def _statistics(self, exchange: Exchange) -> None:
        exchange.answer(_json(200, descriptions.statistics(self._plane)))

    def _index(self, exchange: Exchange) -> None:
        try:
            wanted = msgspec.json.decode(exchange.body or b"{}", type=IndexRequest)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise InvalidRequestError(f"the request is not an index request: {problem}") from None
        exchange.answer(_json(200, descriptions.index(self._plane, wanted.ready)))

    def _openapi(self, exchange: Exchange) -> None:
        plane = self._plane
        signature = plane.served.signature if plane.served else None
        document = openapi.document(plane.name, plane.version, __version__, signature)
        exchange.answer(_json(200, document))

    def _infer(self, exchange: Exchange) -> None:
        """Stand for predictions, which have a plan of their own."""
        self._predictions.plan(exchange.head)(exchange)


def _path(target: bytes) -> str:
    """Return the path of a target, which may also be a whole URL."""
    text = target.decode("latin-1").partition("?")[0]
    if text.startswith("/"):
        return text
    return "/" + text.partition("://")[2].partition("/")[2]


def _refuse(response: Response, exchange: Exchange) -> None:
    exchange.answer(response)


def _json(status: int, content: object) -> Response:
    return Response(status, (orjson.dumps(content),))


def _not_allowed(method: bytes, methods: tuple[bytes, ...]) -> Response:
    allowed = b", ".join(methods)
    message = f"{method.decode('latin-1')} is not allowed here; use {allowed.decode()}"
    return error(405, message, b"allow: " + allowed + b"\r\n")


def _unknown(path: str) -> RequestError:
    return RequestError(
        Kind.NOT_FOUND,
        f"there is nothing at {shown(path)}; the Open Inference Protocol begins at '/v2' and "
        "'/v2/models/NAME'",
    )
