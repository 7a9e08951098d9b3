"""HTTP/1.1 on asyncio and httptools: requests in, answers out, in order and within bounds.

Knows no route. A ``Site`` opens each ``Exchange`` and answers it, at once or later. Requests of
one connection are opened one after the other, so pipelined ones keep their order. What can't be
read as a request is refused here, always with an answer; the connection then closes, but goes on
reading for a while, since a client that still writes would otherwise lose the answer.
"""

# ruff: noqa: D102 - asyncio and httptools say when they call a connection's methods

import asyncio
from collections import deque
from math import inf

import httptools

from slipway_runtime import logs
from slipway_runtime.exchange import Exchange, Head, Response, error
from slipway_runtime.port import Port

MOST_TARGET_BYTES = 8 << 10
MOST_HEADER_BYTES = 32 << 10
MOST_FRAMING = 16
"""Bytes that may come for each byte of a body; a chunk of one byte takes six."""
MOST_PIPELINED = 16
READ_SECONDS = 30.0
"""For a request's head and the beginning of its body."""
SLOWEST_BODY = 64 << 10
"""Bytes per second that a body must have on average beyond that."""
IDLE_SECONDS = 75.0
"""Longer than load balancers and clients keep idle connections: they should close first."""
LINGER_SECONDS = 5.0
WRITE_SECONDS = 60.0
"""For a client that does not read its answer."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PLAIN = b"\r\n\r\n"
KEPT = b"\r\nconnection: keep-alive\r\n\r\n"
CLOSED = b"\r\nconnection: close\r\n\r\n"

UNREAD = Head(b"", b"", {})
"""Of what could not be read as a request."""


def _without_offer(head: Head) -> bytes:
    """Write a request's head again, without its offer of another protocol."""
    headers = dict(head.headers)
    options = headers.pop(b"connection", b"").lower()
    headers.pop(b"upgrade", None)
    if b"close" in options:
        headers[b"connection"] = b"close"
    lines = [b"%b: %b" % pair for pair in headers.items()]
    return b"\r\n".join([head.method + b" " + head.target + b" HTTP/1.1", *lines, b"\r\n"])


class Connection(asyncio.Protocol):
    """One client. Its parser calls the ``on_`` methods."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._waiting: deque[Exchange | Response] = deque()
        self._current: Exchange | None = None
        self._advancing = False
        self._writable = True
        self._paused = False
        self._refused = False
        self._ended = False
        self._in_head = False
        self._reading = False
        self._head_bytes = 0
        self._came_bytes = 0
        self._held_bytes = 0
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._body_bytes = 0
        self.deadline = inf

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._port.connections.add(self)
        self.deadline = self._port.now + IDLE_SECONDS
        if len(self._port.connections) > self._port.most_connections:
            self._refuse(503, "this server has as many connections as it takes; try again later")
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.connections.discard(self)
        self._hold(-self._held_bytes)
        self._refused = True
        self._waiting.clear()
        current, self._current = self._current, None
        if current and current.cancel:
            current.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refused or self._take_one(data):
            return
        if not self._reading:
            data = self._take_known(data)
        if data:
            self._parse(data)
        self._advance()
        if len(self._waiting) > MOST_PIPELINED:
            self._pause()

    def _take_one(self, data: bytes) -> bool:
        """Open what is one whole request that begins as another did before: the usual case."""
        if self._reading or self._waiting or self._current is not None or not self._writable:
            return False
        port = self._port
        end = data.find(b"\r\n\r\n") + 4
        head = port.heads.get(data[:end])
        if head is None or end + head.length != len(data):
            return False
        if port.held_bytes + head.length > port.most_held_bytes:
            return False
        self._held_bytes += head.length
        port.held_bytes += head.length
        self.deadline = inf
        self._open(Exchange(self, head, data[end:]))
        return True

    def _take_known(self, data: bytes) -> bytes:
        """Take requests that begin as others did before, and return what is left for the parser.

        The parser stands between two requests here, before and after.
        """
        port = self._port
        at = 0
        while at < len(data):
            end = data.find(b"\r\n\r\n", at) + 4
            head = port.heads.get(data[at:end])
            if head is None or end + head.length > len(data):
                break
            if port.held_bytes + head.length > port.most_held_bytes:
                break
            at = end + head.length
            self._hold(head.length)
            self.deadline = inf
            self._waiting.append(Exchange(self, head, data[end:at]))
        return data[at:] if at else data

    def _parse(self, data: bytes) -> None:
        before, between = len(self._waiting), not self._reading
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError as defect:
            logs.crash("parsing failed", defect)
            self._refuse(500, "the runtime failed; its log says more")
        except httptools.HttpParserError as problem:
            self._refuse(400, f"this is not an HTTP/1.1 request: {problem}")
        if self._reading and len(self._waiting) == before:
            self._came_bytes += len(data)  # all of it belongs to a request that has not ended
            self._check_frame()
        if between and not (self._reading or self._refused) and len(self._waiting) == before + 1:
            self._remember(data)

    def _feed(self, data: bytes) -> None:
        """Parse, without any upgrade that is offered, as HTTP allows.

        The parser takes what follows such a request's head for another protocol, although it is
        the body: so it gets the head once more, without the offer.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            offered = self._waiting[-1]
            if self._refused or isinstance(offered, Response) or offered.method == b"CONNECT":
                self._refused = True
                return
            self._waiting.pop()
            self._feed(_without_offer(offered.head) + data[upgrade.args[0] :])

    def _remember(self, data: bytes) -> None:
        """Know the head of a request next time, if nothing but that and its body came.

        So it is none whose body comes in chunks.
        """
        (*_, exchange) = self._waiting
        if isinstance(exchange, Exchange):
            head = exchange.head
            end = data.find(b"\r\n\r\n") + 4
            if end + head.length == len(data):
                self._port.remember(data[:end], head)

    def eof_received(self) -> bool:
        """End with the client: as for most servers, one that stops writing has gone away.

        Unless it stopped in the middle of a request: then it is told so.
        """
        self._ended = True
        if not self._reading:
            return False
        self._refuse(400, f"the request was cut short after {self._body_bytes} bytes of body")
        self._advance()
        return True

    def pause_writing(self) -> None:
        self._writable = False
        self.deadline = self._port.now + WRITE_SECONDS
        self._pause()

    def resume_writing(self) -> None:
        self._writable = True
        self.deadline = self._port.now + READ_SECONDS if self._reading else inf
        self._rest()
        self._advance()

    def _pause(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def _resume(self) -> None:
        if self._writable and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._in_head = self._reading = True
        self._head_bytes = self._came_bytes = self._body_bytes = 0
        self._target = b""
        self._headers = {}
        self._pieces = []
        self.deadline = self._port.now + READ_SECONDS

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if len(self._target) > MOST_TARGET_BYTES:
            self._refuse(414, f"the request's target is longer than {MOST_TARGET_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        self._check_head(self._head_bytes)
        if not self._in_head:
            return  # behind a body in chunks: what comes there must not change what went before
        name = name.lower()
        before = self._headers.get(name)
        if before is None:
            self._headers[name] = value
        elif name == b"host":
            self._refuse(400, "the request has the header Host twice")
        else:
            self._headers[name] = before + b", " + value

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._refused:
            return
        headers, version = self._headers, self._parser.get_http_version()
        coding = headers.get(b"transfer-encoding", b"chunked")
        if version not in ("1.1", "1.0"):
            self._refuse(400, f"the request is of HTTP/{version}; use HTTP/1.1")
        elif b"host" not in headers and version == "1.1":
            self._refuse(400, "the request lacks the header Host, which HTTP/1.1 demands")
        elif coding.lower() != b"chunked" or (version == "1.0" and b"transfer-encoding" in headers):
            self._refuse(
                400, f"the Transfer-Encoding is {_text(coding)}, expected chunked, or none"
            )
        elif int(headers.get(b"content-length", b"0")) > self._port.most_body_bytes:
            self._refuse(413, self._too_large(headers[b"content-length"].decode()))
        elif b"expect" in headers:
            self._expect(headers[b"expect"])

    def on_body(self, piece: bytes) -> None:
        if self._refused:
            return
        self._pieces.append(piece)
        self._body_bytes += len(piece)
        self.deadline += len(piece) / SLOWEST_BODY
        self._hold(len(piece))
        if self._body_bytes > self._port.most_body_bytes:
            self._refuse(413, self._too_large(f"at least {self._body_bytes}"))
        elif self._port.held_bytes > self._port.most_held_bytes:
            self._refuse(503, "this server holds as many bytes of requests as it may; try again")

    def hold(self, size: int) -> bool:
        """Count bytes that a request holds beside its body; False if there are too many by now."""
        if self._current is not None:
            self._hold(size)
        return self._port.held_bytes <= self._port.most_held_bytes

    def _hold(self, size: int) -> None:
        self._held_bytes += size
        self._port.held_bytes += size

    def on_message_complete(self) -> None:
        self._reading = False
        if self._refused:
            return
        self.deadline = inf
        parser, pieces = self._parser, self._pieces
        head = Head(parser.get_method(), self._target, self._headers)
        head.keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        head.old = parser.get_http_version() == "1.0"
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._waiting.append(Exchange(self, head, body))

    # Refusals.

    def _expect(self, expectation: bytes) -> None:
        if expectation.lower() != b"100-continue":
            self._refuse(417, f"the expectation {_text(expectation)} is not known")
        elif self._current is None and not self._waiting:
            self._transport.write(CONTINUE)  # otherwise the client waits a moment, then sends

    def _check_frame(self) -> None:
        """Bound what comes beside a body: chunks of few bytes, what is said of them, trailers."""
        if self._in_head:
            self._check_head(self._came_bytes)
        elif self._came_bytes > 2 * MOST_HEADER_BYTES + MOST_FRAMING * self._body_bytes:
            self._refuse(431, "the request's chunks have more bytes of framing than of content")

    def _check_head(self, size: int) -> None:
        if size > MOST_HEADER_BYTES:
            self._refuse(431, f"the request's headers are longer than {MOST_HEADER_BYTES} bytes")

    def _too_large(self, came: str) -> str:
        return f"the body has {came} bytes, the most is {self._port.most_body_bytes}"

    def _refuse(self, status: int, message: str) -> None:
        """Answer in turn that no request could be read, and read no other."""
        if not self._refused:
            self._refused = True
            if self._reading:
                self._hold(-self._body_bytes)
            self._reading = False
            self._pieces = []
            self.deadline = inf
            self._port.site.refused(self._target, status)
            retry = b"retry-after: 1\r\n" if status == 503 else b""
            self._waiting.append(error(status, message, retry))

    def overdue(self) -> None:
        """End what took too long."""
        if self._reading and not self._refused:
            self._refuse(408, f"the request was not complete after {READ_SECONDS:g} s")
            self._advance()
        elif self._refused or not self._writable or self._transport.is_closing():
            self._transport.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def close_if_idle(self) -> None:
        """Close unless a request is being read, waits or is worked on."""
        if not (self._reading or self._current or self._waiting):
            self._transport.close()

    # Answers.

    def _advance(self) -> None:
        """Open the next request, when the one before has its answer and the client took it."""
        if self._advancing:
            return
        self._advancing = True
        while self._waiting and self._current is None and self._writable:
            following = self._waiting.popleft()
            if isinstance(following, Response):
                self._send(following, UNREAD, keep_alive=False)
            else:
                self._open(following)
        self._advancing = False
        if self._paused and not self._waiting:
            self._resume()

    def _open(self, exchange: Exchange) -> None:
        self._current = exchange
        try:
            self._port.site.open(exchange)
        except Exception as defect:
            logs.crash("request failed", defect)
            exchange.answer(error(500, "the runtime failed; its log says more"))

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Send the answer of the current exchange, and go on with the next."""
        if self._current is not exchange:
            return
        self._current = None
        exchange.cancel = None  # it leads back to the exchange: nobody should have to collect that
        held = exchange.held
        self._held_bytes -= held
        self._port.held_bytes -= held
        head = exchange.head
        stay = not self._port.draining or bool(self._waiting)
        self._send(response, head, head.keep_alive and stay)
        if self._waiting or self._paused:
            self._advance()

    def _send(self, response: Response, head: Head, keep_alive: bool) -> None:
        body = response.body
        size = len(body[0])
        for piece in body[1:]:
            size += len(piece)
        end = (KEPT if head.old else PLAIN) if keep_alive else CLOSED
        start = self._port.head(response.status, response.headers, size, end)
        if head.method == b"HEAD":
            self._transport.write(start)
        elif size < 65536:
            self._transport.write(b"".join((start, *body)))
        else:
            self._transport.writelines((start, *body))
        self._rest() if keep_alive else self._linger()

    def _rest(self) -> None:
        """Wait for the next request."""
        if self._writable and not (self._reading or self._current or self._refused):
            self.deadline = self._port.now + IDLE_SECONDS

    def _linger(self) -> None:
        """Close, but let the client finish writing, so that it gets to reading."""
        self._waiting.clear()
        if self._ended or not self._refused:
            self._transport.close()
            return
        self.deadline = self._port.now + LINGER_SECONDS
        if self._transport.can_write_eof():
            self._transport.write_eof()


def _text(value: bytes) -> str:
    """Quote what came in a header, of which there may be a lot."""
    return repr(value[:200].decode("latin-1"))
