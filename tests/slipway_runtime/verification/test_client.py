"""The client that asks this server, and its peers, of whom nothing is taken for granted."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slipway_runtime.verification import client
from slipway_runtime.verification.client import Connection, Endpoint, UnreachableError, connected
from support.listener import a_listener

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Name: a\r\n\r\nfine"
PATIENCE_SECONDS = 5.0


@asynccontextmanager
async def talking(
    serve: Callable[..., Any], patience: float = PATIENCE_SECONDS
) -> AsyncIterator[Connection]:
    """Connect to a server that does with its connection what ``serve`` does."""
    async with (
        a_listener(serve) as port,
        connected(Endpoint("127.0.0.1", port, "m", patience, most_bytes=1000)) as connection,
    ):
        yield connection


@asynccontextmanager
async def talking_to(
    *answers: bytes, patience: float = PATIENCE_SECONDS
) -> AsyncIterator[Connection]:
    """Connect to a server that gives each request its answer, and then closes."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"?")
            writer.write(answer)
            await writer.drain()
        await reader.readuntil(b"?")

    async with talking(serve, patience) as connection:
        yield connection


async def test_answers_come_whole_one_after_the_other() -> None:
    async with talking_to(FINE, FINE.replace(b"200", b"503")) as connection:
        first = await connection.post("/", {}, b"?")
        assert (first.status, first.headers["x-name"], first.body) == (200, "a", b"fine")
        assert (await connection.post("/", {}, b"?")).status == 503
        assert connection.open


async def test_an_answer_may_come_byte_by_byte() -> None:
    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"?")
        for byte in FINE:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await reader.read()

    async with talking(serve) as connection:
        assert (await connection.post("/", {}, b"?")).body == b"fine"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "HttpParser"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "an answer of -1 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n", "an answer of 1001 bytes"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "an answer of -1 bytes"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * (1 << 20), "an answer of more than 1000 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + FINE, "an answer of -1 bytes"),
    ],
)
async def test_what_can_not_be_read_is_no_answer(answer: bytes, problem: str) -> None:
    async with talking_to(answer) as connection:
        with pytest.raises(UnreachableError, match=problem):
            await connection.post("/", {}, b"?")
        assert not connection.open


async def test_silence_ends() -> None:
    async with talking_to(FINE[:-1], patience=0.1) as connection:
        with pytest.raises(UnreachableError, match="TimeoutError"):
            await connection.post("/", {}, b"?")
        with pytest.raises(UnreachableError, match="closed"):
            await connection.post("/", {}, b"?")


async def test_a_connection_that_breaks_is_told_at_once() -> None:
    async def hang_up(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"?")
        writer.write(FINE[:-1])

    async with talking(hang_up) as connection:
        with pytest.raises(UnreachableError, match="closed"):
            await connection.post("/", {}, b"?")


async def test_an_answer_that_nobody_asked_for_answers_nothing() -> None:
    async with talking_to(FINE + FINE.replace(b"fine", b"oops")) as connection:
        assert (await connection.post("/", {}, b"?")).body == b"fine"
        with pytest.raises(UnreachableError):
            await connection.post("/", {}, b"?")


async def test_nobody_listens(unused_tcp_port: int) -> None:
    with pytest.raises(UnreachableError):
        await client.connect(Endpoint("127.0.0.1", unused_tcp_port, "m", PATIENCE_SECONDS))
