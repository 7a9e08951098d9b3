"""A gRPC client without a network, and a model that is nothing but a list of what it was asked."""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slipway_runtime.dataplane import DataPlane, Effective
from slipway_runtime.datatypes import BY_ONNX_NAME, Signature, TensorSpec
from slipway_runtime.errors import RequestError
from slipway_runtime.grpc import site
from slipway_runtime.http2 import frames
from slipway_runtime.http2.port import Port
from slipway_runtime.profile import Profile
from slipway_runtime.protocol import Reader
from support.http2_peer import Headers, Peer

ONE = np.array([[1, 2, 3]], np.float32)
INFER = "/inference.GRPCInferenceService/ModelInfer"
FP32 = BY_ONNX_NAME["tensor(float)"]
SIGNATURE = Signature({"x": TensorSpec("x", FP32, (-1, 3))}, {"y": TensorSpec("y", FP32, (-1, 3))})
EFFECTIVE = Effective("CPUExecutionProvider", 1, Profile(reason="it is a list"), "1")
MOST_BYTES = 1 << 20


@dataclass(eq=False)
class Asked:
    feed: dict[str, Any]
    done: Any
    priority: int
    timeout: float | None
    since: float


@dataclass
class Model:
    """Stands where the batcher does; answers ``y`` with ``x`` at once, or when it is told to."""

    at_once: bool = True
    problem: RequestError | None = None
    asked: list[Asked] = field(default_factory=list)
    cancelled: list[Any] = field(default_factory=list)
    workers: int = 1
    mixed: str = ""
    plane: DataPlane = field(init=False)

    def submit(
        self,
        feed: dict[str, Any],
        outputs: Any,
        done: Any,
        priority: int = 0,
        timeout: float | None = None,
        since: float = 0.0,
    ) -> Asked | None:
        del outputs
        job = Asked(feed, done, priority, timeout, since)
        self.asked.append(job)
        if self.problem:
            raise self.problem
        if self.at_once:
            done([feed["x"]])
            return None
        return job

    def cancel(self, job: Any) -> None:
        self.cancelled.append(job)

    def wedged(self, seconds: float) -> bool:
        del seconds
        return False


def a_plane(model: Model) -> DataPlane:
    plane = DataPlane("m", "7")
    served: Any = Served(SIGNATURE, Reader(SIGNATURE), model, EFFECTIVE)
    plane.serve(served)
    return plane


@dataclass
class Served:
    signature: Signature
    reader: Reader
    batcher: Model
    effective: Effective


def a_port(model: Model) -> Port:
    model.plane = a_plane(model)
    service = site.service(model.plane, MOST_BYTES)
    return Port(service, most_held_bytes=4 * MOST_BYTES, most_connections=10)


def a_peer(model: Model) -> Peer:
    port = a_port(model)
    return Peer.greeted(port=port)


def head(path: str = INFER, **more: str) -> Headers:
    given = {"content-type": "application/grpc", "te": "trailers", **more}
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a")]
    return pseudo + [(name.replace("_", "-"), value) for name, value in given.items()]


def framed(message: bytes, compressed: int = 0) -> bytes:
    return struct.pack(">BI", compressed, len(message)) + message


def data(stream: int, content: bytes, last: bool = True) -> bytes:
    """Write DATA frames, as many as it takes."""
    pieces = [content[at : at + 16384] for at in range(0, len(content), 16384)] or [b""]
    flags = [0] * (len(pieces) - 1) + [int(last)]
    return b"".join(
        frames.frame(frames.DATA, flag, stream, piece)
        for flag, piece in zip(flags, pieces, strict=True)
    )


@dataclass
class Answer:
    headers: dict[str, str]
    body: bytes
    trailers: dict[str, str]

    @property
    def code(self) -> int:
        return int((self.trailers or self.headers)["grpc-status"])

    @property
    def message(self) -> str:
        return (self.trailers or self.headers)["grpc-message"]


def take(peer: Peer, stream: int = 1) -> Answer:
    """Read what a stream was answered with."""
    blocks, body = [], b""
    for frame in peer.take(frames.HEADERS, frames.DATA):
        if frame.kind == frames.HEADERS:
            fields = dict(peer.decoder.decode(frame.payload))
            if frame.stream == stream:
                blocks.append({str(name): str(value) for name, value in fields.items()})
        elif frame.stream == stream:
            body += frame.payload
    return Answer(blocks[0], body, blocks[1] if len(blocks) > 1 else {})
