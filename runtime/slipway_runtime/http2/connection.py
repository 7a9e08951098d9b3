"""HTTP/2 on asyncio: one client's frames in, streams out of them, all within bounds.

What a client gets wrong ends its stream or its connection, with the error code that RFC 9113 has
for it. What costs us more than it costs the client is rationed: resets, frames that carry nothing,
headers, bytes that are held, and patience.
"""

# ruff: noqa: D102 - asyncio says when it calls a connection's methods

import asyncio
from collections.abc import Callable

from slipway_runtime import logs
from slipway_runtime.http2 import frames, requests
from slipway_runtime.http2.blocks import Block
from slipway_runtime.http2.budget import Budget
from slipway_runtime.http2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEAD_SIZE,
    LARGEST_STREAM,
    PREFACE,
    WORD,
    Code,
    ConnectionFault,
    Setting,
    StreamFault,
)
from slipway_runtime.http2.greeting import (
    CONNECTION_WINDOW,
    FRAME_SIZE,
    HTTP1_ANSWER,
    MOST_STREAMS,
    SETTINGS,
    Greeting,
    heard,
)
from slipway_runtime.http2.heads import HeadReader
from slipway_runtime.http2.patience import Patience, Verdict
from slipway_runtime.http2.port import Port
from slipway_runtime.http2.sender import Sender
from slipway_runtime.http2.streams import STREAM_WINDOW, Stream

RESETS = (1000, 50)
"""Streams that are broken off: at once, and a second after that."""
EMPTIES = (10_000, 5000)
"""Frames that carry nothing of a request: pings, settings, empty data."""
WORTH = 20
"""Such frames that a request makes up for: clients ping to measure how fast the way is."""

RETIRE_SECONDS = 2.0
"""For requests that were on their way when the client was told to go elsewhere."""

STILL_THERE = frames.frame(frames.PING, 0, 0, b"are you?")
RETIRING = frames.go_away(LARGEST_STREAM, Code.NO_ERROR, "the server ends")
LAST_CALL = b"lastcall"


class Connection(asyncio.Protocol):
    """One client."""

    sender: Sender

    def __init__(self, port: Port) -> None:
        self.port = port
        self.streams: dict[int, Stream] = {}
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = bytearray()
        self._needed = len(PREFACE)
        self._greeted = self._settled = self._over = False
        self._heads = HeadReader(port)
        self._block: Block | None = None
        self._last = 0
        self._skipped: list[range] = []
        self._room = CONNECTION_WINDOW
        self._resets = Budget(*RESETS, port.now)
        self._empties = Budget(*EMPTIES, port.now)
        self._patience = Patience(port.now)
        self._retiring: float | None = None
        self._retired = False
        self._handlers: tuple[Callable[[int, int, bytes], None], ...] = (
            self._data,
            self._headers,
            self._priority,
            self._rst_stream,
            self._settings,
            self._push_promise,
            self._ping,
            self._go_away,
            self._window_update,
            self._continuation,
        )

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.sender = Sender(self._transport, self._sent)
        self.port.connections.add(self)
        if len(self.port.connections) > self.port.most_connections:
            self.sender.add(SETTINGS)
            self._end(ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.port.connections.discard(self)
        self._over = True
        for stream in list(self.streams.values()):
            self._drop(stream)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._patience.hear(self.port.now)
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._needed:
                return
            data = bytes(buffer)
            buffer.clear()
        self.sender.flushes = True
        try:
            self._take(data)
        except ConnectionFault as fault:
            self._end(fault)
        self.sender.flush()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.sender.stall()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.sender.resume()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # Frames.

    def _take(self, data: bytes) -> None:
        """Go through what came; keep what is no whole frame yet."""
        at, end = 0, len(data)
        if not self._greeted:
            if not self._greet(data):
                return
            at = len(PREFACE)
        needed = HEAD_SIZE
        while end - at >= HEAD_SIZE:
            high, low, kind, flags, stream_id = frames.HEAD.unpack_from(data, at)
            needed = HEAD_SIZE + (high << 16 | low)
            if needed > HEAD_SIZE + FRAME_SIZE:
                raise ConnectionFault(
                    Code.FRAME_SIZE_ERROR, f"a frame is longer than {FRAME_SIZE} bytes"
                )
            if end - at < needed:
                break
            payload = data[at + HEAD_SIZE : at + needed]
            self._frame(kind, flags, stream_id & LARGEST_STREAM, payload)
            if self._over:
                return
            at += needed
            needed = HEAD_SIZE
        if at < end:
            self._buffer += data[at:]
            self._needed = needed

    def _greet(self, data: bytes) -> bool:
        """Check what a connection begins with; False while it is not there as a whole."""
        try:
            greeting = heard(data)
        except ConnectionFault:
            self.sender.add(SETTINGS)
            raise
        if greeting is Greeting.HTTP1:
            self.sender.add(HTTP1_ANSWER)
            self._close()
        elif greeting is Greeting.PART:
            self._buffer += data
        else:
            self.sender.add(SETTINGS)
            self._greeted = True
        return self._greeted

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is not None and kind != frames.CONTINUATION:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a header block is not continued")
        if not self._settled:
            if kind != frames.SETTINGS or flags & ACK:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._settled = True
        if kind >= len(self._handlers):
            self._spend()
            return
        try:
            self._handlers[kind](flags, stream_id, payload)
        except StreamFault as fault:
            self._refuse(stream_id, fault)
        except ConnectionFault:
            raise
        except Exception as defect:
            logs.crash("stream failed", defect)
            self._break(stream_id, Code.INTERNAL_ERROR)

    def _spend(self) -> None:
        """Count a frame that carries nothing of a request."""
        if not self._empties.spend(self.port.now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def _refuse(self, stream_id: int, fault: StreamFault) -> None:
        """Reset a stream, or end the connection: one that was never opened can't be reset."""
        if not self._opened(stream_id):
            raise ConnectionFault(fault.code, fault.message) from None
        self._break(stream_id, fault.code)

    def _break(self, stream_id: int, code: Code) -> None:
        """Reset a stream."""
        self.sender.add(frames.reset(stream_id, code))
        self._broken(stream_id)

    def _broken(self, stream_id: int) -> None:
        """Forget a stream that either side has reset; doing so again and again is an attack."""
        if stream := self.streams.get(stream_id):
            self._drop(stream)
        if not self._resets.spend(self.port.now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many streams are broken off")

    # Requests.

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = frames.unpadded(flags, payload)
        if flags & frames.WITH_PRIORITY:
            if len(block) < 5:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "HEADERS lacks its priority")
            if _depends(block) == stream_id:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream depends on itself")
            block = block[5:]
        if flags & END_HEADERS:
            self._open(flags, stream_id, block)
        else:
            self._block = Block(flags, stream_id, block)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "CONTINUATION continues nothing")
        self._block.go_on(stream_id, payload)
        if flags & END_HEADERS:
            block, self._block = self._block, None
            self._open(block.flags, stream_id, block.whole())

    def _open(self, flags: int, stream_id: int, block: bytes) -> None:
        """Begin a stream, or end one whose trailers these are."""
        if stream_id <= self._last:
            self._close_request(flags, stream_id, block)
            return
        if not stream_id & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"clients do not open stream {stream_id}")
        if stream_id > self._last + 2:
            self._skip(stream_id)
        self._last = stream_id
        head, own = self._heads.read(block)
        if self._retired:
            return
        if len(self.streams) >= MOST_STREAMS:
            raise StreamFault(Code.REFUSED_STREAM, "too many streams")
        stream = self.port.site.accept(self, stream_id, self.sender.initial_window)
        self.streams[stream_id] = stream
        stream.ended = bool(flags & END_STREAM)
        stream.expected = head.content_length
        if stream.ended and stream.expected:
            raise StreamFault(Code.PROTOCOL_ERROR, "content-length is wrong")
        self._empties.earn(WORTH)
        stream.begin(head, own)

    def _skip(self, stream_id: int) -> None:
        """Remember streams that were never opened: using them now is another error."""
        if len(self._skipped) < 16:
            self._skipped.append(range(self._last + 1 | 1, stream_id, 2))

    def _close_request(self, flags: int, stream_id: int, block: bytes) -> None:
        """Take trailers; their headers say nothing that we need."""
        if any(stream_id in skipped for skipped in self._skipped) or not stream_id & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"stream {stream_id} is too late")
        pairs = self._heads.trailers(block)
        stream = self.streams.get(stream_id)
        if stream is None or stream.ended:
            raise ConnectionFault(Code.STREAM_CLOSED, "HEADERS on a stream that has ended")
        if not flags & END_STREAM:
            raise StreamFault(Code.PROTOCOL_ERROR, "trailers do not end their stream")
        requests.check_trailers(pairs)
        if stream.expected:
            raise StreamFault(Code.PROTOCOL_ERROR, "content-length is wrong")
        stream.ended = True
        stream.data(b"")

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._room -= size
        if self._room < CONNECTION_WINDOW // 2:
            self._grant_connection()
        content = frames.unpadded(flags, payload) if flags & frames.PADDED else payload
        stream = self.streams.get(stream_id)
        if stream is None or stream.ended:
            self._check_opened(stream_id, "DATA")
            raise StreamFault(Code.STREAM_CLOSED, "DATA on a stream that has ended")
        stream.room -= size
        if stream.room < STREAM_WINDOW // 2:
            self._grant(stream)
        if stream.expected is not None:
            stream.expected -= len(content)
        if flags & END_STREAM:
            stream.ended = True
            if stream.expected:
                raise StreamFault(Code.PROTOCOL_ERROR, "content-length is wrong")
        elif not content:
            self._spend()
        stream.data(content)

    def _grant_connection(self) -> None:
        if self._room < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more came than the window allows")
        self.sender.add(frames.window_update(0, CONNECTION_WINDOW - self._room))
        self._room = CONNECTION_WINDOW

    def _grant(self, stream: Stream) -> None:
        if stream.room < 0:
            raise StreamFault(Code.FLOW_CONTROL_ERROR, "more came than the window allows")
        self.sender.add(frames.window_update(stream.id, STREAM_WINDOW - stream.room))
        stream.room = STREAM_WINDOW

    def _opened(self, stream_id: int) -> bool:
        return stream_id <= self._last and bool(stream_id & 1)

    def _check_opened(self, stream_id: int, what: str) -> None:
        """Make sure that there was such a stream once."""
        if not self._opened(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"{what} on stream {stream_id}, unopened")

    def _rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags
        _expect(payload, 4)
        self._check_opened(stream_id, "RST_STREAM")
        if stream_id in self.streams:
            self._broken(stream_id)
        else:
            self._spend()

    # Streams and their ends.

    def _sent(self, stream_id: int) -> None:
        """Forget a stream whose answer is out; ask a client to stop that is not done with it."""
        stream = self.streams.pop(stream_id)
        stream.open = False
        if stream.held:
            stream.hold(-stream.held)
        if not stream.ended:
            self.sender.add(frames.reset(stream_id, Code.NO_ERROR))
        if self._retired and not self.streams:
            self._close()

    def _drop(self, stream: Stream) -> None:
        """Forget a stream that nobody waits for."""
        del self.streams[stream.id]
        stream.open = False
        stream.hold(-stream.held)
        self.sender.forget(stream)
        stream.cancelled()

    # The connection.

    def _priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags
        self._spend()
        if not stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "PRIORITY of the connection")
        if len(payload) != 5:
            raise StreamFault(Code.FRAME_SIZE_ERROR, "PRIORITY has 5 bytes")
        if _depends(payload) == stream_id:
            raise StreamFault(Code.PROTOCOL_ERROR, "a stream depends on itself")

    def _push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags, stream_id, payload
        raise ConnectionFault(Code.PROTOCOL_ERROR, "clients do not push")

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        _expect_connection(stream_id, "SETTINGS")
        self._spend()
        if flags & ACK:
            _expect(payload, 0)
            return
        values = frames.read_settings(payload)
        self.sender.add(frames.frame(frames.SETTINGS, ACK, 0))
        for key, value in values:
            if key == Setting.INITIAL_WINDOW_SIZE:
                self._resize(value)
            elif key == Setting.MAX_FRAME_SIZE:
                self.sender.set_frame_size(value)

    def _resize(self, window: int) -> None:
        """Follow a new initial window, which holds for streams that are open, too."""
        change = window - self.sender.initial_window
        self.sender.initial_window = window
        for stream in list(self.streams.values()):
            try:
                self.sender.widen_one(stream, change)
            except StreamFault as fault:
                raise ConnectionFault(fault.code, fault.message) from None

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        _expect_connection(stream_id, "PING")
        _expect(payload, 8)
        self._spend()
        if not flags & ACK:
            self.sender.add(frames.frame(frames.PING, ACK, 0, payload))
        elif payload == LAST_CALL and self._retiring is not None:
            self._last_call()

    def _go_away(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags
        _expect_connection(stream_id, "GOAWAY")
        if len(payload) < 8:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "GOAWAY is too short")
        self._spend()

    def _window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        del flags
        _expect(payload, 4)
        size = WORD.unpack(payload)[0] & LARGEST_STREAM
        if not stream_id:
            if not size:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a window is opened by nothing")
            self.sender.widen(size)
            return
        self._check_opened(stream_id, "WINDOW_UPDATE")
        if not size:
            raise StreamFault(Code.PROTOCOL_ERROR, "a window is opened by nothing")
        if stream := self.streams.get(stream_id):
            self.sender.widen_one(stream, size)

    def tick(self, now: float) -> None:
        """End what took too long."""
        for stream in [each for each in self.streams.values() if each.deadline < now]:
            stream.overdue()
        if self._retiring is not None and now > self._retiring + RETIRE_SECONDS:
            self._last_call()
        moved = self.sender.moved if self.sender.blocked else None
        verdict = self._patience.judge(now, self._settled, moved)
        if verdict is Verdict.ABORT:
            self.abort()
        elif verdict is Verdict.ASK:
            self.sender.add(STILL_THERE)

    def retire(self) -> None:
        """Tell the client to go elsewhere, and take what it asked before it heard of that."""
        if self._over or self._retiring is not None or self._retired:
            return
        self._retiring = self.port.now
        self.sender.add(RETIRING + frames.frame(frames.PING, 0, 0, LAST_CALL))
        for stream in list(self.streams.values()):
            stream.retire()

    def _last_call(self) -> None:
        """Take no more streams, and close after the last answer."""
        self._retiring = None
        self._retired = True
        self.sender.add(frames.go_away(self._last, Code.NO_ERROR, "the server ends"))
        if not self.streams:
            self._close()

    def _end(self, fault: ConnectionFault) -> None:
        """Close, and say why."""
        self.sender.add(frames.go_away(self._last, fault.code, fault.message))
        self._close()

    def _close(self) -> None:
        self._over = True
        self.sender.flush()
        for stream in list(self.streams.values()):
            self._drop(stream)
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._over = True
        self._transport.abort()


def _depends(payload: bytes) -> int:
    """Read the stream that another one depends on."""
    return int(WORD.unpack_from(payload)[0]) & LARGEST_STREAM


def _expect(payload: bytes, size: int) -> None:
    if len(payload) != size:
        raise ConnectionFault(
            Code.FRAME_SIZE_ERROR, f"a frame of {size} bytes has {len(payload)} bytes"
        )


def _expect_connection(stream_id: int, what: str) -> None:
    if stream_id:
        raise ConnectionFault(Code.PROTOCOL_ERROR, f"{what} on stream {stream_id}")
