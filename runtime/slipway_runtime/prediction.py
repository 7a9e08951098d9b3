"""One inference request over REST: from its body to its answer, at once or with help from aside."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import msgspec
from msgspec.structs import replace

from slipway_runtime import answers, encodings, logs, tracing
from slipway_runtime.answers import Answer
from slipway_runtime.aside import Aside, Steps
from slipway_runtime.batching import Job, Outcome
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.errors import InvalidRequestError, Kind, RequestError, shown
from slipway_runtime.exchange import Exchange, Head, Response, error
from slipway_runtime.instances import HEADER, Named
from slipway_runtime.protocol import Call
from slipway_runtime.spans import Request, run
from slipway_runtime.tensors import Array
from slipway_runtime.tracing import Context

STATUS = {
    Kind.INVALID: 400,
    Kind.NOT_FOUND: 404,
    Kind.NOT_READY: 503,
    Kind.OVERLOADED: 503,
    Kind.EXPIRED: 504,
    Kind.INTERNAL: 500,
}

BINARY = b"content-type: application/octet-stream\r\ninference-header-content-length: %d\r\n"
BINARIES = [BINARY % length for length in range(1024)]
"""Nearly all that are needed."""
JSON_LENGTH = b"inference-header-content-length"
ALWAYS_QUICK_BYTES = 16 << 10
"""A body that the event loop may read whatever is in it."""
TIMEOUTS = (b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms")
"""What callers and proxies say of how long they will wait, in milliseconds."""


class UnsupportedEncodingError(InvalidRequestError):
    """A body in an encoding that is not known."""

    def __init__(self, encoding: bytes) -> None:
        super().__init__(
            f"the body's Content-Encoding is {shown(encoding.decode('latin-1'))}; gzip, deflate "
            "and identity are known, and one of them at a time"
        )


REFUSALS = {UnsupportedEncodingError: 415, encodings.TooLargeError: 413}
"""What HTTP has a status of its own for."""


class Manner(msgspec.Struct, frozen=True, gc=False):
    """What the head of an inference request says.

    ``json_length`` is None if all of the body is JSON. ``encoding`` is the body's, ``accepted`` the
    one that the answer may have; both are empty for none. ``timeout`` is in seconds. ``parent`` is
    where the request stands in a trace.
    """

    json_length: int | None
    encoding: bytes
    accepted: bytes
    timeout: float | None
    parent: Context | None


def manner(head: Head) -> Manner:
    """Read the headers of an inference request.

    Raises:
        InvalidRequestError: A header that makes no sense, or an unknown encoding.
    """
    headers = head.headers
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding != b"identity" and encoding not in encodings.ENCODINGS:
        raise UnsupportedEncodingError(encoding)
    text = headers.get(JSON_LENGTH)
    said = [_whole(headers[name], name) for name in TIMEOUTS if name in headers]
    waits = [each for each in said if each]  # 0 is none
    return Manner(
        None if text is None else _whole(text, JSON_LENGTH),
        b"" if encoding == b"identity" else encoding,
        encodings.choose(headers.get(b"accept-encoding", b"")),
        min(waits) / 1e3 if waits else None,
        tracing.read(headers),
    )


def _whole(text: bytes, name: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise InvalidRequestError(
            f"the header {name.decode().title()} is {shown(text.decode('latin-1'))}, expected a "
            f"number of {'bytes' if name == JSON_LENGTH else 'milliseconds'}"
        )
    return int(text)


class Prediction(Steps):
    """What goes on between an inference request and its answer.

    A step that takes long is done aside, and ends in the next one.
    """

    __slots__ = ("_call", "_exchange", "_id", "_job", "_manner", "_site", "_started")

    _call: Call

    def __init__(self, site: "Predictions", wanted: Manner, exchange: Exchange) -> None:
        self._site = site
        self._manner = wanted
        self._exchange = exchange
        self._started = perf_counter()
        self._over = False
        self._threads = site.aside
        self._id = ""
        self._job: Job | None = None
        exchange.cancel = self._cancel

    def begin(self) -> None:
        """Take the first step."""
        body, wanted = self._exchange.body, self._manner
        if wanted.encoding:
            self._step(self._inflate, body)
        elif len(body) > ALWAYS_QUICK_BYTES:
            self._step(self._read, body)
        else:
            try:
                plane = self._site.plane
                served = plane.served or plane.model()
                self._infer(served.reader.read(body, wanted.json_length))
            except RequestError as problem:
                self._fail(problem)

    def _inflate(self, body: bytes) -> None:
        inflate = partial(
            encodings.inflate, self._manner.encoding, body, self._site.most_body_bytes
        )
        self._aside(inflate, self._hold)

    def _hold(self, body: bytes) -> None:
        if not self._exchange.hold(len(body)):
            message = "this server holds as many bytes of requests as it may; try again"
            raise RequestError(Kind.OVERLOADED, message, 1)
        self._read(body)

    def _read(self, body: bytes) -> None:
        length = self._manner.json_length
        reader = self._site.plane.model().reader
        if reader.quick(len(body), length):
            self._infer(reader.read(body, length))
        else:
            self._aside(partial(reader.read, body, length), self._infer)

    def _infer(self, call: Call) -> None:
        wait = self._manner.timeout
        if wait is not None:
            call = replace(call, timeout=wait if call.timeout is None else min(wait, call.timeout))
        self._call = call
        self._id = call.id
        self._job = self._site.plane.infer(call, self._finish, self._started)

    def _finish(self, outcome: Outcome) -> None:
        self._step(self._write, outcome)

    def _write(self, arrays: list[Array]) -> None:
        prefix, call = self._site.prefix, self._call
        forms = call.wish.forms
        if answers.quick(forms, arrays):
            self._pack(answers.compose(prefix, call.id, forms, arrays))
        else:
            self._aside(partial(answers.compose, prefix, call.id, forms, arrays), self._pack)

    def _pack(self, answer: Answer) -> None:
        accepted = self._manner.accepted
        if accepted and answer.size >= encodings.LEAST_BYTES:
            self._aside(partial(_compressed, answer, accepted), self._answer)
        else:
            self._answer(_response(answer))

    def _fail(self, problem: RequestError) -> None:
        if problem.kind is Kind.NOT_READY:
            self._site.plane.metrics.dropped("NotReady")
        elif problem.kind is Kind.INTERNAL:
            logs.failed(problem.message, self._id, self._manner.parent)
        self._answer(failure(problem))

    def _answer(self, response: Response) -> None:
        if self._manner.parent or self._site.plane.spans:
            response = self._traced(response)
        self._exchange.answer(response)
        self._site.plane.metrics.rest.answered(response.status, perf_counter() - self._started)

    def _traced(self, response: Response) -> Response:
        """Pass the trace's context on, with a span of our own if those are exported."""
        context, spans = self._manner.parent, self._site.plane.spans
        if spans:
            request = Request("rest", response.status, self._id, self._started, run(self._job))
            context = spans.record(context, request)
        lines = [b"%b: %b\r\n" % pair for pair in context.pairs()] if context else []
        return replace(response, headers=b"".join([response.headers, *lines]))

    def _cancel(self) -> None:
        self._over = True
        if self._job:
            self._site.plane.cancel(self._job)
        else:
            self._site.plane.metrics.dropped("Cancelled")


class Predictions:
    """All inference requests of one port."""

    def __init__(self, plane: DataPlane, aside: Aside, most_body_bytes: int) -> None:
        self.plane = plane
        self.aside = aside
        self.most_body_bytes = most_body_bytes
        self.prefix = answers.prefix(plane.name, plane.version)

    def plan(self, head: Head) -> Callable[[Exchange], None]:
        """Make up what answers requests with this head."""
        try:
            opened = partial(self._open, manner(head))
        except RequestError as problem:
            return partial(self._refuse, failure(problem))
        if HEADER in head.headers:
            return lambda exchange: opened(Named(exchange, self.plane.instance).exchange())
        return opened

    def _open(self, wanted: Manner, exchange: Exchange) -> None:
        Prediction(self, wanted, exchange).begin()

    def _refuse(self, response: Response, exchange: Exchange) -> None:
        exchange.answer(response)
        self.plane.metrics.rest.answered(response.status, 0.0)


def _response(answer: Answer) -> Response:
    size = answer.json_size
    if size is None:
        return Response(200, answer.body)
    return Response(200, answer.body, BINARIES[size] if size < len(BINARIES) else BINARY % size)


def _compressed(answer: Answer, encoding: bytes) -> Response:
    plain = _response(answer)
    headers = plain.headers + b"content-encoding: %b\r\n" % encoding
    return Response(200, (encodings.deflate(encoding, plain.body),), headers)


def failure(problem: RequestError) -> Response:
    """Write why there is no prediction."""
    status = REFUSALS.get(type(problem)) or STATUS[problem.kind]
    retry = problem.retry_after
    return error(status, problem.message, b"retry-after: %d\r\n" % retry if retry else b"")
