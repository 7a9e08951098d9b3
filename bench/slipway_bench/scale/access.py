"""A service account of the API server under test, and requests in its name."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from slipway_dev.errors import Failure

JSON = "application/json"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Access:
    """Where an API server is, and what it knows somebody by."""

    url: str
    authority: Path
    token: str

    def kubeconfig(self) -> str:
        """Write it down as clients want it; JSON is YAML, too."""
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "bench", "cluster": cluster}],
                "users": [{"name": "bench", "user": {"token": self.token}}],
                "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
                "current-context": "bench",
            }
        )


class Client:
    """Sends requests over a few connections."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(
        self, method: str, path: str, body: object = None, content_type: str = JSON
    ) -> Any:
        """Send one request and return the answer.

        Raises:
            Failure: It was refused.
        """
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self._session.request(
            method, self._url + path, data=content, headers=headers
        ) as response:
            answer = await response.json()
            if response.status >= 300:
                raise Failure(f"{method} {path}", f"status {response.status}: {answer}")
            return answer


@asynccontextmanager
async def client(access: Access, connections: int = 16) -> AsyncIterator[Client]:
    """Open a client, and close it at the end."""
    context = ssl.create_default_context(cafile=str(access.authority))
    connector = aiohttp.TCPConnector(ssl=context, limit=connections)
    headers = {"Authorization": f"Bearer {access.token}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Client(session, access.url)


async def paced(rate: float, work: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Begin so much work a second, whether what was begun before is done or not."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, each in enumerate(work):
            await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
            group.create_task(each)
