"""What must hold for any bytes at all over gRPC: of a connection, of header blocks, of a request.

Each ``check_`` raises for bytes that break a promise. hypothesis, the fuzzer and its corpus share
them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import hpack as other

from fuzz.targets import READERS, assert_fits, assert_same
from slipway_runtime.aside import Aside
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.grpc import requests
from slipway_runtime.grpc.messages import parse
from slipway_runtime.grpc.plans import REQUEST
from slipway_runtime.http2 import frames, greeting, hpack
from slipway_runtime.http2.frames import ConnectionFault
from slipway_runtime.http2.heads import MOST_BYTES
from slipway_runtime.http2.port import Port
from support.grpc_peer import Model, a_port
from support.http2_peer import OPENING, Frame, Peer, parsed

STREAMS = (0, 1, 3, 5, 7, 9, 2, 2**31 - 1, 2**32 - 1)
LOGGER = logging.getLogger("slipway_runtime")
SIZES = (1, 9, 64, 1 << 20)

Step = Callable[["Talk"], None]


class Soon(Aside):
    """Does work at once and hands it back later, so that equal bytes always go the same way."""

    def do(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._work(work, done)


class Talk:
    """One connection to a model; to be made within a running event loop."""

    def __init__(self, at_once: bool) -> None:
        self.model = Model(at_once)
        self.port: Port = a_port(self.model)
        self.port.site.aside = Soon()  # type: ignore[attr-defined]
        self.peer = Peer(port=self.port)

    def send(self, piece: bytes) -> None:
        self.peer.send(piece)
        assert len(self.peer.connection._buffer) <= greeting.FRAME_SIZE + frames.HEAD_SIZE

    def wait(self, seconds: int) -> None:
        self.port.tick(self.port.now + seconds)

    def answer(self) -> None:
        """Have the model answer what it was asked first."""
        if not self.model.at_once and self.model.asked:
            job = self.model.asked.pop(0)
            if job not in self.model.cancelled:
                job.done([job.feed["x"]])

    def end(self) -> None:
        """Lose the connection, of which nothing may be left."""
        self.port.retire()
        connection = self.peer.connection
        self.peer.lost()
        assert self.port.held_bytes == 0
        assert connection.sender.waiting_bytes == 0
        assert not connection.streams
        assert not self.port.connections


def bear(steps: Iterable[bytes | Step], at_once: bool = True) -> None:
    """Hold that whatever a client sends, in whatever order, nothing fails or stays behind."""
    asyncio.run(_bear(steps, at_once))


class Failures(logging.Handler):
    """Keeps what the runtime logs of errors that it did not expect."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.exc_info)


async def _bear(steps: Iterable[bytes | Step], at_once: bool) -> None:
    failures = Failures()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, failure: failures.seen.append(failure))
    LOGGER.addHandler(failures)
    try:
        written = await _written(steps, at_once)
    finally:
        LOGGER.removeHandler(failures)
    assert not failures.seen
    _check_written(written)


async def _written(steps: Iterable[bytes | Step], at_once: bool) -> bytes:
    """Take the steps one after the other, and return what the client got."""
    talk = Talk(at_once)
    for number, step in enumerate(steps):
        if isinstance(step, bytes):
            talk.send(step)
        else:
            step(talk)
        if number % 7 == 3:
            talk.wait(1)
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    talk.end()
    await asyncio.sleep(0)
    return bytes(talk.peer.wire.written)


def _check_written(written: bytes) -> None:
    if written.startswith(b"HTTP/1.1 "):
        return
    over: set[int] = set()
    written_frames = parsed(written)
    assert sum(frames.HEAD_SIZE + len(frame.payload) for frame in written_frames) == len(written)
    for frame in written_frames:
        assert frame.kind <= frames.CONTINUATION
        if frame.kind in (frames.HEADERS, frames.DATA):
            assert frame.stream & 1
            assert frame.stream not in over
        if _ends(frame):
            over.add(frame.stream)


def _ends(frame: Frame) -> bool:
    """Tell whether a stream's answer is over; nothing ends by a fault of ours."""
    if frame.kind in (frames.RST_STREAM, frames.GOAWAY):
        assert frame.code != frames.Code.INTERNAL_ERROR
        return frame.kind == frames.RST_STREAM
    return frame.kind in (frames.HEADERS, frames.DATA) and bool(frame.flags & frames.END_STREAM)


def check_connection(data: bytes) -> None:
    """Hold what ``bear`` says.

    The first byte says whether the model answers at once, whether the client greets, and whether
    the others are what comes, in pieces, or are read as frames and other events.
    """
    if not data:
        return
    how, rest = data[0], data[1:]
    size = SIZES[how >> 3 & 3]
    steps = _steps(rest) if how & 4 else (rest[at : at + size] for at in range(0, len(rest), size))
    bear([OPENING, *steps] if how & 2 else steps, at_once=bool(how & 1))


def _steps(data: bytes) -> Iterator[bytes | Step]:
    """Read events: a kind, flags, a stream, a size, and so many bytes; frames are the first 11."""
    at = 0
    while at + 4 <= len(data):
        kind, flags, stream, size = data[at : at + 4]
        payload = data[at + 4 : at + 4 + size]
        at += 4 + size
        yield _step(kind & 15, flags, STREAMS[stream % len(STREAMS)], payload)


def _step(kind: int, flags: int, stream: int, payload: bytes) -> bytes | Step:
    match kind:
        case 11:
            return lambda talk: talk.wait(flags)
        case 12:
            return lambda talk: talk.port.retire()
        case 13:
            return lambda talk: talk.peer.connection.pause_writing()
        case 14:
            return lambda talk: talk.peer.connection.resume_writing()
        case 15:
            return Talk.answer
        case _:
            return frames.frame(kind, flags, stream, payload)


def check_headers(data: bytes) -> None:
    """Hold that header blocks are read as another decoder reads them, or refused.

    Each begins with its length.
    """
    ours, theirs = hpack.Decoder(MOST_BYTES), other.Decoder(max_header_list_size=1 << 24)
    at = 0
    while at < len(data):
        block = data[at + 1 : at + 1 + data[at]]
        at += 1 + len(block)
        version = ours.version
        try:
            read = ours.decode(block)
        except ConnectionFault:
            return
        expected = theirs.decode(block, raw=True)
        assert read == expected if read is not None else hpack.size(expected) > MOST_BYTES
        assert ours._used == hpack.size(ours._dynamic) <= ours._size <= hpack.TABLE_BYTES
        if version == ours.version:
            assert ours.decode(block) == read


def check_message(data: bytes) -> None:
    """Hold that a request is refused as the caller's fault, or read; and recalled as it is read.

    The first byte chooses the model, the next two how many bytes of the end another request lacks,
    and how many it has in their place.
    """
    if len(data) < 3:
        return
    signature = READERS[data[0] % len(READERS)][0]
    content = data[3 + data[2] :]
    like = content[: max(0, len(content) - data[1])] + data[3 : 3 + data[2]]
    reader = requests.Reader(signature)
    if asked := _read(reader, content):
        assert_fits(signature, asked.call)
        for again in (content, like):
            _check_recalled(reader, requests.Reader(signature), again)


def _check_recalled(reader: requests.Reader, fresh: requests.Reader, content: bytes) -> None:
    try:
        recalled = reader.recall(content)
    except InvalidRequestError:
        assert _read(fresh, content) is None
        return
    if recalled:
        asked = _read(fresh, content)
        assert asked
        assert_same(recalled.call, asked.call)


def _read(reader: requests.Reader, content: bytes) -> requests.Asked | None:
    try:
        return reader.read(parse(REQUEST, content), content)
    except InvalidRequestError as refusal:
        assert 0 < len(refusal.message) < 3000  # noqa: PT017 - any bytes may be refused
        return None


CHECKS = (check_connection, check_headers, check_message)


def check(data: bytes) -> None:
    """Check what the first byte chooses with the bytes that follow."""
    if data:
        CHECKS[data[0] % len(CHECKS)](data[1:])
