"""Queries to Prometheus, over its HTTP API."""

import asyncio
import json
import math
from typing import Any

import aiohttp

from slipway_operator.bodies import body
from slipway_operator.core.reading import Reading

PATIENCE = 2.0
"""Seconds for an answer, and for one's turn: a pass waits for it."""
AT_ONCE = 4
"""So many queries are under way at a time, whoever asks."""
WORDS = 200
"""So many characters of what went wrong are passed on."""
NOWHERE = "this operator was given no Prometheus: set SLIPWAY_PROMETHEUS_URL"


class PrometheusApi:
    """Asks one Prometheus, or whatever else answers ``/api/v1/query``; ``url`` is None for none.

    The namespace goes along, so that a proxy in front of it can keep namespaces apart.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str | None) -> None:
        self._session = session
        self._url = url
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def read(self, query: str, namespace: str) -> Reading:
        """Evaluate an instant query that gives one number."""
        if self._url is None:
            return Reading(None, NOWHERE)
        try:
            async with asyncio.timeout(PATIENCE), self._turns:
                status, said = await self._ask(query, namespace)
            return _one(json.loads(said))
        except TimeoutError:
            return Reading(None, f"Prometheus did not answer within {PATIENCE:g} s")
        except aiohttp.ClientError as error:
            return Reading(None, f"Prometheus was not reached: {type(error).__name__}")
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            return Reading(None, f"Prometheus gave no answer of its API: status {status}")

    async def _ask(self, query: str, namespace: str) -> tuple[int, bytes]:
        asked = {"query": query, "namespace": namespace}
        url = f"{self._url}/api/v1/query"
        async with self._session.post(url, data=asked, allow_redirects=False) as response:
            return response.status, await body(response)


def _one(said: Any) -> Reading:
    """Find the one number in an answer."""
    if said["status"] != "success":
        return Reading(None, f"Prometheus refuses it: {str(said['error'])[:WORDS]}")
    kind, result = said["data"]["resultType"], said["data"]["result"]
    if kind == "vector" and len(result) != 1:
        many = f"it gives {len(result)} series: aggregate them to one"
        return Reading(None, many if result else "it gives no data")
    if kind not in {"vector", "scalar"}:
        return Reading(None, f"it gives a {kind}, not one number")
    text = str(result[0]["value"][1] if kind == "vector" else result[1])
    value = float(text)
    return Reading(value) if math.isfinite(value) else Reading(None, f"it gives {text[:WORDS]}")
