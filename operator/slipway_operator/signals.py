"""What pods say of themselves, asked over HTTP on their admin port."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from slipway_operator.bodies import body
from slipway_operator.core import names

TIMEOUT = aiohttp.ClientTimeout(total=2.0)


class PodSignals:
    """Asks runtimes; a pod that does not answer in 2 s has said nothing."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def status(self, address: str) -> Mapping[str, Any] | None:
        """Get ``/status`` of the runtime at a pod's address."""
        return await self._ask("GET", address, "status")

    async def verification(self, address: str) -> Mapping[str, Any] | None:
        """Get ``/verification``."""
        return await self._ask("GET", address, "verification")

    async def verify(self, address: str) -> None:
        """Have the full verification begin; if that is not heard, the next pass says it again."""
        await self._ask("POST", address, "verification")

    async def _ask(self, method: str, address: str, path: str) -> Mapping[str, Any] | None:
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{names.ADMIN_PORT}/{path}"
        try:
            async with self._session.request(
                method, url, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                said = json.loads(await body(response))
        except (aiohttp.ClientError, RecursionError, TimeoutError, ValueError):
            return None
        return said if isinstance(said, dict) and said.get("schemaVersion") == 1 else None
