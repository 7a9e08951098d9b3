"""How a call ends: gRPC's codes, and the headers that carry them. Nothing here has a state."""

from enum import IntEnum
from urllib.parse import quote_from_bytes

import msgspec

from slipway_runtime.errors import Kind, RequestError
from slipway_runtime.http2.hpack import Pair


class Code(IntEnum):
    """The codes that we use."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


CODES = {
    Kind.INVALID: Code.INVALID_ARGUMENT,
    Kind.NOT_FOUND: Code.NOT_FOUND,
    Kind.NOT_READY: Code.UNAVAILABLE,
    Kind.OVERLOADED: Code.RESOURCE_EXHAUSTED,
    Kind.EXPIRED: Code.DEADLINE_EXCEEDED,
    Kind.INTERNAL: Code.INTERNAL,
}

HTTP_STATUS = {
    Code.OK: 200,
    Code.INVALID_ARGUMENT: 400,
    Code.NOT_FOUND: 404,
    Code.UNAVAILABLE: 503,
    Code.RESOURCE_EXHAUSTED: 503,
    Code.DEADLINE_EXCEEDED: 504,
    Code.INTERNAL: 500,
}
"""What REST answers in the same case; metrics speak of requests of both by this."""

MOST_MESSAGE_CHARACTERS = 2000
"""Of a message; clients bound the headers that they take, most at 8 or 16 KiB."""

PRINTABLE = bytes(code for code in range(0x20, 0x7F) if code != 0x25).decode()


class Status(msgspec.Struct, frozen=True, gc=False):
    """The end of a call, and what else is told with it."""

    code: Code
    message: str = ""
    more: tuple[Pair, ...] = ()

    @classmethod
    def of(cls, problem: RequestError) -> "Status":
        """Say why there is no prediction, and when to try again where that is known."""
        more: tuple[Pair, ...] = ()
        if problem.retry_after:
            more = ((b"grpc-retry-pushback-ms", b"%d" % (problem.retry_after * 1000)),)
        return cls(CODES[problem.kind], problem.message, more)

    def pairs(self) -> list[Pair]:
        """Write it as headers."""
        pairs = [(b"grpc-status", b"%d" % self.code)]
        if self.message:
            pairs.append((b"grpc-message", escaped(self.message)))
        return pairs + list(self.more)


OK = Status(Code.OK)


def escaped(message: str) -> bytes:
    """Write a message as a header can carry it: what is not printable ASCII as %XX."""
    if len(message) > MOST_MESSAGE_CHARACTERS:
        message = message[:MOST_MESSAGE_CHARACTERS] + "…"
    return quote_from_bytes(message.encode(errors="replace"), safe=PRINTABLE).encode()
