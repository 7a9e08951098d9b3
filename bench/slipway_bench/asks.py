"""Requests of the Open Inference Protocol in its three forms, and what a right answer is."""

import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from slipway_bench.models import Model, Rows

Protocol = Literal["http", "grpc"]
TOLERANCE = 1e-4
"""Batches are multiplied in another order than single rows."""

METHOD = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True)
class Ask:
    """One request; ``expected`` is None where only the status counts."""

    protocol: Protocol
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    expected: tuple[float, ...] | None = None

    def plan(self) -> dict[str, Any]:
        """Write it for the load generator."""
        return {
            "path": self.path,
            "headers": self.headers,
            "body": b64encode(self.body).decode(),
            "status": self.status,
            "expected": self.expected,
            "tolerance": TOLERANCE,
        }

    def refused(self, status: int, body: bytes | None = None) -> "Ask":
        """Expect that it is refused, for another body perhaps."""
        return replace(self, status=status, expected=None, body=self.body if body is None else body)


def as_json(model: Model, count: int = 1) -> Ask:
    """Ask in JSON, for JSON."""
    rows = model.rows(count)
    body = json.dumps({"inputs": [_tensor(rows) | {"data": rows.ravel().tolist()}]})
    headers = {"Content-Type": "application/json"}
    return Ask("http", _path(model), body.encode(), headers, expected=_expected(model, count))


def as_binary(model: Model, count: int = 1) -> Ask:
    """Ask with the binary tensor extension, both ways."""
    rows = model.rows(count)
    tensor = _tensor(rows) | {"parameters": {"binary_data_size": rows.nbytes}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    body = head + rows.tobytes()
    return Ask("http", _path(model), body, headers, expected=_expected(model, count))


def as_grpc(model: Model, count: int = 1) -> Ask:
    """Ask with gRPC, with raw contents."""
    rows = model.rows(count)
    shape = b"".join(map(_varint, rows.shape))
    tensor = _field(1, b"x") + _field(2, b"FP32") + _field(3, shape)
    body = _field(1, model.name.encode()) + _field(5, tensor) + _field(7, rows.tobytes())
    return Ask("grpc", METHOD, body, status=0, expected=_expected(model, count))


def _path(model: Model) -> str:
    return f"/v2/models/{model.name}/infer"


def _tensor(rows: Rows) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": list(rows.shape)}


@cache
def _expected(model: Model, count: int) -> tuple[float, ...]:
    (answer,) = model.session().run(None, {"x": model.rows(count)})
    return tuple(answer.ravel().tolist())


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
