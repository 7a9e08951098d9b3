"""A call as those who answer it see it: messages in, messages and a status out, no transport."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from slipway_runtime.grpc.status import Status
from slipway_runtime.tracing import Context

Take = Callable[["Rpc", bytes], None]


class Rpc(Protocol):
    """One call.

    Attributes:
        until: when the caller stops waiting, by ``perf_counter``; None without a limit.
        parent: where the call stands in a trace; None if its caller told nothing.
        trace: what the answer says of that: ``parent``, unless another is set.
        cancel: set by who answers later; called if the caller goes away first.
        closed: the same, called when the caller has sent its last message of several.
        retire_call: the same, called when the server is about to end.
    """

    until: float | None
    parent: Context | None
    trace: Context | None
    cancel: Callable[[], None] | None
    closed: Callable[[], None] | None
    retire_call: Callable[[], None] | None

    def reply(self, message: bytes) -> None:
        """Give the one answer, and end the call well."""

    def send(self, message: bytes) -> None:
        """Give one answer of several."""

    def end(self, status: Status) -> None:
        """End the call."""

    def hold(self, size: int) -> None:
        """Count bytes of requests that are kept; negative ones are let go before the end."""


class Method(NamedTuple):
    """What answers the calls of one path.

    ``take`` gets the caller's message. Where there may be several of them, ``begin`` makes what
    takes them, once for each call.
    """

    take: Take | None = None
    begin: Callable[[Rpc], Take] | None = None
    inference: bool = False


Methods = dict[bytes, Method]
