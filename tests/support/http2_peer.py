"""The other side of an HTTP/2 connection, without a network: frames in, frames out."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import hpack

from slipway_runtime.http2 import frames
from slipway_runtime.http2.connection import Connection
from slipway_runtime.http2.port import Port
from slipway_runtime.http2.requests import Head
from slipway_runtime.http2.streams import Site, Stream

Headers = list[tuple[str, str]]

POST: Headers = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/echo"),
    (":authority", "test"),
]
OPENING = frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0)


class Wire(asyncio.Transport):
    """Takes what a connection writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = self.aborted = self.paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.written += data

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of RST_STREAM and GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == 3 else self.payload[4:8], "big")

    @property
    def last(self) -> int:
        """The last stream that a GOAWAY names."""
        return int.from_bytes(self.payload[:4], "big")


def parsed(content: bytes) -> list[Frame]:
    found, at = [], 0
    while at < len(content):
        high, low, kind, flags, stream = frames.HEAD.unpack_from(content, at)
        size = high << 16 | low
        payload = bytes(content[at + 9 : at + 9 + size])
        found.append(Frame(kind, flags, stream, payload))
        at += 9 + size
    return found


class Echo(Stream):
    """Answers a request with its own body, or waits to be told to."""

    wait = False
    __slots__ = ("body", "head", "own", "told")

    def begin(self, head: Head, own: bytes) -> None:
        self.head, self.own, self.body = head, own, bytearray()
        self.told: list[str] = []
        if self.ended:
            self.data(b"")

    def data(self, piece: bytes) -> None:
        self.hold(len(piece))
        self.body += piece
        if self.ended and not self.wait:
            self.go()

    def go(self) -> None:
        self.answer(b"\x88", bytes(self.body), b"\x88")

    def cancelled(self) -> None:
        self.told.append("cancelled")

    def overdue(self) -> None:
        self.told.append("overdue")

    def retire(self) -> None:
        self.told.append("retire")


class Patient(Echo):
    wait = True
    __slots__ = ()


@dataclass
class EchoSite:
    kind: type[Echo] = Echo
    own_header: bytes = b"x-own"
    streams: list[Any] = field(default_factory=list)

    def accept(self, connection: Connection, stream_id: int, window: int) -> Stream:
        stream = self.kind(connection, stream_id, window)
        self.streams.append(stream)
        return stream


def opening(encoder: Any, stream: int, headers: Headers = POST, flags: int = 0x4) -> bytes:
    """Write the frame that opens a stream."""
    return frames.frame(frames.HEADERS, flags, stream, encoder.encode(headers))


class Peer:
    """A client; to be made within a running event loop."""

    def __init__(self, site: Site | None = None, port: Port | None = None) -> None:
        self.site = site or EchoSite()
        self.port = port or Port(self.site, most_held_bytes=1 << 20, most_connections=10)
        self.wire = Wire()
        self.connection = Connection(self.port)
        self.connection.connection_made(self.wire)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.seen = 0

    @classmethod
    def greeted(cls, site: Site | None = None, port: Port | None = None) -> "Peer":
        peer = cls(site, port)
        peer.send(OPENING)
        peer.take()
        return peer

    def send(self, *pieces: bytes) -> None:
        self.connection.data_received(b"".join(pieces))

    def headers(self, stream: int, headers: Headers = POST, flags: int = 0x4) -> bytes:
        return opening(self.encoder, stream, headers, flags)

    def request(self, stream: int, body: bytes = b"hello", headers: Headers = POST) -> bytes:
        data = frames.frame(frames.DATA, frames.END_STREAM, stream, body)
        return self.headers(stream, headers) + data

    def take(self, *kinds: int) -> list[Frame]:
        """Take the frames that came since; of these kinds, or all."""
        self.connection.sender.flush()
        new = parsed(bytes(self.wire.written[self.seen :]))
        self.seen = len(self.wire.written)
        return [frame for frame in new if not kinds or frame.kind in kinds]

    def lost(self) -> None:
        self.connection.connection_lost(None)
