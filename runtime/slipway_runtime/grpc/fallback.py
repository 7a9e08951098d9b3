"""The gRPC port on the grpcio package, over the same services: ``--grpc-backend=grpcio``.

For callers of whom our own HTTP/2 makes no sense. A request costs about ten times the CPU here.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from time import perf_counter

import grpc

from slipway_runtime import logs, tracing
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.grpc.rpc import Method
from slipway_runtime.grpc.status import OK, Code, Status
from slipway_runtime.grpc.stream import NONE, SEVERAL, Service
from slipway_runtime.tracing import Context

RETIRE_SECONDS = 3600.0
"""Longer than any answer takes: whoever ends the server ends what is left."""


class GrpcioRpc:
    """One call. See ``Rpc`` for what those who answer it use."""

    def __init__(self, timeout: float | None, parent: Context | None) -> None:
        self.until = None if timeout is None else perf_counter() + timeout
        self.parent = self.trace = parent
        self.cancel: Callable[[], None] | None = None
        self.closed: Callable[[], None] | None = None
        self.retire_call: Callable[[], None] | None = None
        self.answers: asyncio.Queue[bytes | Status] = asyncio.Queue()

    def reply(self, message: bytes) -> None:
        """Give the one answer, and end the call well."""
        self.answers.put_nowait(message)
        self.answers.put_nowait(OK)

    def send(self, message: bytes) -> None:
        """Give one answer of several."""
        self.answers.put_nowait(message)

    def end(self, status: Status) -> None:
        """End the call."""
        self.answers.put_nowait(status)

    def hold(self, size: int) -> None:
        """Count nothing: grpcio holds what it holds."""


class GrpcioServer:
    """What listens, and what is going on."""

    def __init__(self, service: Service, most_connections: int) -> None:
        del most_connections
        options = [
            ("grpc.max_receive_message_length", service.most_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        self._calls: set[GrpcioRpc] = set()
        self._service = service
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((_Handlers(service, self._calls),))
        self._ending: asyncio.Task[None] | None = None

    async def listen(self, bound: socket.socket) -> None:
        """Begin to accept connections, where a socket was bound to."""
        host, port = bound.getsockname()[:2]
        bound.close()
        self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await self._server.start()

    def tick(self, now: float) -> None:
        """Time moves on without help here."""

    def retire(self) -> None:
        """Accept no more, and tell all clients to go elsewhere once they have their answers."""
        self._ending = asyncio.ensure_future(self._server.stop(RETIRE_SECONDS))
        for call in list(self._calls):
            if call.retire_call:
                call.retire_call()

    @property
    def connections(self) -> int:
        """How many calls are going on; of connections grpcio does not tell."""
        return len(self._calls)

    async def close(self) -> None:
        """Leave nothing open."""
        await self._server.stop(0)
        self._service.aside.close()


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, service: Service, calls: set[GrpcioRpc]) -> None:
        self._service = service
        self._calls = calls

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Find what answers a path."""
        method = self._service.methods.get(details.method.encode())
        if method is None:
            return None
        return grpc.stream_stream_rpc_method_handler(partial(_serve, method, self._calls))


async def _serve(
    method: Method,
    calls: set[GrpcioRpc],
    requests: AsyncIterator[bytes],
    context: grpc.aio.ServicerContext,
) -> AsyncIterator[bytes]:
    """Bring a call's messages to its method, and its answers back."""
    rpc = GrpcioRpc(context.time_remaining(), _parent(context))
    calls.add(rpc)
    reading = asyncio.ensure_future(_read(method, rpc, requests))
    try:
        while not isinstance(answer := await rpc.answers.get(), Status):
            yield answer
        rpc.cancel = None
        more = (*answer.more, *(rpc.trace.pairs() if rpc.trace else ()))
        context.set_trailing_metadata([(name.decode(), value.decode()) for name, value in more])
        if answer is not OK:
            await context.abort(_CODES[answer.code], answer.message)
    finally:
        reading.cancel()
        calls.discard(rpc)
        if rpc.cancel:
            rpc.cancel()


def _parent(context: grpc.aio.ServicerContext) -> Context | None:
    metadata = context.invocation_metadata() or ()
    return tracing.read(
        {key.encode(): value.encode() for key, value in metadata if isinstance(value, str)}
    )


async def _read(method: Method, rpc: GrpcioRpc, requests: AsyncIterator[bytes]) -> None:
    try:
        await _take(method, rpc, requests)
    except InvalidRequestError as problem:
        rpc.end(Status.of(problem))
    except Exception as defect:
        logs.crash("call failed", defect)
        rpc.end(Status(Code.INTERNAL, "the runtime failed; its log says more"))


async def _take(method: Method, rpc: GrpcioRpc, requests: AsyncIterator[bytes]) -> None:
    if method.begin:
        take = method.begin(rpc)
        async for message in requests:
            take(rpc, message)
        if rpc.closed:
            rpc.closed()
        return
    messages = [message async for message in requests]
    if len(messages) == 1 and method.take:
        method.take(rpc, messages[0])
    else:
        rpc.end(Status(Code.UNIMPLEMENTED, SEVERAL if messages else NONE))


_CODES = {code.value[0]: code for code in grpc.StatusCode}
