"""A web server on a Unix socket, so that no port is taken, and the way to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(
    folder: Path, method: str, path: str, answer: Answer
) -> AsyncIterator[aiohttp.ClientSession]:
    """Answer requests of one kind; whatever host the session is asked for is this server."""
    socket = str(folder / "server")
    app = web.Application()
    app.router.add_route(method, path, answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, socket).start()
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket)) as session:
        yield session
    await runner.cleanup()
