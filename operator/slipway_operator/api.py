"""Requests to one API server over plain dicts: errors, time limits and counts in one place.

Of the Kubernetes client it takes credentials and connections alone: its ways to send a request walk
through what is sent once more, which costs more than all the rest.
"""

import json
import time
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from slipway_operator.core.manifest import Manifest
from slipway_operator.metrics import Metrics
from slipway_operator.ports import ApiError

TIMEOUT_SECONDS = 20.0
LONGEST_WAIT = 60.0
"""However long the API server asks us to wait, it is asked again after a minute."""
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class Api:
    """Sends requests, and says in `ApiError` what became of those that failed."""

    def __init__(self, client: ApiClient, metrics: Metrics) -> None:
        self._client = client
        self._host = client.configuration.host
        self.metrics = metrics

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        within: float = TIMEOUT_SECONDS,
    ) -> Manifest:
        """Send one request and return the answer; ``within`` in seconds.

        Raises:
            ApiError: If no answer came, or one that is not a success.
        """
        begun = time.perf_counter()
        code = "<error>"
        url = f"{url}?{urlencode(query)}" if query else url
        try:
            answer = await self._request(method.upper(), url, body, content_type, within)
            code = "200"
        except ApiError as error:
            code = str(error.status or "<error>")
            raise
        finally:
            took = time.perf_counter() - begun
            self.metrics.request(method.upper(), code, self._host, took)
        return answer

    async def _request(
        self, method: str, url: str, body: Manifest | None, content_type: str, within: float
    ) -> Manifest:
        try:
            headers = {"Accept": JSON, "Content-Type": content_type, **await self._credentials()}
            response = await self._client.rest_client.request(
                method, self._host + url, headers, body, _request_timeout=within
            )
            text = await response.read()
            if response.status >= 300:
                raise ApiError(response.status, _message(text), _wait(response.headers))
            answer: Manifest = json.loads(text.decode())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiError(0, f"{method} {url}: {error or type(error).__name__}") from None
        return answer

    async def _credentials(self) -> dict[str, str]:
        """Ask for the token each time: it is renewed every few minutes."""
        settings = await self._client.configuration.auth_settings()
        return {each["key"]: each["value"] for each in settings.values()}


def _message(text: bytes) -> str:
    """Read the message of a Status object; whatever else came is quoted, at most 500 characters."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace")[:500]


def _wait(headers: Mapping[str, str]) -> float:
    """Read Retry-After, in seconds."""
    text = headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
