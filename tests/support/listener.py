"""Servers within the test's event loop that say whatever a test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from support.waiting import until


@asynccontextmanager
async def a_listener(serve: Callable[..., Any]) -> AsyncIterator[int]:
    """Have ``serve(reader, writer)`` called with each connection, and wait for their ends."""
    callers: set[asyncio.StreamWriter] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.add(writer)
        with suppress(EOFError, OSError):
            await serve(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        callers.remove(writer)

    async with await asyncio.start_server(take, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1]
        await until(lambda: not callers)
