"""W3C trace context (https://www.w3.org/TR/trace-context/), from a request to its answer.

Pure. A server with no one behind it passes the context on in the answer: the caller's own, or
that of our span where spans are exported (``spans``).
"""

import re
from collections.abc import Mapping

import msgspec

PARENT = b"traceparent"
STATE = b"tracestate"

MOST_STATE_BYTES = 512
"""What everyone has to pass on at least; longer ones are left out, as the standard allows."""

_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Context(msgspec.Struct, frozen=True, gc=False):
    """Where in a trace a request stands. Ids and flags are lower-case hex digits."""

    trace_id: bytes
    span_id: bytes
    flags: bytes
    state: bytes = b""

    @property
    def sampled(self) -> bool:
        """Whether the caller records this trace."""
        return bool(int(self.flags, 16) & 1)

    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """Write the headers that pass it on, in the version that is written here."""
        parent = b"00-%b-%b-%b" % (self.trace_id, self.span_id, self.flags)
        return ((PARENT, parent), (STATE, self.state)) if self.state else ((PARENT, parent),)


def read(headers: Mapping[bytes, bytes]) -> Context | None:
    """Read a request's context; None without one, or where it is none.

    As the standard has it, one that can't be read is not an error: the trace begins anew.
    """
    parent = headers.get(PARENT)
    match = _FORM.fullmatch(parent) if parent else None
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more):
        return None
    if not (trace_id.strip(b"0") and span_id.strip(b"0")):
        return None
    state = headers.get(STATE, b"")
    kept = state if len(state) <= MOST_STATE_BYTES and state.isascii() else b""
    return Context(trace_id, span_id, b"%02x" % (int(flags, 16) & 3), kept)
