"""A small client of HTTP/1.1: this server, and its peers, are asked as others ask them."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from slipway_runtime.verification import resolving

MOST_ANSWER_BYTES = 64 << 20


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


class Connection:
    """One connection, for one request at a time."""

    def __init__(self, endpoint: Endpoint, reader: StreamReader, writer: StreamWriter) -> None:
        self._endpoint = endpoint
        self._reader = reader
        self._writer = writer

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send a request and wait for its answer.

        Raises:
            UnreachableError: The connection broke, or time ran out; it can't be used again.
        """
        lines = {"host": self._endpoint.host, **headers, "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        try:
            async with asyncio.timeout(self._endpoint.patience):
                self._writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
                await self._writer.drain()
                return await self._read()
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as problem:
            self.close()
            raise UnreachableError(f"{type(problem).__name__}: {problem}") from problem

    async def _read(self) -> Reply:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "-1"))
        if not 0 <= length <= self._endpoint.most_bytes:
            raise ValueError(f"an answer of {length} bytes")
        return Reply(int(first.split()[1]), headers, await self._reader.readexactly(length))

    @property
    def open(self) -> bool:
        """Whether neither side has closed it, as servers do with those that are idle."""
        return not (self._writer.is_closing() or self._reader.at_eof())

    def close(self) -> None:
        """Close at once."""
        self._writer.transport.abort()


async def connect(endpoint: Endpoint) -> Connection:
    """Open a connection.

    Raises:
        UnreachableError: Nobody listens there.
    """
    try:
        async with asyncio.timeout(endpoint.patience):
            streams = await _opened(endpoint)
    except (OSError, TimeoutError) as problem:
        raise UnreachableError(f"{type(problem).__name__}: {problem}") from problem
    return Connection(endpoint, *streams)


async def _opened(endpoint: Endpoint) -> tuple[StreamReader, StreamWriter]:
    *others, last = await resolving.addresses(endpoint.host)
    for address in others:
        with suppress(OSError):
            return await asyncio.open_connection(address, endpoint.port)
    return await asyncio.open_connection(last, endpoint.port)


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
