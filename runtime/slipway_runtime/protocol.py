"""Open Inference Protocol v2 requests: JSON with the binary tensor extension.

Turns a body into a ``Call`` that fits the model. It knows neither HTTP nor onnxruntime, and
nothing of answers but which are wanted.
"""

import msgspec

from slipway_runtime import answers, tensors
from slipway_runtime.answers import Form
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


class Wish(msgspec.Struct, frozen=True, gc=False):
    """Which outputs a caller wants, and in which form."""

    names: tuple[str, ...]
    forms: tuple[Form, ...]


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request that fits the model: arrays to run, and how to answer."""

    feed: dict[str, Array]
    wish: Wish
    id: str


_DECODER = msgspec.json.Decoder(InferRequest)


class Reader:
    """Reads inference requests for one model."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        specs = tuple(signature.outputs.values())
        plain = all(spec.datatype.in_json for spec in specs)
        self._everything = _wish(specs, (False,) * len(specs)) if plain else None

    def read(self, body: bytes, json_length: int | None) -> Call:
        """Read a request's body, of which ``json_length`` bytes are JSON; all if None.

        Raises:
            InvalidRequestError: Naming what came and what was expected.
        """
        end = len(body) if json_length is None else json_length
        if not 0 < end <= len(body):
            raise InvalidRequestError(
                f"the JSON part is said to have {end} bytes; the body has {len(body)}, and at "
                "least one of them must be JSON"
            )
        request = _decode(body if end == len(body) else body[:end])
        feed = _feed(request, memoryview(body)[end:], self._signature)
        return Call(feed, self._wish(request), request.id)

    def _wish(self, request: InferRequest) -> Wish:
        if self._everything and not request.outputs and not request.parameters:
            return self._everything
        return _wanted(request, self._signature)


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
    _refuse_new_forms(parameters, "input", spec)
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
    return memoryview(tensor.data)


def _wanted(request: InferRequest, signature: Signature) -> Wish:
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
    wish = _wish(specs, binary)
    if len(set(wish.names)) < len(specs):
        raise InvalidRequestError("the request names an output twice")
    for spec, as_binary in zip(specs, binary, strict=True):
        if not (as_binary or spec.datatype.in_json):
            raise InvalidRequestError(
                f"output {spec}: {spec.datatype.name} has no JSON form; ask for it as binary with "
                'the output\'s parameters {"binary_data": true}'
            )
    return wish


def _wish(specs: tuple[TensorSpec, ...], binary: tuple[bool, ...]) -> Wish:
    names = tuple(spec.name for spec in specs)
    return Wish(names, tuple(map(Form, specs, map(answers.head, specs), binary)))


def _output(wanted: WantedOutput, signature: Signature) -> TensorSpec:
    spec = signature.outputs.get(wanted.name)
    if spec is None:
        raise InvalidRequestError(
            f"the model has no output {wanted.name!r}; it gives {_listed(signature.outputs)}"
        )
    _refuse_new_forms(wanted.parameters, "output", spec)
    return spec


def _flag(parameters: Parameters, name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequestError(f"parameter {name} is {value!r}, expected true or false")
    return value


def _refuse_new_forms(parameters: Parameters, role: str, spec: TensorSpec) -> None:
    for name, answer in NEW_FORMS.items():
        if name in parameters:
            raise InvalidRequestError(f"{role} {spec}: {answer}")


def _listed(specs: dict[str, TensorSpec]) -> str:
    return ", ".join(map(str, specs.values()))
