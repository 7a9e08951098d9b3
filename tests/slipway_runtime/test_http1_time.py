"""What takes too long, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from slipway_runtime.exchange import Exchange, Response
from slipway_runtime.http1 import (
    IDLE_SECONDS,
    LINGER_SECONDS,
    READ_SECONDS,
    SLOWEST_BODY,
    WRITE_SECONDS,
    Connection,
)
from slipway_runtime.port import Port
from support.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: s\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 1000000\r\n\r\n"
OK = Response(200, (b"ok",))


@dataclass
class Later:
    """A site that answers when the test does."""

    opened: list[Exchange] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    cancelled: int = 0

    def open(self, exchange: Exchange) -> None:
        self.opened.append(exchange)
        exchange.cancel = self._cancel

    def refused(self, target: bytes, status: int) -> None:
        self.refusals.append(status)

    def _cancel(self) -> None:
        self.cancelled += 1


@dataclass
class Stage:
    site: Later
    port: Port
    number: int

    async def client(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        before = len(self.port.connections)
        streams = await asyncio.open_connection("127.0.0.1", self.number)
        await until(lambda: len(self.port.connections) > before)
        return streams

    def wait(self, seconds: float) -> None:
        self.port.tick(self.port.now + seconds, b"d")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    site = Later()
    port = Port(site, most_body_bytes=1 << 20, most_connections=2)
    port.tick(1000.0, b"d")
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(port), "127.0.0.1", 0)
    yield Stage(site, port, listener.sockets[0].getsockname()[1])
    listener.close()
    for connection in list(port.connections):
        connection.abort()
    await asyncio.sleep(0)


async def test_a_request_that_does_not_arrive_is_answered_with_408(stage: Stage) -> None:
    reader, writer = await stage.client()
    writer.write(GET[:10])
    await asyncio.sleep(0.05)
    stage.wait(READ_SECONDS - 1)
    stage.wait(2)
    assert b" 408 " in await reader.read()
    assert stage.site.refusals == [408]
    writer.close()


async def test_a_body_has_time_by_its_size(stage: Stage) -> None:
    reader, writer = await stage.client()
    writer.write(POST + bytes(10 * SLOWEST_BODY))
    await asyncio.sleep(0.05)
    stage.wait(READ_SECONDS + 9)
    assert stage.site.refusals == []
    stage.wait(2)
    assert b" 408 " in await reader.read()
    writer.close()


async def test_an_idle_connection_is_closed_in_silence(stage: Stage) -> None:
    reader, writer = await stage.client()
    stage.wait(IDLE_SECONDS - 1)
    stage.wait(2)
    assert await reader.read() == b""
    writer.close()


async def test_a_connection_is_idle_only_after_its_answer(stage: Stage) -> None:
    reader, writer = await stage.client()
    writer.write(GET)
    await until(lambda: stage.site.opened)
    stage.wait(IDLE_SECONDS * 10)
    stage.site.opened[0].answer(OK)
    stage.wait(IDLE_SECONDS - 1)
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    stage.wait(2)
    assert await reader.read() == b""
    writer.close()


async def test_a_refused_client_that_goes_on_writing_is_cut_off(stage: Stage) -> None:
    _, writer = await stage.client()
    writer.write(b"nonsense\r\n\r\n")
    await until(lambda: stage.site.refusals)
    stage.wait(LINGER_SECONDS - 1)
    assert len(stage.port.connections) == 1
    stage.wait(2)
    await until(lambda: not stage.port.connections)
    writer.close()


async def test_a_client_that_does_not_read_is_cut_off(stage: Stage) -> None:
    _, writer = await stage.client()
    writer.write(GET)
    await until(lambda: stage.site.opened)
    stage.site.opened[0].answer(Response(200, (bytes(50_000_000),)))
    await asyncio.sleep(0.05)
    stage.wait(WRITE_SECONDS + 1)
    await until(lambda: not stage.port.connections)
    writer.close()


async def test_a_refusal_waits_for_an_answer_however_long(stage: Stage) -> None:
    reader, writer = await stage.client()
    writer.write(GET + b"nonsense\r\n\r\n")
    await until(lambda: stage.site.opened)
    stage.wait(1000)
    stage.wait(1000)
    stage.site.opened[0].answer(OK)
    answers = await reader.read()
    assert b" 200 " in answers
    assert b" 400 " in answers
    writer.close()


async def test_work_for_a_client_that_went_away_is_cancelled(stage: Stage) -> None:
    _, writer = await stage.client()
    writer.write(GET)
    await until(lambda: stage.site.opened)
    writer.close()
    await until(lambda: stage.site.cancelled)
    stage.site.opened[0].answer(OK)  # too late, and no harm
    assert stage.site.cancelled == 1


async def test_one_connection_too_many_is_told_so(stage: Stage) -> None:
    pairs = [await stage.client() for _ in range(3)]
    assert b" 503 " in await pairs[2][0].read()
    pairs[0][1].write(GET)
    await until(lambda: stage.site.opened)
    for _, writer in pairs:
        writer.close()


async def test_more_bytes_than_the_server_may_hold_are_refused(stage: Stage) -> None:
    stage.port.most_held_bytes = 1_500_000
    _, first = await stage.client()
    first.write(POST + bytes(1_000_000))
    await until(lambda: stage.site.opened)
    reader, second = await stage.client()
    second.write(POST + bytes(1_000_000))
    assert b" 503 " in await reader.read()
    assert stage.port.held_bytes == 1_000_000
    stage.site.opened[0].answer(OK)
    assert stage.port.held_bytes == 0
    first.close()
    second.close()


async def test_a_request_that_is_known_by_its_head_counts_as_much(stage: Stage) -> None:
    request = POST.replace(b"1000000", b"1000") + bytes(1000)
    reader, writer = await stage.client()
    for number in range(3):
        writer.write(request)
        await until(lambda: len(stage.site.opened) > number)  # noqa: B023 - awaited at once
        assert stage.port.held_bytes == 1000
        assert stage.site.opened[number].cancel
        stage.site.opened[number].answer(OK)
        assert stage.port.held_bytes == 0
        assert stage.site.opened[number].cancel is None
    stage.port.most_held_bytes = 999
    writer.write(request)
    assert b" 503 " in await reader.read()
    writer.close()


async def test_a_client_that_goes_away_leaves_nothing_behind(stage: Stage) -> None:
    _, writer = await stage.client()
    writer.write(POST + bytes(500_000))
    await until(lambda: stage.port.held_bytes == 500_000)
    writer.transport.abort()
    await until(lambda: not stage.port.connections)
    assert stage.port.held_bytes == 0


async def test_a_draining_port_answers_and_closes(stage: Stage) -> None:
    reader, writer = await stage.client()
    stage.port.draining = True
    writer.write(GET)
    await until(lambda: stage.site.opened)
    stage.site.opened[0].answer(OK)
    assert b"connection: close" in await reader.read()
    writer.close()


async def test_a_draining_port_answers_all_that_a_client_has_sent(stage: Stage) -> None:
    reader, writer = await stage.client()
    writer.write(GET * 3)
    await until(lambda: stage.site.opened)
    stage.port.draining = True
    for number in range(3):
        stage.site.opened[number].answer(OK)
    assert (await reader.read()).count(b" 200 ") == 3
    writer.close()


async def test_closing_what_is_idle_spares_what_is_not(stage: Stage) -> None:
    idle, closed = await stage.client()
    reader, writer = await stage.client()
    writer.write(GET)
    await until(lambda: stage.site.opened)
    stage.port.close_idle()
    assert await idle.read() == b""
    stage.site.opened[0].answer(OK)
    assert b" 200 " in await reader.readuntil(b"ok")
    closed.close()
    writer.close()


async def test_a_defect_is_answered_with_500(stage: Stage) -> None:
    def broken(exchange: Exchange) -> None:
        raise KeyError

    stage.site.open = broken  # type: ignore[method-assign]
    reader, writer = await stage.client()
    writer.write(GET)
    assert b" 500 " in await reader.readuntil(b"}")
    writer.close()
