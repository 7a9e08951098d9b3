"""What the operator says of itself over HTTP: `/healthz`, `/readyz` and `/metrics`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from slipway_operator.metrics import CONTENT_TYPE, Metrics

Check = Callable[[], str | None]
"""Says what is wrong, or None."""


@asynccontextmanager
async def console(port: int, metrics: Metrics, wedged: Check) -> AsyncIterator[None]:
    """Answer on ``port`` of all addresses while the context lasts.

    A replica that waits for the lease is ready: it does all that is asked of it. An event loop that
    does not turn answers nobody, which fails the probe as well.
    """

    async def healthz(_: web.Request) -> web.Response:
        problem = wedged()
        return web.Response(text=f"{problem or 'ok'}\n", status=500 if problem else 200)

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application(client_max_size=1024)
    app.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", scrape)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    try:
        yield
    finally:
        await runner.cleanup()
