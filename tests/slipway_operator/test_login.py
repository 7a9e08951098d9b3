"""What is overheard on the connection of the watches, with kopf's own log-in and a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import kopf
import pytest
from aiohttp import web
from yarl import URL

from slipway_operator.core.manifest import DEPLOYMENT, MODEL, Kind
from slipway_operator.login import listed_kind, log_in

API = "https://k8s.example.org"
CRDS = "/apis/slipway.dev/v1alpha1/modeldeployments"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (CRDS, MODEL),
        ("/apis/apps/v1/namespaces/risk/deployments?limit=500&labelSelector=a%3Db", DEPLOYMENT),
        (f"{CRDS}?limit=500&continue=abc", None),
        (f"{CRDS}?watch=true&resourceVersion=7", None),
        ("/apis/slipway.dev/v1alpha1", None),
        ("/version", None),
    ],
)
def test_a_list_is_told_from_what_else_is_asked(path: str, kind: Kind | None) -> None:
    assert listed_kind(URL(API + path)) == kind


async def answer(request: web.Request) -> web.Response:
    ours = request.headers.get("Authorization") == "Bearer t"
    return web.json_response({}, status=200 if ours else 401)


@asynccontextmanager
async def a_server() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


def kubeconfig(folder: Path, server: str, token: str) -> str:
    file = folder / "kubeconfig"
    file.write_text(f"""
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
""")
    return str(file)


@pytest.mark.parametrize(("token", "heard"), [("t", [MODEL]), ("wrong", [])])
async def test_a_list_is_heard_when_it_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, heard: list[Kind]
) -> None:
    told: list[Kind] = []
    async with a_server() as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, server, token))
        info = await log_in(told.append)(settings=kopf.OperatorSettings())
        assert info
        async with info.aiohttp_session as session:
            for path in (CRDS, f"{CRDS}?watch=true"):
                async with session.get(server + path) as response:
                    assert isinstance(response, aiohttp.ClientResponse)
    assert told == heard
