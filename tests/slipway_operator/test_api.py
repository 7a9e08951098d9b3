from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from slipway_operator.api import APPLY, Api
from slipway_operator.metrics import Metrics
from slipway_operator.ports import ApiError

Answer = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def asking(answer: Answer) -> AsyncIterator[Api]:
    """Ask a server that answers so, with a token that a hook renews before each request."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    configuration = Configuration(host=site.name)
    tokens = iter(["Bearer first", "Bearer second"])

    def renew(found: Configuration) -> None:
        found.api_key["BearerToken"] = next(tokens)

    configuration.refresh_api_key_hook = renew
    configuration.api_key["BearerToken"] = "old"
    try:
        async with ApiClient(configuration) as client:
            yield Api(client, Metrics())
    finally:
        await runner.cleanup()


async def test_what_is_sent_arrives_with_the_token_of_the_hour() -> None:
    seen: list[tuple[str, str, dict[str, str], object]] = []

    async def answer(request: web.Request) -> web.Response:
        headers = request.headers
        sent = await request.json() if request.can_read_body else None
        seen.append((headers["Authorization"], headers["Content-Type"], dict(request.query), sent))
        return web.json_response({"kind": "Service"})

    async with asking(answer) as api:
        query = {"labelSelector": "a=b,c in (d,e)"}
        assert await api.send("get", "/api/v1/services", query=query) == {"kind": "Service"}
        await api.send("patch", "/api/v1/services", body={"a": 1}, content_type=APPLY)
    assert seen == [
        ("Bearer first", "application/json", query, None),
        ("Bearer second", "application/apply-patch+yaml", {}, {"a": 1}),
    ]


@pytest.mark.parametrize(
    ("body", "headers", "message", "wait"),
    [
        ('{"kind": "Status", "message": "no room"}', {"Retry-After": "7"}, "no room", 7),
        ("<html>a proxy</html>", {"Retry-After": "86400"}, "<html>a proxy</html>", 60),
        ("[]", {"Retry-After": "soon"}, "[]", 0),
        ("", {}, "", 0),
    ],
)
async def test_an_error_says_what_the_server_said_and_how_long_to_wait(
    body: str, headers: dict[str, str], message: str, wait: float
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=429, text=body, headers=headers)

    async with asking(answer) as api:
        with pytest.raises(ApiError) as caught:
            await api.send("get", "/")
    error = caught.value
    assert (error.status, error.message, error.retry_after) == (429, message, wait)


async def test_an_answer_that_is_no_json_is_none() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async with asking(answer) as api:
        with pytest.raises(ApiError, match="GET /: "):
            await api.send("get", "/")


async def test_a_server_that_does_not_answer_in_time_is_one_that_is_away() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    async with asking(answer) as api:
        with pytest.raises(ApiError) as caught:
            await api.send("get", "/readyz")
    assert caught.value.status == 0
    assert caught.value.passing
    labels = {"code": "<error>", "method": "GET", "host": api._host}
    assert api.metrics.registry.get_sample_value("rest_client_requests_total", labels) == 1
