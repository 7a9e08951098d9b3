"""A small client of HTTP/1.1: this server, and its peers, are asked as others ask them."""

# ruff: noqa: D102 - asyncio and httptools say when they call a connection's methods

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

from slipway_runtime.verification import resolving

MOST_ANSWER_BYTES = 64 << 20
MOST_HEADER_BYTES = 64 << 10


class UnreachableError(Exception):
    """No answer came, or none that can be read."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, for which model, and how many seconds and bytes one answer may take."""

    host: str
    port: int
    model: str
    patience: float
    most_bytes: int = MOST_ANSWER_BYTES

    @property
    def path(self) -> str:
        """Where predictions are asked for."""
        return f"/v2/models/{self.model}/infer"

    @classmethod
    def of(
        cls, url: str, model: str, patience: float, most_bytes: int = MOST_ANSWER_BYTES
    ) -> "Endpoint":
        """Read ``http://HOST[:PORT]``."""
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 80, model, patience, most_bytes)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection, for one request at a time. Its parser calls the ``on_`` methods."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._reply: asyncio.Future[Reply] | None = None
        self._room = 0
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            UnreachableError: The connection broke, or time ran out; it can't be used again.
        """
        lines = {"host": self._endpoint.host, **headers, "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        if not self.open:
            raise UnreachableError("the connection is closed")
        self._reply = reply = asyncio.Future[Reply](loop=self._loop)
        self._room = self._endpoint.most_bytes + MOST_HEADER_BYTES
        timer = self._loop.call_later(self._endpoint.patience, self._run_out)
        self._transport.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        try:
            return await reply
        finally:
            timer.cancel()

    @property
    def open(self) -> bool:
        """Whether neither side has closed it, as servers do with those that are idle."""
        return not self._transport.is_closing()

    def close(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _run_out(self) -> None:
        self._fail(TimeoutError(f"no answer within {self._endpoint.patience:g} s"))

    def _fail(self, problem: BaseException) -> None:
        self.close()
        if self._reply and not self._reply.done():
            self._reply.set_exception(UnreachableError(f"{type(problem).__name__}: {problem}"))

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or EOFError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            self._fail(ValueError(f"an answer of more than {self._endpoint.most_bytes} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            self._fail(problem.__context__ or problem)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._reply is None or self._reply.done():
            raise ValueError("an answer that nobody asked for")
        self._headers = {}
        self._pieces = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        length = int(self._headers.get("content-length", "-1"))
        if not 0 <= length <= self._endpoint.most_bytes:
            raise ValueError(f"an answer of {length} bytes")

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        assert self._reply  # noqa: S101 - or it had not begun
        status = self._parser.get_status_code()
        self._reply.set_result(Reply(status, self._headers, b"".join(self._pieces)))


async def connect(endpoint: Endpoint) -> Connection:
    """Open a connection.

    Raises:
        UnreachableError: Nobody listens there.
    """
    try:
        async with asyncio.timeout(endpoint.patience):
            return await _opened(endpoint)
    except (OSError, TimeoutError) as problem:
        raise UnreachableError(f"{type(problem).__name__}: {problem}") from problem


async def _opened(endpoint: Endpoint) -> Connection:
    *others, last = await resolving.addresses(endpoint.host)
    for address in others:
        with suppress(OSError):
            return await _opened_at(endpoint, address)
    return await _opened_at(endpoint, last)


async def _opened_at(endpoint: Endpoint, address: str) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(endpoint), address, endpoint.port
    )
    return connection


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[Connection]:
    """Open a connection, and close it in the end.

    Raises:
        UnreachableError: Nobody listens there.
    """
    connection = await connect(endpoint)
    try:
        yield connection
    finally:
        connection.close()
