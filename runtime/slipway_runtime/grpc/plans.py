"""What is known of a request from those before it.

Clients send the same again and again, but for the tensors' bytes, which they write last. What comes
before these means the same each time, so it need not be read.
"""

import msgspec

from slipway_runtime import tensors
from slipway_runtime.datatypes import TensorSpec
from slipway_runtime.grpc.messages import DecodeError, message
from slipway_runtime.grpc.wire import field, key, varint
from slipway_runtime.protocol import Call
from slipway_runtime.tensors import Array

REQUEST = message("inference.ModelInferRequest")
RAW = key(7)
"""Of raw_input_contents."""
MOST_PLANS = 16
MOST_BEGINNING_BYTES = 4 << 10


class Slot(msgspec.Struct, frozen=True, gc=False):
    """A raw tensor of so many bytes, which come after ``start``."""

    spec: TensorSpec
    shape: tuple[int, ...]
    count: int
    size: int
    start: bytes


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A request that lacks its tensors' bytes: a call without a feed, and where these are."""

    call: Call
    slots: tuple[Slot, ...]

    def fill(self, content: bytes, at: int) -> dict[str, Array] | None:
        """Read the tensors' bytes from ``at`` to the end; None if that is not what is there.

        Raises:
            InvalidRequestError: If a tensor's elements are wrong.
        """
        feed: dict[str, Array] = {}
        view = memoryview(content)
        for slot in self.slots:
            if not content.startswith(slot.start, at):
                return None
            at += len(slot.start)
            part = view[at : at + slot.size]
            at += slot.size
            if at > len(content):
                return None
            feed[slot.spec.name] = tensors.elements(slot.spec, slot.shape, slot.count, part)
        return feed if at == len(content) else None


class Plans:
    """The latest of them, by what a request begins with.

    They are never changed, but replaced: another thread may be reading them.
    """

    def __init__(self) -> None:
        self._plans: dict[bytes, Plan] = {}

    def read(self, content: bytes) -> Call | None:
        """Read a request that begins like one before; None if there is none.

        Raises:
            InvalidRequestError: If a tensor's elements are wrong.
        """
        for beginning, plan in self._plans.items():
            if content.startswith(beginning):
                feed = plan.fill(content, len(beginning))
                if feed is not None:
                    call = plan.call
                    return Call(feed, call.wish, call.id, call.priority, call.timeout)
        return None

    def keep(self, content: bytes, raw: list[bytes], call: Call, specs: list[TensorSpec]) -> None:
        """Keep what a request says that was read, if its raw tensors are its end.

        A request with an id of its own is not kept: the next one will have another. ``specs`` are
        those of the inputs in their order.
        """
        tail = b"".join(field(RAW, each) for each in raw)
        beginning = content[: -len(tail)]
        if call.id or not content.endswith(tail) or len(beginning) > MOST_BEGINNING_BYTES:
            return
        if not _ends_before_raw(beginning):
            return
        slots = tuple(
            _slot(spec, call.feed[spec.name], len(each))
            for spec, each in zip(specs, raw, strict=True)
        )
        empty = Call({}, call.wish, "", call.priority, call.timeout)
        known = list(self._plans.items())[1 - MOST_PLANS :]
        self._plans = {**dict(known), beginning: Plan(empty, slots)}


def _ends_before_raw(beginning: bytes) -> bool:
    """Tell whether a message could end here, without a raw tensor.

    Where it can't, what looks like the raw tensors is within another field.
    """
    try:
        return not REQUEST.FromString(beginning).raw_input_contents
    except DecodeError:
        return False


def _slot(spec: TensorSpec, array: Array, size: int) -> Slot:
    return Slot(spec, array.shape, array.size, size, RAW + varint(size))
