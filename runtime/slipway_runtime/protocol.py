"""Open Inference Protocol v2 requests and responses as JSON with the binary tensor extension.

Turns a body into a ``Call`` that fits the model, and arrays into a body. It knows neither HTTP
nor onnxruntime.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from slipway_runtime import tensors
from slipway_runtime.datatypes import Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.tensors import Array, Buffer

Parameters = dict[str, bool | int | float | str]

NO_PARAMETERS: Parameters = {}
NO_DATA = msgspec.Raw()

NEW_FORMS = {
    "shared_memory_region": "shared memory is not supported; send the data in the request",
    "classification": "classification is not supported; ask for the tensor itself",
}


class InputTensor(msgspec.Struct, gc=False):
    """One of ``inputs``; its data stays as it came until the model's type for it is known."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = NO_PARAMETERS
    data: msgspec.Raw = NO_DATA


class WantedOutput(msgspec.Struct, gc=False):
    """One of ``outputs``."""

    name: str
    parameters: Parameters = NO_PARAMETERS


class InferRequest(msgspec.Struct, gc=False):
    """The JSON part of an inference request."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: Parameters = NO_PARAMETERS
    outputs: list[WantedOutput] = []


@dataclass(frozen=True, slots=True)
class Call:
    """A request that fits the model: arrays to run, and how to answer.

    ``binary`` has one truth for each of ``outputs``.
    """

    feed: dict[str, Array]
    outputs: tuple[TensorSpec, ...]
    binary: tuple[bool, ...]
    id: str


_DECODER = msgspec.json.Decoder(InferRequest)


def parse(body: bytes, json_length: int | None, signature: Signature) -> Call:
    """Read an inference request against what the model takes.

    ``json_length`` is how much of the body is JSON; None when all of it is.

    Raises:
        InvalidRequestError: Naming what came and what was expected.
    """
    end = len(body) if json_length is None else json_length
    if not 0 < end <= len(body):
        raise InvalidRequestError(
            f"the JSON part is said to have {end} bytes; the body has {len(body)}, and at least "
            "one of them must be JSON"
        )
    request = _decode(body if end == len(body) else body[:end])
    feed = _feed(request, memoryview(body)[end:], signature)
    outputs, binary = _wanted(request, signature)
    return Call(feed, outputs, binary, request.id)


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


def _feed(request: InferRequest, tail: memoryview, signature: Signature) -> dict[str, Array]:
    """Read every input, the binary ones one after the other from what follows the JSON."""
    feed: dict[str, Array] = {}
    at = 0
    for tensor in request.inputs:
        spec = _spec(tensor, feed, signature)
        size = _binary_size(tensor, spec)
        if size is None:
            feed[spec.name] = tensors.from_json(spec, tensor.shape, _data(tensor, spec))
            continue
        if at + size > len(tail):
            raise InvalidRequestError(
                f"input {spec}: binary_data_size is {size}, but {len(tail) - at} bytes are left"
            )
        feed[spec.name] = tensors.from_bytes(spec, tensor.shape, tail[at : at + size])
        at += size
    if at != len(tail):
        raise InvalidRequestError(
            f"{len(tail)} bytes follow the JSON, the inputs' binary_data_size sum up to {at}"
        )
    if len(feed) < len(signature.inputs):
        missing = [str(spec) for name, spec in signature.inputs.items() if name not in feed]
        raise InvalidRequestError(f"the request lacks input {', '.join(missing)}")
    return feed


def _spec(tensor: InputTensor, feed: dict[str, Array], signature: Signature) -> TensorSpec:
    spec = signature.inputs.get(tensor.name)
    if spec is None:
        raise InvalidRequestError(
            f"the model has no input {tensor.name!r}; it takes {_listed(signature.inputs)}"
        )
    if tensor.name in feed:
        raise InvalidRequestError(f"input {spec} came twice")
    if tensor.datatype != spec.datatype.name:
        raise InvalidRequestError(
            f"input {spec}: the request's datatype is {tensor.datatype!r}, the model takes "
            f"{spec.datatype.name}"
        )
    return spec


def _binary_size(tensor: InputTensor, spec: TensorSpec) -> int | None:
    """Return how many bytes after the JSON belong to a tensor; None for one in the JSON."""
    parameters = tensor.parameters
    if not parameters:
        return None
    _refuse_new_forms(parameters, f"input {spec}")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidRequestError(f"input {spec}: binary_data_size is {size!r}, expected bytes")
    if tensor.data:
        raise InvalidRequestError(
            f"input {spec} has both data and binary_data_size; send one of them"
        )
    return size


def _data(tensor: InputTensor, spec: TensorSpec) -> Buffer:
    if not tensor.data:
        raise InvalidRequestError(f"input {spec} has neither data nor binary_data_size")
    return bytes(tensor.data)


def _wanted(
    request: InferRequest, signature: Signature
) -> tuple[tuple[TensorSpec, ...], tuple[bool, ...]]:
    """Choose the outputs of the answer, and which of them are binary."""
    default = _flag(request.parameters, "binary_data_output", False)
    if request.outputs:
        specs = tuple(_output(wanted, signature) for wanted in request.outputs)
        binary = tuple(
            _flag(wanted.parameters, "binary_data", default) for wanted in request.outputs
        )
    else:
        specs = tuple(signature.outputs.values())
        binary = (default,) * len(specs)
    if len(set(specs)) < len(specs):
        raise InvalidRequestError("the request names an output twice")
    for spec, as_binary in zip(specs, binary, strict=True):
        if not (as_binary or spec.datatype.in_json):
            raise InvalidRequestError(
                f"output {spec}: {spec.datatype.name} has no JSON form; ask for it as binary with "
                'the output\'s parameters {"binary_data": true}'
            )
    return specs, binary


def _output(wanted: WantedOutput, signature: Signature) -> TensorSpec:
    spec = signature.outputs.get(wanted.name)
    if spec is None:
        raise InvalidRequestError(
            f"the model has no output {wanted.name!r}; it gives {_listed(signature.outputs)}"
        )
    _refuse_new_forms(wanted.parameters, f"output {spec}")
    return spec


def _flag(parameters: Parameters, name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequestError(f"parameter {name} is {value!r}, expected true or false")
    return value


def _refuse_new_forms(parameters: Parameters, where: str) -> None:
    for name, answer in NEW_FORMS.items():
        if name in parameters:
            raise InvalidRequestError(f"{where}: {answer}")


def _listed(specs: dict[str, TensorSpec]) -> str:
    return ", ".join(map(str, specs.values()))


@dataclass(frozen=True, slots=True)
class Answer:
    """A response body: its JSON, and the binary tensors that follow it."""

    json: bytes
    tail: Sequence[Buffer]


def compose(prefix: bytes, call: Call, arrays: Sequence[Array]) -> Answer:
    """Write the response to a call.

    ``prefix`` is the response's beginning, the same for every answer of one model: the
    brace, the model's name and version.

    Raises:
        InvalidRequestError: If an output has no JSON form and the caller wanted JSON.
    """
    outputs: list[bytes] = []
    tail: list[Buffer] = []
    for spec, binary, array in zip(call.outputs, call.binary, arrays, strict=True):
        shape = ",".join(map(str, array.shape))
        head = f'{{"name":{quote(spec.name)},"datatype":"{spec.datatype.name}","shape":[{shape}],'
        if binary:
            tail.append(tensors.to_bytes(spec, array))
            rest = b'"parameters":{"binary_data_size":%d}}' % len(tail[-1])
        else:
            rest = b'"data":' + tensors.to_json(spec, array) + b"}"
        outputs.append(head.encode() + rest)
    identity = b',"id":' + orjson.dumps(call.id) if call.id else b""
    return Answer(prefix + identity + b',"outputs":[' + b",".join(outputs) + b"]}", tail)


def quote(text: str) -> str:
    """Write a string as JSON."""
    return orjson.dumps(text).decode()


def response_prefix(name: str, version: str) -> bytes:
    """Write what every answer of a model begins with."""
    return f'{{"model_name":{quote(name)},"model_version":{quote(version)}'.encode()


def describe(specs: dict[str, TensorSpec]) -> list[dict[str, Any]]:
    """Write tensors as metadata has them."""
    return [
        {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}
        for spec in specs.values()
    ]
