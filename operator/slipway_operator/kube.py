"""One API server: requests and server-side apply over plain dicts. It decides nothing."""

import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import DynamicApiError

from slipway_operator.cache import Cache
from slipway_operator.core import names
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.events import Event
from slipway_operator.core.manifest import EVENT, MODEL, OWNED, POD, Kind, Manifest, digest
from slipway_operator.ports import ApiError, BlockedError, Ref

PAGE = 500
TIMEOUT_SECONDS = 20
log = logging.getLogger(__name__)

KINDS = {kind.kind: kind for kind in (MODEL, *OWNED)}
REFUSED = frozenset({400, 403, 422})
"""Invalid, forbidden (by a quota, a policy, or the operator's own rights), unprocessable."""


class KubeCluster:
    """The cluster port over `kubernetes.aio`; what it writes, the cache knows at once."""

    def __init__(self, client: ApiClient, cache: Cache) -> None:
        self._dynamic = DynamicClient(client)
        self._cache = cache

    def model(self, ref: Ref) -> Manifest | None:
        """Find a ModelDeployment in memory."""
        return self._cache.model(ref)

    def children(self, ref: Ref) -> Sequence[Manifest]:
        """List a model's objects from memory."""
        return self._cache.children(ref)

    async def live(self, manifest: Manifest) -> Manifest | None:
        """Get the present state of an object."""
        try:
            return await self._send("get", path(manifest))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def pods(self, ref: Ref, fingerprints: Sequence[str]) -> Sequence[Manifest]:
        """List the pods of some of a model's revisions."""
        selector = (
            f"{names.MODEL_LABEL}={ref.name},{names.REVISION_LABEL} in ({','.join(fingerprints)})"
        )
        found = await self._send("get", collection(POD, ref.namespace), label_selector=selector)
        items: list[Manifest] = found["items"]
        return items

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply one whole object."""
        with _blocking(manifest):
            return await self._apply(path(manifest), manifest, names.FIELD_MANAGER)

    async def overwrite(self, manifest: Manifest) -> None:
        """Write one whole object; a merge patch replaces lists, an apply would merge them."""
        with _blocking(manifest):
            written = await self._send(
                "patch",
                path(manifest),
                body=manifest,
                content_type="application/merge-patch+json",
                field_manager=names.FIELD_MANAGER,
            )
        self._cache.put(KINDS[written["kind"]], written)

    async def set_replicas(self, deployment: Manifest, replicas: int) -> None:
        """Write a replica count under the manager that owns nothing else."""
        body = {
            "apiVersion": deployment["apiVersion"],
            "kind": deployment["kind"],
            "metadata": {"name": deployment["metadata"]["name"]},
            "spec": {"replicas": replicas},
        }
        await self._apply(path(deployment), body, names.REPLICAS_MANAGER)

    async def delete(self, child: Manifest) -> None:
        """Delete an object, unless it has changed since it was last seen."""
        metadata = child["metadata"]
        known = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        options = {"preconditions": known, "propagationPolicy": "Background"}
        try:
            await self._send("delete", path(child), body=options)
        except ApiError as error:
            if error.status != 404:
                raise
        self._cache.drop(KINDS[child["kind"]], child)

    async def apply_status(self, model: Manifest, status: Mapping[str, Any]) -> None:
        """Server-side apply the whole status."""
        metadata = model["metadata"]
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "status": dict(status),
        }
        await self._apply(f"{path(model)}/status", body, names.FIELD_MANAGER)

    async def tell(self, model: Manifest, event: Event, now: datetime) -> None:
        """Post an Event; its name is made of what it says, and on what state, so it is posted once.

        A person told twice or not at all is no reason to stop: failures are logged.
        """
        body = _event(model, event, now)
        try:
            await self._send("post", collection(EVENT, model["metadata"]["namespace"]), body=body)
        except ApiError as error:
            if error.status != 409:
                log.warning("event %s on %s: %s", event.reason, path(model), error)

    async def everything(self, kind: Kind) -> tuple[list[Manifest], int]:
        """List all objects of a kind that are ours, and the version that the list is as of."""
        selector = {} if kind is MODEL else {"label_selector": names.SELECTOR}
        pages = [page async for page in self._pages(collection(kind, None), selector)]
        items = [item for page in pages for item in page["items"]]
        return items, int(pages[0]["metadata"]["resourceVersion"])

    async def _pages(self, url: str, selector: Mapping[str, str]) -> AsyncIterator[Manifest]:
        token: dict[str, str] = {}
        while True:
            page = await self._send("get", url, limit=PAGE, **selector, **token)
            yield page
            if not page["metadata"].get("continue"):
                return
            token = {"_continue": page["metadata"]["continue"]}

    async def _apply(self, url: str, body: Manifest, manager: str) -> Manifest:
        written = await self._send(
            "patch",
            url,
            body=body,
            content_type="application/apply-patch+yaml",
            field_manager=manager,
            force_conflicts=True,
        )
        self._cache.put(KINDS[written["kind"]], written)
        return written

    async def _send(self, method: str, url: str, **params: Any) -> Manifest:
        options = {"serialize": False, "query_params": [], "_request_timeout": TIMEOUT_SECONDS}
        try:
            response = await self._dynamic.request(method, url, **options, **params)
        except DynamicApiError as error:
            raise ApiError(error.status, _message(error)) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(0, f"{method} {url}: {error or type(error).__name__}") from None
        answer: Manifest = await response.json()
        return answer


def _message(error: DynamicApiError) -> str:
    """Read the message of a Status object; whatever else came is quoted, at most 500 characters."""
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.body or error.reason)[:500]


def collection(kind: Kind, namespace: str | None) -> str:
    """Build the path of all objects of a kind, in one namespace or in all."""
    root = "api" if "/" not in kind.api_version else "apis"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/{root}/{kind.api_version}{scope}/{kind.plural}"


def path(manifest: Manifest) -> str:
    """Build the path of one object."""
    kind, metadata = KINDS[manifest["kind"]], manifest["metadata"]
    return f"{collection(kind, metadata['namespace'])}/{metadata['name']}"


@contextmanager
def _blocking(manifest: Manifest) -> Iterator[None]:
    """Turn a refusal of what an object says into `BlockedError`."""
    try:
        yield
    except ApiError as error:
        if error.status in REFUSED:
            raise BlockedError(_refusal(manifest, error)) from error
        raise


def _refusal(manifest: Manifest, error: ApiError) -> Fault:
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    return Fault(
        reason="ManifestRefused",
        message=f"the API server refuses {what}: {error.message}",
        hint="Correct what it names: the spec, a quota, a policy, or the operator's rights.",
        final=True,
    )


def _event(model: Manifest, event: Event, now: datetime) -> Manifest:
    metadata = model["metadata"]
    identity = digest([metadata["uid"], metadata["resourceVersion"], event.reason, event.note])[:16]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{metadata['name']}.{identity}",
            "namespace": metadata["namespace"],
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "slipway.dev/operator",
        "reportingInstance": "slipway-operator",
        "action": "Reconcile",
        "reason": event.reason,
        "note": event.note[:1024],
        "type": "Warning" if event.warning else "Normal",
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
    }
