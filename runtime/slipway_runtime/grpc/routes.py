"""What the head of a request means: who answers the call, or why nobody does."""

from typing import NamedTuple

from slipway_runtime import encodings, tracing
from slipway_runtime.grpc.rpc import Method, Methods
from slipway_runtime.grpc.status import Code, Status
from slipway_runtime.http2 import hpack
from slipway_runtime.http2.requests import OVERSIZED, Head
from slipway_runtime.tracing import Context

ENCODINGS = b"identity,deflate,gzip"


class Plain(NamedTuple):
    """An answer to something that is no gRPC call."""

    head: bytes
    body: bytes


class Route(NamedTuple):
    """What a request's head means: who answers it, or why nobody does."""

    method: Method
    encoding: bytes = b""
    refusal: Status | None = None
    plain: Plain | None = None
    parent: Context | None = None


def route(methods: Methods, head: Head) -> Route:
    """Find out what a request's head means."""
    if head is OVERSIZED:
        return Route(Method(), refusal=Status(Code.RESOURCE_EXHAUSTED, "the headers are too long"))
    if plain := _not_grpc(head):
        return Route(Method(), plain=plain)
    method = methods.get(head.path)
    if method is None:
        path = head.path.decode("latin-1")
        return Route(Method(), refusal=Status(Code.UNIMPLEMENTED, f"there is no method {path!r}"))
    encoding = head.headers.get(b"grpc-encoding", b"identity")
    if encoding != b"identity" and encoding not in encodings.ENCODINGS:
        name = encoding.decode("latin-1")
        message = f"messages in the encoding {name!r} can't be read; use gzip, deflate or none"
        more = ((b"grpc-accept-encoding", ENCODINGS),)
        return Route(method, refusal=Status(Code.UNIMPLEMENTED, message, more))
    parent = tracing.read(head.headers)
    return Route(method, b"" if encoding == b"identity" else encoding, parent=parent)


def _not_grpc(head: Head) -> Plain | None:
    """Answer what is HTTP/2, but no call, in a way that a person with curl understands."""
    kind = head.headers.get(b"content-type", b"")
    if head.method != b"POST":
        status, text = b"405", b"gRPC calls are POST requests"
    elif not kind.startswith(b"application/grpc") or kind[16:17] not in (b"", b"+", b";"):
        status, text = b"415", b"gRPC calls have the content-type application/grpc"
    elif kind[16:17] == b"+" and not kind.startswith(b"application/grpc+proto"):
        status, text = b"415", b"messages are taken as protocol buffers: application/grpc+proto"
    else:
        return None
    block = hpack.encode([(b":status", status), (b"content-type", b"text/plain")])
    return Plain(block, b"This port speaks gRPC: " + text + b". REST has another port.\n")
