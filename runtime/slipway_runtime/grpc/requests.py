"""Inference requests: from a protobuf message to a ``Call`` that fits the model."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from slipway_runtime import protocol, tensors
from slipway_runtime.datatypes import Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.grpc import typed
from slipway_runtime.grpc.plans import Plans
from slipway_runtime.protocol import Call
from slipway_runtime.tensors import Array
from slipway_runtime.wishes import WantedOutput, Wishes

BINARY = {"binary_data_output": True}
"""What REST calls binary is raw here. All of it is: which one, the answer's writer decides."""


class Asked(NamedTuple):
    """A request that was read: what to run, and whether its answer is of typed contents."""

    call: Call
    typed: bool


class Reader:
    """Reads inference requests for one model."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._wishes = Wishes(signature)
        self._plans = Plans()

    def recall(self, content: bytes) -> Asked | None:
        """Read a request that is like one before; None if it is not.

        Raises:
            InvalidRequestError: Naming what came and what was expected.
        """
        call = self._plans.read(content)
        return Asked(call, False) if call else None

    def read(self, request: Any, content: bytes) -> Asked:
        """Read a ``ModelInferRequest``, of which ``content`` are the bytes.

        Raises:
            InvalidRequestError: Naming what came and what was expected.
        """
        raw = list(request.raw_input_contents)
        specs = [protocol.find_spec(tensor, self._signature) for tensor in request.inputs]
        feed = _raw(request, specs, raw) if raw else _typed(request, specs)
        if len(feed) < len(self._signature.inputs):
            raise protocol.missing(request, self._signature)
        wanted = [
            WantedOutput(output.name, _plain(output.parameters) | {"binary_data": True})
            for output in request.outputs
        ]
        wish = self._wishes.wish(wanted, BINARY)
        given = _plain(request.parameters)
        priority, timeout = protocol.read_priority(given), protocol.read_timeout(given)
        call = Call(feed, wish, request.id, priority, timeout)
        if raw:
            self._plans.keep(content, raw, call, specs)
        return Asked(call, not raw and bool(specs))


def _raw(request: Any, specs: list[TensorSpec], raw: list[bytes]) -> dict[str, Array]:
    if len(raw) != len(specs):
        raise InvalidRequestError(
            f"the request has {len(specs)} inputs and {len(raw)} raw_input_contents; all "
            "inputs are raw or none is"
        )
    feed: dict[str, Array] = {}
    for tensor, spec, content in zip(request.inputs, specs, raw, strict=True):
        _check(tensor, spec, feed)
        if tensor.contents.ListFields():
            raise InvalidRequestError(
                f"input {spec} has both contents and raw_input_contents; send one of them"
            )
        feed[spec.name] = tensors.from_bytes(spec, list(tensor.shape), content)
    return feed


def _typed(request: Any, specs: list[TensorSpec]) -> dict[str, Array]:
    feed: dict[str, Array] = {}
    for tensor, spec in zip(request.inputs, specs, strict=True):
        _check(tensor, spec, feed)
        feed[spec.name] = typed.read(spec, list(tensor.shape), tensor.contents)
    return feed


def _check(tensor: Any, spec: TensorSpec, feed: dict[str, Array]) -> None:
    if spec.name in feed:
        raise InvalidRequestError(f"input {spec} came twice")
    if "shared_memory_region" in tensor.parameters:
        raise InvalidRequestError(
            f"input {spec}: shared memory is not supported; send the data in the request"
        )


def _plain(given: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Take parameters out of their messages; one without a value is not there."""
    plain = {}
    for name, parameter in given.items():
        if kind := parameter.WhichOneof("parameter_choice"):
            plain[name] = getattr(parameter, kind)
    return plain
