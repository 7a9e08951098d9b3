"""One inference request: from its message to its answer, at once or with help from aside."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

from slipway_runtime import answers, logs
from slipway_runtime.aside import Aside, Steps
from slipway_runtime.batching import Job, Outcome
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.errors import Kind, RequestError
from slipway_runtime.grpc import responses
from slipway_runtime.grpc.messages import parse
from slipway_runtime.grpc.plans import REQUEST
from slipway_runtime.grpc.requests import Asked, Reader
from slipway_runtime.grpc.rpc import Rpc
from slipway_runtime.grpc.status import CODES, HTTP_STATUS
from slipway_runtime.protocol import MOST_COPIED_BYTES, MOST_QUICK_BYTES, Call
from slipway_runtime.spans import Request, run
from slipway_runtime.tensors import Array
from slipway_runtime.wishes import Wish

Answered = Callable[[bytes | RequestError], None]


NOTHING = Asked(Call({}, Wish((), ()), ""), typed=False)
"""What was asked while that is not known."""


class Requests:
    """What all inference requests of a server share."""

    def __init__(self, plane: DataPlane, aside: Aside) -> None:
        self.plane = plane
        self.aside = aside
        self.prefix = responses.prefix(plane.name, plane.version)
        self._reader: Reader | None = None

    def recall(self, content: bytes) -> Asked | None:
        """Read a request that is like one before; None if it is not, or would take long."""
        if self._reader is None or len(content) > MOST_COPIED_BYTES:
            return None
        return self._reader.recall(content)

    def read(self, content: bytes) -> Asked:
        """Read a request; from any thread.

        Raises:
            RequestError: INVALID, NOT_FOUND or NOT_READY.
        """
        request = parse(REQUEST, content)
        self.plane.check(request.model_name, request.model_version or None)
        if self._reader is None:
            self._reader = Reader(self.plane.model().signature)
        return self._reader.read(request, content)


class Prediction(Steps):
    """What goes on between a request and its answer, which ``answered`` is told."""

    __slots__ = ("_answered", "_asked", "_job", "_rpc", "_shared", "_started")

    def __init__(self, shared: Requests, rpc: Rpc, answered: Answered) -> None:
        self._shared = shared
        self._rpc = rpc
        self._answered = answered
        self._asked = NOTHING
        self._started = perf_counter()
        self._over = False
        self._threads = shared.aside
        self._job: Job | None = None

    def begin(self, content: bytes) -> None:
        """Take the first step."""
        try:
            asked = self._shared.recall(content)
            if asked:
                self._infer(asked)
            elif len(content) <= MOST_QUICK_BYTES:
                self._infer(self._shared.read(content))
            else:
                self._aside(partial(self._shared.read, content), self._infer)
        except RequestError as problem:
            self._fail(problem)

    def cancel(self) -> None:
        """Stop, since nobody waits any more."""
        self._over = True
        if self._job:
            self._shared.plane.cancel(self._job)

    def _infer(self, asked: Asked) -> None:
        if self._rpc.until is not None:
            asked = _within(asked, self._rpc.until - self._started)
        self._asked = asked
        self._job = self._shared.plane.infer(asked.call, self._finish, self._started)

    def _finish(self, outcome: Outcome) -> None:
        call, typed = self._asked
        if isinstance(outcome, RequestError):
            if outcome.kind is Kind.INTERNAL:
                logs.failed(outcome.message, call.id, self._rpc.parent)
            self._fail(outcome)
            return
        forms = call.wish.forms
        if _quick(outcome, typed) and answers.quick(forms, outcome):
            self._answer(responses.write(self._shared.prefix, call.id, forms, outcome, typed))
            return
        write = partial(responses.write, self._shared.prefix, call.id, forms, outcome, typed)
        self._aside(write, self._answer)

    def _answer(self, answer: bytes) -> None:
        self._end(200, answer)

    def _fail(self, problem: RequestError) -> None:
        if problem.kind is Kind.NOT_READY:
            self._shared.plane.metrics.dropped("NotReady")
        self._end(HTTP_STATUS[CODES[problem.kind]], problem)

    def _end(self, code: int, answer: bytes | RequestError) -> None:
        plane = self._shared.plane
        if plane.spans:
            request = Request("grpc", code, self._asked.call.id, self._started, run(self._job))
            self._rpc.trace = plane.spans.record(self._rpc.parent, request)
        self._over = True
        self._answered(answer)
        plane.metrics.grpc.answered(code, perf_counter() - self._started)


def _quick(arrays: list[Array], typed: bool) -> bool:
    """Tell whether typed contents, if they are wanted, are few."""
    return not typed or all(array.size <= answers.MOST_QUICK_ELEMENTS for array in arrays)


def _within(asked: Asked, timeout: float) -> Asked:
    """Give a call no more time than its caller has."""
    call = asked.call
    seconds = timeout if call.timeout is None else min(timeout, call.timeout)
    return asked._replace(call=Call(call.feed, call.wish, call.id, call.priority, seconds))
