"""gRPC calls with grpcio, over the runtime's own messages and without stubs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from slipway_runtime.grpc.messages import message

SERVICE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"


@dataclass(frozen=True)
class Outcome:
    """How a call ended, and what came before that."""

    code: str
    details: str
    answers: list[bytes]
    trailers: dict[str, Any]


@dataclass
class Caller:
    """A client of one server."""

    channel: Any

    @classmethod
    @contextmanager
    def at(cls, port: int, **options: int) -> Iterator["Caller"]:
        pairs = [
            ("grpc.use_local_subchannel_pool", 1),
            *(("grpc." + k, v) for k, v in options.items()),
        ]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=pairs) as channel:
            yield cls(channel)

    def call(self, path: str, messages: Iterable[bytes] = (b"",), **options: Any) -> Outcome:
        """Call any method, with whatever bytes as messages."""
        call = self.channel.stream_stream(path)(iter(messages), **{"timeout": 20.0, **options})
        answers = []
        with suppress(grpc.RpcError):
            for answer in call:
                answers.append(answer)
        trailers = {pair.key: pair.value for pair in call.trailing_metadata() or ()}
        return Outcome(call.code().name, call.details(), answers, trailers)

    def infer(self, content: bytes, **options: Any) -> Outcome:
        return self.call(f"/{SERVICE}/ModelInfer", [content], **options)

    def ask(self, method: str, /, **fields: Any) -> Any:
        """Call a method of the inference service that takes one message and gives one."""
        content = message(f"inference.{method}Request")(**fields).SerializeToString()
        outcome = self.call(f"/{SERVICE}/{method}", [content])
        assert outcome.code == "OK", outcome
        return message(f"inference.{method}Response").FromString(outcome.answers[0])

    def health(self, service: str = "") -> str:
        content = message("grpc.health.v1.HealthCheckRequest")(service=service)
        outcome = self.call(f"/{HEALTH}/Check", [content.SerializeToString()])
        return health(outcome.answers[0]) if outcome.answers else outcome.code


def health(content: bytes) -> str:
    kind = message("grpc.health.v1.HealthCheckResponse")
    return str(kind.ServingStatus.Name(kind.FromString(content).status))


def rows(values: Any = ((1, 2, 3),), model: str = "m", **fields: Any) -> bytes:
    """Write a request for the model that answers ``y`` with ``x``."""
    array = np.array(values, np.float32)
    request = message("inference.ModelInferRequest")(model_name=model, **fields)
    request.inputs.add(name="x", datatype="FP32", shape=array.shape)
    request.raw_input_contents.append(array.tobytes())
    return bytes(request.SerializeToString())


def answered(content: bytes) -> Any:
    """Read the one output of a response."""
    response = message("inference.ModelInferResponse").FromString(content)
    (output,) = response.outputs
    flat = np.frombuffer(response.raw_output_contents[0], np.float32)
    return flat.reshape(tuple(output.shape)).tolist()
