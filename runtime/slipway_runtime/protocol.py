"""Open Inference Protocol v2 requests: JSON with the binary tensor extension.

Turns a body into a ``Call`` that fits the model. It knows neither HTTP nor onnxruntime, and
nothing of answers but which are wanted.
"""

from typing import Annotated, Any

import msgspec

from slipway_runtime import json_tensors, raw_tensors, tensors
from slipway_runtime.datatypes import BYTES, Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError, shown
from slipway_runtime.quick_json import QuickReader, Request
from slipway_runtime.tensors import Array, Buffer
from slipway_runtime.wishes import NO_PARAMETERS, Parameters, WantedOutput, Wish, Wishes

NO_DATA = msgspec.Raw()

MOST_QUICK_BYTES = 64 << 10
"""Of JSON, or of strings: about a millisecond of reading."""
MOST_COPIED_BYTES = 4 << 20
"""Of other tensors, which are copied when they don't lie as the CPU wants them."""
MOST_PLANS = 256
MOST_PLANNED_BYTES = 4 << 10

Size = Annotated[int, msgspec.Meta(le=2**63 - 1)]


class InputTensor(msgspec.Struct, gc=False):
    """One of ``inputs``; its data stays as it came until the model's type for it is known."""

    name: str
    shape: list[Size]
    datatype: str
    parameters: dict[str, bool | int | float | str] = NO_PARAMETERS
    data: msgspec.Raw = NO_DATA


class InferRequest(msgspec.Struct, gc=False):
    """The JSON part of an inference request."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: dict[str, bool | int | float | str] = NO_PARAMETERS
    outputs: list[WantedOutput] = []


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request that fits the model: arrays to run, and how to answer.

    ``priority`` is the protocol's: 1 goes first, 0 is none given. ``timeout`` is in seconds from
    now; None is the server's own limit, which no caller can exceed.
    """

    feed: dict[str, Array]
    wish: Wish
    id: str
    priority: int = 0
    timeout: float | None = None


class Slot(msgspec.Struct, frozen=True, gc=False):
    """Where a binary tensor lies behind the JSON."""

    spec: TensorSpec
    shape: tuple[int, ...]
    count: int
    start: int
    end: int


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What the JSON part of a request says: a call that lacks its binary tensors."""

    call: Call
    slots: tuple[Slot, ...]
    size: int


_DECODER = msgspec.json.Decoder(InferRequest)


class Reader:
    """Reads inference requests for one model.

    Clients send the same JSON before their binary tensors again and again; what it means is kept.
    """

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._wishes = Wishes(signature)
        self._quick = QuickReader(signature)
        self._plans: dict[bytes, Plan] = {}
        self._strings = any(spec.datatype is BYTES for spec in signature.inputs.values())

    def quick(self, size: int, json_length: int | None) -> bool:
        """Tell whether a body of this size is read so quickly that the event loop may do it."""
        slow = size if self._strings or json_length is None else json_length
        return slow <= MOST_QUICK_BYTES and size <= MOST_COPIED_BYTES

    def read(self, body: bytes, json_length: int | None) -> Call:
        """Read a request's body, of which ``json_length`` bytes are JSON; all if None.

        A body with no JSON at all is the model's one input, and nothing else.

        Raises:
            InvalidRequestError: Naming what came and what was expected.
        """
        if json_length is None:
            return self._json(body)
        if json_length == 0:
            feed = raw_tensors.read(self._signature, body)
            return Call(feed, self._wishes.wish((), {"binary_data_output": True}), "")
        if not 0 < json_length <= len(body):
            raise InvalidRequestError(
                f"the JSON part is said to have {json_length} bytes; the body has {len(body)}"
            )
        header = body[:json_length]
        plan = self._plans.get(header)
        if plan is None:
            plan = self._plan(header, len(body) - json_length)
            self._remember(header, plan)
        if plan.size != len(body) - json_length:
            raise _mismatch(plan.slots, len(body) - json_length)
        call, slots = plan.call, plan.slots
        if not slots:
            return call
        feed = _filled(call.feed.copy(), slots, body, json_length)
        return Call(feed, call.wish, call.id, call.priority, call.timeout)

    def _json(self, body: bytes) -> Call:
        """Read a body that is all JSON."""
        if not body:
            raise InvalidRequestError("the body is empty, expected an inference request")
        found = self._quick.read(body) if len(body) <= MOST_QUICK_BYTES else None
        if found is None:
            return self._plan(body, 0).call
        request, feed = found
        return self._call(feed, request)

    def _call(self, feed: dict[str, Array], request: Request) -> Call:
        parameters = request.parameters
        wish = self._wishes.wish(request.outputs, parameters)
        if not parameters:
            return Call(feed, wish, request.id)
        return Call(feed, wish, request.id, read_priority(parameters), read_timeout(parameters))

    def _remember(self, header: bytes, plan: Plan) -> None:
        if plan.call.feed or len(header) > MOST_PLANNED_BYTES:
            return
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        self._plans[header] = plan

    def _plan(self, header: bytes, follow: int) -> Plan:
        """Read a JSON part that so many bytes follow."""
        request = _decode(header)
        feed: dict[str, Array] = {}
        slots: list[Slot] = []
        at = 0
        for tensor in request.inputs:
            spec = find_spec(tensor, self._signature)
            if spec.name in feed or any(slot.spec is spec for slot in slots):
                raise InvalidRequestError(f"input {spec} came twice")
            size = _binary_size(tensor, spec)
            if size is None:
                feed[spec.name] = json_tensors.read(spec, tensor.shape, _data(tensor, spec))
            else:
                slots.append(_slot(tensor, spec, at, size))
                at += size
        if at != follow:
            raise _mismatch(slots, follow)
        if len(feed) + len(slots) < len(self._signature.inputs):
            raise missing(request, self._signature)
        call = self._call(feed, request)
        return Plan(call, tuple(slots), at)


def _decode(header: bytes) -> InferRequest:
    try:
        return _DECODER.decode(header)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"the request is not an inference request: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(
            f"the request is not JSON: {error}; if tensors follow the JSON, the header "
            "Inference-Header-Content-Length must give the JSON's length"
        ) from None
    except RecursionError:
        raise InvalidRequestError(
            "the request is not JSON that can be read: nested too deep"
        ) from None


def _slot(tensor: InputTensor, spec: TensorSpec, at: int, size: int) -> Slot:
    count = tensors.check_shape(spec, tensor.shape)
    tensors.check_size(spec, tensor.shape, count, size)
    return Slot(spec, tuple(tensor.shape), count, at, at + size)


def _filled(
    feed: dict[str, Array], slots: tuple[Slot, ...], body: bytes, at: int
) -> dict[str, Array]:
    """Add the binary tensors of a body, which begin ``at`` there."""
    for slot in slots:
        spec = slot.spec
        part = body if spec.datatype is not BYTES else memoryview(body)[: at + slot.end]
        feed[spec.name] = tensors.elements(spec, slot.shape, slot.count, part, at + slot.start)
    return feed


def _mismatch(slots: tuple[Slot, ...] | list[Slot], follow: int) -> InvalidRequestError:
    """Say that what follows the JSON is not what the inputs take."""
    for slot in slots:
        if slot.end > follow:
            return InvalidRequestError(
                f"input {slot.spec}: binary_data_size is {slot.end - slot.start}, but "
                f"{max(0, follow - slot.start)} bytes are left"
            )
    wanted = slots[-1].end if slots else 0
    return InvalidRequestError(
        f"{follow} bytes follow the JSON, the inputs' binary_data_size sum up to {wanted}"
    )


def missing(request: Any, signature: Signature) -> InvalidRequestError:
    """Say which inputs a request lacks."""
    came = {tensor.name for tensor in request.inputs}
    missing = [str(spec) for name, spec in signature.inputs.items() if name not in came]
    return InvalidRequestError(f"the request lacks input {', '.join(missing)}")


def find_spec(tensor: Any, signature: Signature) -> TensorSpec:
    """Find what the model says of an input.

    Raises:
        InvalidRequestError: It has none of that name, or of another datatype.
    """
    spec = signature.inputs.get(tensor.name)
    if spec is None:
        listed = ", ".join(map(str, signature.inputs.values()))
        raise InvalidRequestError(f"the model has no input {shown(tensor.name)}; it takes {listed}")
    if tensor.datatype != spec.datatype.name:
        raise InvalidRequestError(
            f"input {spec}: the request's datatype is {shown(tensor.datatype)}, the model takes "
            f"{spec.datatype.name}"
        )
    return spec


def _binary_size(tensor: InputTensor, spec: TensorSpec) -> int | None:
    """Return how many bytes after the JSON belong to a tensor; None for one in the JSON."""
    parameters = tensor.parameters
    if not parameters:
        return None
    if "shared_memory_region" in parameters:
        raise InvalidRequestError(
            f"input {spec}: shared memory is not supported; send the data in the request"
        )
    if "binary_data_size" not in parameters:
        return None
    size = _whole(parameters, "binary_data_size", f"input {spec}: ", "bytes")
    if tensor.data:
        raise InvalidRequestError(
            f"input {spec} has both data and binary_data_size; send one of them"
        )
    return size


def _data(tensor: InputTensor, spec: TensorSpec) -> Buffer:
    if not tensor.data:
        raise InvalidRequestError(f"input {spec} has neither data nor binary_data_size")
    return memoryview(tensor.data)


def read_priority(parameters: Parameters) -> int:
    """Read a request's priority; 0 is none."""
    return _whole(parameters, "priority", "parameter ", "1 for the first, or 0 for none")


def read_timeout(parameters: Parameters) -> float | None:
    """Read how long a caller waits, in seconds."""
    return _whole(parameters, "timeout", "parameter ", "microseconds, or 0 for none") / 1e6 or None


def _whole(parameters: Parameters, name: str, of: str, expected: str) -> int:
    """Return a parameter that is a number of something, 0 when it is not there."""
    number = parameters.get(name, 0)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**63:
        raise InvalidRequestError(f"{of}{name} is {shown(number)}, expected {expected}")
    return number
