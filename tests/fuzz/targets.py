"""What must hold for any bytes at all: of a connection, of a request's body, of compression.

Each ``check_`` raises for bytes that break a promise. hypothesis, the fuzzer and its corpus share
them.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slipway_runtime import encodings
from slipway_runtime.datatypes import DATATYPES, Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.exchange import Exchange, Head, Response
from slipway_runtime.http1 import Connection
from slipway_runtime.port import Port
from slipway_runtime.protocol import Call, Reader

BY_NAME = {datatype.name: datatype for datatype in DATATYPES}
CLOSE = b"connection: close"
MOST_BODY = 4096


def _specs(role: str, *shape: int) -> dict[str, TensorSpec]:
    return {
        f"{role}_{name}": TensorSpec(f"{role}_{name}", datatype, shape)
        for name, datatype in BY_NAME.items()
    }


ONE = Signature(
    {"x": TensorSpec("x", BY_NAME["FP32"], (-1, 2))},
    {"y": TensorSpec("y", BY_NAME["FP32"], (-1, 2))},
)
TEXT = Signature({"x": TensorSpec("x", BY_NAME["BYTES"], (-1,))}, _specs("y", -1))
ALL = Signature(_specs("x", -1), _specs("y", -1, -1))
READERS = tuple((signature, Reader(signature)) for signature in (ONE, TEXT, ALL))


@dataclass
class Wire:
    """A transport that keeps what is written, for a site that echoes."""

    written: bytearray = field(default_factory=bytearray)
    closed: bool = False

    def write(self, content: bytes) -> None:
        assert not self.closed
        self.written += content

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Echo:
    """Answers with the request."""

    def open(self, exchange: Exchange) -> None:
        head = [exchange.method, exchange.target, *map(bytes, _flat(exchange.headers))]
        exchange.answer(Response(200, (b"|".join(head) + b"|" + exchange.body,)))

    def refused(self, target: bytes, status: int) -> None: ...


def _flat(headers: dict[bytes, bytes]) -> list[bytes]:
    return [part for pair in headers.items() for part in pair]


class Forgetful(Port):
    """A port that remembers no head."""

    def remember(self, start: bytes, head: Head) -> None: ...


def answers_of(port: Port, pieces: list[bytes]) -> list[bytes]:
    """Return what one connection answers: whole answers to requests, the status of refusals."""
    wire = Wire()
    connection = Connection(port)
    connection.connection_made(wire)  # type: ignore[arg-type]
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
    connection.connection_lost(None)
    assert port.held_bytes == 0
    assert not port.connections
    return [answer if b" 200 " in answer[:16] else answer[:12] for answer in _split(wire.written)]


def _split(written: bytearray) -> list[bytes]:
    """Cut what was written into answers, all of which must be whole."""
    answers = []
    while written:
        head, mark, rest = bytes(written).partition(b"\r\n\r\n")
        assert mark, written
        if head.startswith(b"HTTP/1.1 100"):
            written = bytearray(rest)
            continue
        assert head.startswith(b"HTTP/1.1 "), head
        assert int(head[9:12]) < 500, head
        (length,) = (
            line[16:] for line in head.split(b"\r\n") if line.startswith(b"content-length")
        )
        size = 0 if b"|HEAD|" in head else int(length)
        answers.append(head + rest[:size])
        written = bytearray(rest[size:])
    return answers


def check_connection(data: bytes) -> None:
    """Hold that an answer depends on a request's bytes alone.

    Neither how they are cut nor what came before them on this port makes a difference.
    """
    if b"HEAD" in data:
        return  # whose answers have no body: they can't be told apart here
    fresh = answers_of(_ported(Forgetful), [data])
    known = _ported(Port)
    for alone in re.split(rb"(?=GET |POST )", data):
        answers_of(known, [alone])
    for cut in (len(data), len(data) // 2, 1):
        size = max(1, cut)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert answers_of(known, pieces) == fresh, (size, data)


def _ported(kind: type[Port]) -> Port:
    port = kind(Echo(), MOST_BODY, 10)
    port.tick(1.0, b"d")
    return port


def check_body(data: bytes) -> None:
    """Hold that a body is refused as the caller's fault, or read as Python's own JSON reads it.

    The first byte chooses the model, the next two how many bytes are JSON.
    """
    if len(data) < 3:
        return
    signature, reader = READERS[data[0] % len(READERS)]
    length = int.from_bytes(data[1:3], "big")
    body = data[3:]
    try:
        call = reader.read(body, None if length == 0xFFFF else length)
    except InvalidRequestError as refusal:
        assert 0 < len(refusal.message) < 3000  # noqa: PT017 - any bytes may be refused
        return
    assert_fits(signature, call)
    if length == 0xFFFF:
        # What stands in keys that mean nothing here need not be text.
        _compare(signature, call, json.loads(body.decode("utf-8", "replace")))
    again = reader.read(body, None if length == 0xFFFF else length)
    assert_same(call, again)


def assert_fits(signature: Signature, call: Call) -> None:
    """Hold that a request has what the model takes, and wants what it gives."""
    assert call.feed.keys() == signature.inputs.keys()
    assert set(call.wish.names) <= signature.outputs.keys()
    for name, array in call.feed.items():
        spec = signature.inputs[name]
        assert array.dtype == spec.datatype.dtype
        assert array.ndim == len(spec.shape)
        assert all(want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True))


def assert_same(call: Call, other: Call) -> None:
    """Hold that two requests mean the same."""
    assert call.feed.keys() == other.feed.keys()
    for name, array in call.feed.items():
        twin = other.feed[name]
        assert array.shape == twin.shape
        assert np.array_equal(array, twin) or array.tobytes() == twin.tobytes()
    mine, others = ((each.wish, each.id, each.priority, each.timeout) for each in (call, other))
    assert mine == others


def _compare(signature: Signature, call: Call, request: Any) -> None:
    for tensor in request["inputs"]:
        array = call.feed[tensor["name"]]
        assert array.shape == tuple(tensor["shape"])
        expected = np.array(tensor["data"], signature.inputs[tensor["name"]].datatype.dtype)
        assert np.array_equal(array.ravel(), expected.ravel())


def check_compression(data: bytes) -> None:
    """Hold that compressed bytes are refused, or inflated within the bound."""
    for name in encodings.ENCODINGS:
        try:
            plain = encodings.inflate(name, data, MOST_BODY)
        except InvalidRequestError:
            continue
        assert len(plain) <= MOST_BODY
        assert encodings.inflate(name, encodings.deflate(name, [plain]), MOST_BODY) == plain
    encodings.choose(data)


CHECKS = (check_connection, check_body, check_compression)


def check(data: bytes) -> None:
    """Check what the first byte chooses with the bytes that follow."""
    if data:
        CHECKS[data[0] % len(CHECKS)](data[1:])
