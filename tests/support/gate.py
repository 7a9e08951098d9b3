"""A gate between an operator and its API server, which a test shuts, clogs and tampers with.

Requests pass as they are, with whatever credentials they carry; TLS ends here.
"""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from slipway_dev.cluster import Cluster

KEPT = ("Authorization", "Content-Type", "Accept")
GONE = b'"code":410'
TLS_GOODBYE_SECONDS = 0.25
"""What aiohttp needs to close connections with TLS, after the sessions that had them."""
FORGOTTEN = "/apis/slipway.dev/v1alpha1/namespaces/{}/modeldeployments?watch=true&resourceVersion=1"
"""A watch from before its kind existed: no API server remembers the changes since."""


@dataclass
class Gate:
    """What passes, and how: `came` counts requests, `gone` holds who was told 410.

    A test writes to it from another thread: each field is one value, read once.
    """

    server: str
    trust: ssl.SSLContext
    url: str = ""
    came: int = 0
    gone: set[str] = field(default_factory=set)
    delay: float = 0.0
    throttling: bool = False
    _shut: bool = False
    _aged: set[str] | None = None
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.Transport] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Cut every connection, and let none through for a while."""
        self._shut = True
        self._do(self._cut)
        try:
            yield
        finally:
            self._shut = False

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let nothing through for a while, and cut nothing: as where a network loses all."""
        self._do(self._flowing.clear)
        try:
            yield
        finally:
            self._do(self._flowing.set)

    def age(self) -> None:
        """Have the next watch of each kind ask the API server for what it has forgotten."""
        self._aged = set()

    def _do(self, what: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _cut(self) -> None:
        for connection in tuple(self._open):
            connection.abort()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        connection = request.transport
        assert isinstance(connection, asyncio.Transport)
        self._open.add(connection)
        self.came += 1
        try:
            await self._flowing.wait()
            await asyncio.sleep(self.delay)
            if self.throttling:
                return web.Response(status=429, headers={"Retry-After": "1"})
            if not self._shut:
                return await self._forward(request)
        except (ConnectionError, aiohttp.ClientError):
            pass  # one of the two ends is gone, so shall be the other
        finally:
            self._open.discard(connection)
        connection.abort()
        return web.Response()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in KEPT if name in request.headers}
        url, body = self.server + self._target(request), await request.read()
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, url, headers=headers, data=body or None, ssl=self.trust
            ) as found,
        ):
            answer = web.StreamResponse(
                status=found.status, headers={"Content-Type": found.content_type}
            )
            await answer.prepare(request)
            async for chunk in found.content.iter_any():
                if GONE in chunk:
                    self.gone.add(request.path)
                await self._flowing.wait()
                await answer.write(chunk)
            return answer

    def _target(self, request: web.Request) -> str:
        """Age a watch, once for each kind."""
        path, watched = request.path, "watch" in request.query
        if self._aged is None or not watched or path in self._aged:
            return request.path_qs
        self._aged.add(path)
        return FORGOTTEN.format(path.split("/")[-2])


@contextmanager
def a_gate(cluster: Cluster) -> Iterator[Gate]:
    """Open a gate before a cluster's API server, on a free port of this machine."""
    raw = cluster.run("config", "view", "--raw", "--minify", "--output=json")
    found = json.loads(raw)["clusters"][0]["cluster"]
    authority = base64.b64decode(found["certificate-authority-data"]).decode()
    gate = Gate(found["server"], ssl.create_default_context(cadata=authority))
    ready, ended = threading.Event(), asyncio.Event()

    async def keep() -> None:
        async with _listening(gate):
            ready.set()
            await ended.wait()
        await asyncio.sleep(TLS_GOODBYE_SECONDS)

    thread = threading.Thread(target=gate._loop.run_until_complete, args=(keep(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield gate
    finally:
        gate._loop.call_soon_threadsafe(ended.set)
        thread.join()
        gate._loop.close()


@asynccontextmanager
async def _listening(gate: Gate) -> AsyncIterator[None]:
    gate._flowing.set()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", gate._pass)
    runner = web.AppRunner(app, shutdown_timeout=1.0, handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    gate.url = f"http://{host}:{port}"
    yield
    gate._cut()
    await runner.cleanup()
