"""``inference.GRPCInferenceService``: predictions, one by one or on a stream."""

from contextlib import suppress
from functools import partial
from typing import Any

from slipway_runtime.errors import RequestError
from slipway_runtime.grpc import responses
from slipway_runtime.grpc.messages import message, parse
from slipway_runtime.grpc.plans import REQUEST
from slipway_runtime.grpc.prediction import Prediction, Requests
from slipway_runtime.grpc.rpc import Method, Methods, Rpc, Take
from slipway_runtime.grpc.status import OK, Code, Status

SERVICE = "inference.GRPCInferenceService"
START = f"/{SERVICE}/".encode()

UNREADABLE = {Code.RESOURCE_EXHAUSTED: 413, Code.DEADLINE_EXCEEDED: 408}
"""What was too large, and what came too slowly; the rest makes no sense."""

STREAM_RESPONSE = message("inference.ModelStreamInferResponse")


class Predictions:
    """The calls that predict."""

    def __init__(self, shared: Requests) -> None:
        self._shared = shared

    def methods(self) -> Methods:
        """Return what is served."""
        return {
            START + b"ModelInfer": Method(self.infer, inference=True),
            START + b"ModelStreamInfer": Method(begin=self.stream, inference=True),
        }

    def infer(self, rpc: Rpc, content: bytes) -> None:
        """Answer one request."""
        prediction = Prediction(self._shared, rpc, partial(_answer, rpc))
        rpc.cancel = prediction.cancel
        prediction.begin(content)

    def stream(self, rpc: Rpc) -> Take:
        """Answer the requests of a stream, each when its answer is there."""
        return _Stream(self._shared, rpc).take

    def refused(self, status: Status) -> None:
        """Count a request that could not be read, by what REST answers in the same case."""
        code = 503 if status.more else UNREADABLE.get(status.code, 400)
        self._shared.plane.metrics.grpc.refused(code, "Unreadable")


def _answer(rpc: Rpc, answer: bytes | RequestError) -> None:
    rpc.cancel = None
    if isinstance(answer, RequestError):
        rpc.end(Status.of(answer))
    else:
        rpc.reply(answer)


class _Stream:
    """One call of ModelStreamInfer. A request that fails is told so; the stream goes on."""

    def __init__(self, shared: Requests, rpc: Rpc) -> None:
        self._shared = shared
        self._rpc = rpc
        self._going: dict[object, Prediction] = {}
        self._last: Status | None = None
        rpc.cancel = self._cancel
        rpc.closed = partial(self._end, OK)
        rpc.retire_call = partial(self._end, Status(Code.UNAVAILABLE, "the server ends"))

    def take(self, rpc: Rpc, content: bytes) -> None:
        """Answer one request."""
        if self._last:
            return
        token = object()
        answered = partial(self._answer, token, content)
        prediction = self._going[token] = Prediction(self._shared, rpc, answered)
        prediction.begin(content)

    def _answer(self, token: object, content: bytes, answer: bytes | RequestError) -> None:
        if self._going.pop(token, None) is None:
            return
        self._rpc.hold(-len(content))
        if isinstance(answer, RequestError):
            self._rpc.send(_failure(content, answer.message))
        else:
            self._rpc.send(responses.streamed(answer))
        self._end_if_idle()

    def _end(self, status: Status) -> None:
        """End after the last answer."""
        self._last = status
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._last and not self._going:
            self._rpc.end(self._last)

    def _cancel(self) -> None:
        going, self._going = self._going, {}
        for prediction in going.values():
            prediction.cancel()


def _failure(content: bytes, text: str) -> bytes:
    """Write what goes wrong with one request of a stream, with its id where it can be read."""
    failed: Any = STREAM_RESPONSE(error_message=text)
    with suppress(RequestError):
        failed.infer_response.id = parse(REQUEST, content).id
    return bytes(failed.SerializeToString())
