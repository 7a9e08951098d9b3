"""Rows as the protocol's binary requests, and its binary answers as arrays. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from slipway_runtime import tensors
from slipway_runtime.datatypes import TensorSpec
from slipway_runtime.errors import RequestError
from slipway_runtime.tensors import Array
from slipway_runtime.verification.client import Reply
from slipway_runtime.verification.columns import BY_NAME, Column, from_wire

JSON_LENGTH = "inference-header-content-length"


class UnreadableAnswerError(Exception):
    """An answer of success that is none of the protocol."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request's headers and body."""

    headers: Mapping[str, str]
    body: bytes


class _Sized(msgspec.Struct):
    binary_data_size: int


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: _Sized


class _Answer(msgspec.Struct):
    outputs: list[_Output]


def request(inputs: Mapping[str, Column], outputs: Sequence[str]) -> Request:
    """Write a request; without outputs all are wanted. They always come as binary."""
    head, content = [], []
    for name, column in inputs.items():
        array = column.wire()
        content.append(bytes(tensors.to_bytes(array)))
        size = {"binary_data_size": len(content[-1])}
        head.append(
            {
                "name": name,
                "datatype": column.datatype.name,
                "shape": array.shape,
                "parameters": size,
            }
        )
    said = {
        "inputs": head,
        "outputs": [{"name": name} for name in outputs],
        "parameters": {"binary_data_output": True},
    }
    text = msgspec.json.encode(said)
    return Request({JSON_LENGTH: str(len(text))}, b"".join([text, *content]))


def answer(reply: Reply) -> dict[str, Array]:
    """Read an answer of success; bfloat16 becomes float32.

    Raises:
        UnreadableAnswerError: It is not of the protocol.
    """
    try:
        at = int(reply.headers[JSON_LENGTH])
        outputs = msgspec.json.decode(reply.body[:at], type=_Answer).outputs
        arrays = {}
        for output in outputs:
            end = at + output.parameters.binary_data_size
            spec = TensorSpec(output.name, BY_NAME[output.datatype], ())
            array = tensors.from_bytes(spec, output.shape, reply.body[at:end])
            arrays[output.name] = from_wire(spec.datatype, array)
            at = end
    except (KeyError, ValueError, msgspec.MsgspecError, RequestError) as problem:
        raise UnreadableAnswerError(f"{type(problem).__name__}: {problem}") from problem
    return arrays


def reason(reply: Reply) -> str:
    """Say why there is no prediction."""
    try:
        said = msgspec.json.decode(reply.body, type=dict[str, str])["error"]
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError):
        said = "without a reason"
    return f"{said} ({reply.status})"
