"""What goes out on one connection: in few writes, within the other side's windows."""

import asyncio
from collections import deque
from collections.abc import Callable

from slipway_runtime.http2 import frames
from slipway_runtime.http2.frames import (
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LARGEST_WINDOW,
    SMALLEST_FRAME,
    Code,
    ConnectionFault,
    StreamFault,
)

END = END_HEADERS | END_STREAM
LARGE_WRITE = 1 << 16
"""Beyond this, pieces are handed over one by one: joining them would cost a copy."""

_pack = frames.HEAD.pack


class Outlet:
    """One stream's way out: its window, and what waits for it to open."""

    __slots__ = ("id", "trailers", "waiting", "window")

    def __init__(self, stream_id: int, window: int) -> None:
        self.id = stream_id
        self.window = window
        self.waiting: deque[memoryview] | None = None
        self.trailers: bytes | None = None


class Sender:
    """The way out of a connection.

    ``sent`` is called when a stream's last frame is on its way. Bodies that do not fit into a
    window wait; ``waiting_bytes`` says how many bytes there are of them.
    """

    def __init__(self, transport: asyncio.Transport, sent: Callable[[int], None]) -> None:
        self._transport = transport
        self._sent = sent
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes | memoryview] = []
        self._bytes = 0
        self._blocked: dict[int, Outlet] = {}
        self._window = DEFAULT_WINDOW
        self._frame_size = SMALLEST_FRAME
        self._writable = True
        self.initial_window = DEFAULT_WINDOW
        self.waiting_bytes = 0
        self.moved = 0
        """Grows with every body byte that leaves: who does not read makes it stand still."""
        self.flushes = False
        """Whether somebody will call ``flush`` soon."""

    @property
    def blocked(self) -> bool:
        """Whether something waits for the client to read."""
        return bool(self._blocked) or not self._writable

    # What is sent.

    def add(self, piece: bytes | memoryview) -> None:
        """Send a frame, or a part of one, with the next write."""
        self._pieces.append(piece)
        self._bytes += len(piece)
        if not self.flushes:
            self.flushes = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what has come together."""
        self.flushes = False
        pieces = self._pieces
        if not pieces:
            return
        self._pieces = []
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif self._bytes < LARGE_WRITE:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)
        self._bytes = 0

    def open(self, outlet: Outlet, block: bytes) -> None:
        """Begin an answer that has a body."""
        self.add(frames.frame(HEADERS, END_HEADERS, outlet.id, block))

    def only(self, outlet: Outlet, block: bytes) -> None:
        """Give an answer that is nothing but headers."""
        self.add(frames.frame(HEADERS, END, outlet.id, block))
        self._sent(outlet.id)

    def whole(self, outlet: Outlet, block: bytes, body: bytes, trailers: bytes) -> None:
        """Give a whole answer; in one piece, where it fits."""
        size, stream = len(body), outlet.id
        fits = size <= self._window and size <= outlet.window and size <= self._frame_size
        if not (fits and self._writable) or self._blocked:
            self.open(outlet, block)
            self.body(outlet, body)
            self.close(outlet, trailers)
            return
        self._window -= size
        self.moved += size
        self.add(
            b"".join(
                (
                    _pack(0, len(block), HEADERS, END_HEADERS, stream),
                    block,
                    _pack(size >> 16, size & 0xFFFF, DATA, 0, stream),
                    body,
                    _pack(0, len(trailers), HEADERS, END, stream),
                    trailers,
                )
            )
        )
        self._sent(stream)

    def body(self, outlet: Outlet, body: bytes) -> None:
        """Send a part of an answer's body, or let it wait."""
        if not body:
            return
        if outlet.waiting is None:
            outlet.waiting = deque()
        outlet.waiting.append(memoryview(body))
        self.waiting_bytes += len(body)
        self._blocked.setdefault(outlet.id, outlet)
        self._pump(outlet)

    def close(self, outlet: Outlet, trailers: bytes) -> None:
        """End an answer, after all of its body."""
        outlet.trailers = trailers
        if outlet.id not in self._blocked:
            self._end(outlet)

    def forget(self, outlet: Outlet) -> None:
        """Drop what waits for a stream that is no more."""
        if self._blocked.pop(outlet.id, None) and outlet.waiting:
            self.waiting_bytes -= sum(map(len, outlet.waiting))
            outlet.waiting.clear()

    def _end(self, outlet: Outlet) -> None:
        self.add(frames.frame(HEADERS, END, outlet.id, outlet.trailers or b""))
        self._sent(outlet.id)

    def _pump(self, outlet: Outlet) -> None:
        """Send of a stream what the windows allow."""
        waiting = outlet.waiting
        while waiting and self._writable:
            room = min(self._window, outlet.window, self._frame_size)
            if room <= 0:
                return
            first = waiting[0]
            piece = first[:room]
            if len(piece) == len(first):
                waiting.popleft()
            else:
                waiting[0] = first[room:]
            self._send(outlet, piece)
        if not waiting:
            del self._blocked[outlet.id]
            if outlet.trailers is not None:
                self._end(outlet)

    def _send(self, outlet: Outlet, piece: memoryview) -> None:
        size = len(piece)
        outlet.window -= size
        self._window -= size
        self.waiting_bytes -= size
        self.moved += size
        self.add(frames.head(size, DATA, 0, outlet.id))
        self.add(piece)

    def _pump_all(self) -> None:
        """Send what waits, one frame's worth of each stream in turn being enough fairness."""
        for outlet in list(self._blocked.values()):
            if self._window <= 0 or not self._writable:
                return
            self._pump(outlet)

    # What opens and closes the way.

    def stall(self) -> None:
        """Hold bodies back: the client does not read."""
        self._writable = False

    def resume(self) -> None:
        """Go on with bodies."""
        self._writable = True
        self._pump_all()

    def widen(self, size: int) -> None:
        """Open the connection's window.

        Raises:
            ConnectionFault: If it gets larger than windows can be.
        """
        if self._window + size > LARGEST_WINDOW:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the connection's window is too large")
        self._window += size
        self._pump_all()

    def widen_one(self, outlet: Outlet, size: int) -> None:
        """Open a stream's window.

        Raises:
            StreamFault: If it gets larger than windows can be.
        """
        if outlet.window + size > LARGEST_WINDOW:
            raise StreamFault(Code.FLOW_CONTROL_ERROR, "the stream's window is too large")
        outlet.window += size
        if outlet.id in self._blocked:
            self._pump(outlet)

    def set_frame_size(self, size: int) -> None:
        """Take over the other side's SETTINGS_MAX_FRAME_SIZE."""
        self._frame_size = size
