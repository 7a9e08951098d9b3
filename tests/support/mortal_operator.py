"""An operator that is killed after its first write: run as a program, `SLIPWAY_NAMESPACES` set.

It is the real one, but for the end: the process is gone the moment the API server has answered the
first write that is neither an Event nor the Lease, as if by a kill -9 that came just then. An
operator that has nothing left to write says so by ending well.
"""

import asyncio
import os
import sys
from typing import Any

from slipway_operator import api, operate
from slipway_operator.core.manifest import Manifest
from slipway_operator.queue import Queue

KILLED = 9
CONTENT_SECONDS = 3.0
UNCOUNTED = ("/leases", "/events")

send = api.Api.send


async def send_once(self: api.Api, method: str, url: str, **params: Any) -> Manifest:
    answer = await send(self, method, url, **params)
    if method != "get" and not any(part in url for part in UNCOUNTED):
        sys.stdout.write(f"{method} {url}\n")
        sys.stdout.flush()
        os._exit(KILLED)
    return answer


async def content(self: Queue, workers: int) -> None:
    """Work as usual; having had nothing to write for a while is a good end."""
    working = asyncio.create_task(work(self, workers))
    await asyncio.wait({working}, timeout=CONTENT_SECONDS)
    os._exit(0)


work = Queue.run

if __name__ == "__main__":
    api.Api.send = send_once  # type: ignore[method-assign]
    Queue.run = content  # type: ignore[method-assign]
    operate.run()
