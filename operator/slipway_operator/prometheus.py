"""Queries to Prometheus, over its HTTP API."""

import json
import math
from typing import Any

import aiohttp

from slipway_operator.bodies import body
from slipway_operator.core.reading import Reading

TIMEOUT = aiohttp.ClientTimeout(total=5.0)
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

    async def read(self, query: str, namespace: str) -> Reading:
        """Evaluate an instant query that gives one number."""
        if self._url is None:
            return Reading(None, NOWHERE)
        try:
            async with self._session.post(
                f"{self._url}/api/v1/query",
                data={"query": query, "namespace": namespace},
                timeout=TIMEOUT,
                allow_redirects=False,
            ) as response:
                said = await body(response)
            return _one(json.loads(said))
        except TimeoutError:
            return Reading(None, f"Prometheus did not answer within {TIMEOUT.total:g} s")
        except aiohttp.ClientError as error:
            return Reading(None, f"Prometheus was not reached: {type(error).__name__}")
        except (ValueError, KeyError, TypeError, IndexError):
            return Reading(None, f"Prometheus gave no answer of its API: status {response.status}")


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
    value = float(result[0]["value"][1] if kind == "vector" else result[1])
    return Reading(None, "it gives NaN") if math.isnan(value) else Reading(value)
