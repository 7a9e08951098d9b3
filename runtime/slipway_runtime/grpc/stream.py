"""gRPC over one HTTP/2 stream: the request's head, messages in their frames, the end's trailers."""

from collections.abc import Callable
from functools import partial
from math import inf
from struct import Struct
from time import perf_counter
from typing import cast

from slipway_runtime import encodings, logs
from slipway_runtime.aside import Aside
from slipway_runtime.errors import InvalidRequestError, RequestError
from slipway_runtime.grpc import limits, routes
from slipway_runtime.grpc.rpc import Methods, Take
from slipway_runtime.grpc.status import OK, Code, Status
from slipway_runtime.http2 import hpack
from slipway_runtime.http2.connection import Connection
from slipway_runtime.http2.requests import Head
from slipway_runtime.http2.streams import Stream
from slipway_runtime.tracing import Context

PREFIX = Struct(">BI")
"""In front of every message: whether it is compressed, and its size."""
PREFIX_SIZE = PREFIX.size
READ_SECONDS = 30.0
"""For the beginning of a message."""
SLOWEST_MESSAGE = 64 << 10
"""Bytes per second that it must have on average beyond that."""

HEADERS = hpack.encode([(b":status", b"200"), (b"content-type", b"application/grpc")])
WELL = hpack.encode(OK.pairs())
UNARY = "this method takes exactly one message; {} came"
NONE, SEVERAL = UNARY.format("none"), UNARY.format("several")


class Service:
    """What a port serves: calls by their paths.

    ``most_bytes`` bounds a message, also once it is decompressed.
    """

    own_header = b"grpc-timeout"

    def __init__(
        self, methods: Methods, most_bytes: int, aside: Aside, refused: Callable[[Status], None]
    ) -> None:
        """Take the methods; ``refused`` is told of inference calls that are not even begun."""
        self.methods = methods
        self.most_bytes = most_bytes
        self.aside = aside
        self.refused = refused

    def accept(self, connection: Connection, stream_id: int, window: int) -> Stream:
        """Make the stream that takes a request."""
        return RpcStream(self, connection, stream_id, window)


class RpcStream(Stream):
    """One call. See ``Rpc`` for what those who answer it use."""

    __slots__ = (
        "_begun", "_buffer", "_encoding", "_inference", "_message", "_plain", "_service", "_take",
        "_unary", "_unpacking", "cancel", "closed", "parent", "retire_call", "trace", "until",
    )  # fmt: skip

    def __init__(
        self, service: Service, connection: Connection, stream_id: int, window: int
    ) -> None:
        super().__init__(connection, stream_id, window)
        self._service = service
        self._begun = False
        self._buffer: bytearray | None = None
        self._unpacking = False
        self._message: bytes | None = None
        self._take: Take | None = None
        self.cancel: Callable[[], None] | None = None
        self.closed: Callable[[], None] | None = None
        self.retire_call: Callable[[], None] | None = None
        self.until: float | None = None
        self.parent: Context | None = None
        self.trace: Context | None = None

    # What the connection calls.

    def begin(self, head: Head, own: bytes) -> None:
        """Find who answers."""
        route: routes.Route | None = head.route
        if route is None:
            route = head.route = routes.route(self._service.methods, head)
        method = route.method
        self._encoding = route.encoding
        self._unary = method.begin is None
        self._inference = method.inference
        self._plain = route.plain
        self.parent = self.trace = route.parent
        self.deadline = self.connection.port.now + READ_SECONDS
        if route.plain:
            if self.ended:
                self._answer_plainly()
            return
        if route.refusal:
            self._refuse(route.refusal)
            return
        try:
            if own:
                self.until = perf_counter() + limits.seconds(own)
            self._take = method.begin(self) if method.begin else method.take
        except InvalidRequestError as problem:
            self._refuse(Status.of(problem))
            return
        if self.ended:
            self.data(b"")

    def data(self, piece: bytes) -> None:
        """Take a part of the request's body."""
        if self._plain:
            if self.ended:
                self._answer_plainly()
            return
        size = len(piece) - PREFIX_SIZE
        if self.ended and self._unary and self._buffer is None and size >= 0:
            compressed, length = PREFIX.unpack_from(piece)
            if not compressed and length == size <= self._service.most_bytes:
                self.hold(size)
                self._deliver(piece[PREFIX_SIZE:])
                return
        self._collect(piece)

    def _answer_plainly(self) -> None:
        self.deadline = inf
        plain = cast("routes.Plain", self._plain)
        self.answer(plain.head, plain.body, b"")

    def cancelled(self) -> None:
        """Tell who works on an answer that nobody waits for it."""
        if self.cancel:
            self.cancel()

    def overdue(self) -> None:
        """End a call whose message does not come."""
        self._refuse(
            Status(Code.DEADLINE_EXCEEDED, f"the message was not complete after {READ_SECONDS:g} s")
        )

    def retire(self) -> None:
        """Come to an end, where the caller might go on for ever."""
        if self.retire_call:
            self.retire_call()

    # Messages.

    def _collect(self, piece: bytes) -> None:
        """Put together messages that come in several pieces, or several in one."""
        buffer = self._buffer
        if buffer is None:
            buffer = self._buffer = bytearray()
        buffer += piece
        self.hold(len(piece))
        self.deadline += len(piece) / SLOWEST_MESSAGE
        if self.connection.port.held_bytes > self.connection.port.most_held_bytes:
            text = "this server holds as many bytes of requests as it may; try again"
            self._refuse(Status(Code.RESOURCE_EXHAUSTED, text, _RETRY))
            return
        self._advance(buffer)

    def _advance(self, buffer: bytearray) -> None:
        """Take the messages that are there; in their order, so one is unpacked at a time."""
        while self.open and not self._unpacking and len(buffer) >= PREFIX_SIZE:
            compressed, size = PREFIX.unpack_from(buffer)
            if size > self._service.most_bytes:
                self._refuse(self._too_large(size))
                return
            if len(buffer) < PREFIX_SIZE + size:
                break
            message = bytes(memoryview(buffer)[PREFIX_SIZE : PREFIX_SIZE + size])
            del buffer[: PREFIX_SIZE + size]
            self._unpack(compressed, message)
        if self.open and self.ended and not self._unpacking:
            self._finish_request(len(buffer))

    def _too_large(self, size: int) -> Status:
        return Status(
            Code.RESOURCE_EXHAUSTED,
            f"the message has {size} bytes, the most is {self._service.most_bytes}",
        )

    def _unpack(self, compressed: int, message: bytes) -> None:
        if compressed and not self._encoding:
            self._refuse(
                Status(Code.INTERNAL, "a message is compressed, but there is no grpc-encoding")
            )
            return
        if compressed:
            most = self._service.most_bytes
            inflate = partial(encodings.inflate, self._encoding, message, most)
            self._unpacking = True
            self._service.aside.do(inflate, partial(self._unpacked, len(message)))
        else:
            self._accept(message)

    def _unpacked(self, size: int, message: bytes | RequestError) -> None:
        """Go on with a message that was compressed, and had ``size`` bytes then."""
        self._unpacking = False
        if not self.open:
            return
        if isinstance(message, RequestError):
            large = isinstance(message, encodings.TooLargeError)
            status = Status(Code.RESOURCE_EXHAUSTED, message.message)
            self._refuse(status if large else Status.of(message))
            return
        self.hold(len(message) - size)
        self._accept(message)
        self._advance(self._buffer or bytearray())

    def _accept(self, message: bytes) -> None:
        if not self._unary:
            self.deadline = inf
            self.hold(-PREFIX_SIZE)
            self._deliver(message)
        elif self._message is not None:
            self._refuse(Status(Code.UNIMPLEMENTED, SEVERAL))
        else:
            self._message = message

    def _finish_request(self, rest: int) -> None:
        self.deadline = inf
        if rest:
            self._refuse(
                Status(Code.INVALID_ARGUMENT, f"the last message is cut short after {rest} bytes")
            )
        elif not self._unary:
            if self.closed:
                self.closed()
        elif self._message is None:
            self._refuse(Status(Code.UNIMPLEMENTED, NONE))
        else:
            message, self._message = self._message, None
            self._deliver(message)

    def _deliver(self, message: bytes) -> None:
        self.deadline = inf
        try:
            cast("Take", self._take)(self, message)
        except Exception as defect:
            logs.crash("call failed", defect)
            self.end(Status(Code.INTERNAL, "the runtime failed; its log says more"))

    # What those who answer use.

    def reply(self, message: bytes) -> None:
        """Give the one answer, and end the call well."""
        trailers = hpack.encode(self._trailers(OK)) if self.trace else WELL
        self.answer(HEADERS, PREFIX.pack(0, len(message)) + message, trailers)

    def send(self, message: bytes) -> None:
        """Give one answer of several."""
        if not self._begun:
            self._begun = True
            self.start(HEADERS)
        self.push(PREFIX.pack(0, len(message)) + message)

    def end(self, status: Status) -> None:
        """End the call."""
        trailers = hpack.encode(self._trailers(status))
        if self._begun:
            self.finish(trailers)
        else:
            self.answer_only(HEADERS + trailers)

    def _trailers(self, status: Status) -> list[hpack.Pair]:
        return [*status.pairs(), *(self.trace.pairs() if self.trace else ())]

    def _refuse(self, status: Status) -> None:
        """End a call that nobody looked at, and whatever was begun of it."""
        if self._inference:
            self._service.refused(status)
        cancel, self.cancel = self.cancel, None
        if cancel:
            cancel()
        self.end(status)


_RETRY = ((b"grpc-retry-pushback-ms", b"1000"),)
