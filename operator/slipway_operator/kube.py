"""One API server: requests and server-side apply over plain dicts. It decides nothing."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from slipway_operator.api import APPLY, MERGE, Api
from slipway_operator.cache import Cache
from slipway_operator.core import events, history, names
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.events import Event, Told
from slipway_operator.core.manifest import (
    EVENT,
    MODEL,
    OPTIONAL,
    OWNED,
    POD,
    Kind,
    Manifest,
    kind_of,
)
from slipway_operator.core.rollout import Move
from slipway_operator.ports import ApiError, BlockedError, Ref

PAGE = 100
log = logging.getLogger(__name__)

REFUSED = frozenset({400, 403, 422})
"""Invalid, forbidden (by a quota, a policy, or the operator's own rights), unprocessable."""

UNTYPED = "failed to create typed patch object"
"""What server-side apply says of a field that there is not, with status 500."""

RESULTS = {
    **dict.fromkeys(REFUSED, "refused"),
    404: "gone",
    409: "conflict",
    429: "throttled",
    0: "unsent",
}
"""How a write that failed is counted, by status; whatever else is an error."""


class KubeCluster:
    """The cluster port; what it writes, the cache knows at once.

    It writes only while ``leads()``. Its world is ``namespaces``, or the whole cluster where none
    are named.
    """

    def __init__(
        self, api: Api, cache: Cache, leads: Callable[[], bool], namespaces: Sequence[str] = ()
    ) -> None:
        self._api = api
        self._cache = cache
        self._leads = leads
        self._namespaces = tuple(namespaces)
        self._told = Told()
        self._missing = OPTIONAL
        self.writing = 0
        """How many writes are on their way."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that there are, the models' own last: what it owns is to be known before."""
        return (*(kind for kind in OWNED if self.knows(kind)), MODEL)

    def knows(self, kind: Kind) -> bool:
        """Say whether the API server has a kind, as far as was seen."""
        return kind not in self._missing

    async def discover(self) -> None:
        """See which kinds there are."""
        self._missing = await self.missing()

    async def missing(self) -> frozenset[Kind]:
        """Ask which kinds there are not."""
        return frozenset({kind for kind in OPTIONAL if not await self._has(kind)})

    async def outdated(self) -> bool:
        """Ask whether a kind has come or gone since they were seen."""
        return await self.missing() != self._missing

    async def _has(self, kind: Kind) -> bool:
        """Say whether a kind is there, and may be listed: nobody else shall have to wait for it."""
        url = collection(kind, next(iter(self._namespaces), None))
        try:
            await self._api.send("get", url, query={"limit": "1"})
        except ApiError as error:
            if error.status in {403, 404}:
                return False
            raise
        return True

    def model(self, ref: Ref) -> Manifest | None:
        """Find a ModelDeployment in memory."""
        return self._cache.model(ref)

    def children(self, ref: Ref) -> Sequence[Manifest]:
        """List a model's objects from memory."""
        return self._cache.children(ref)

    async def live(self, manifest: Manifest) -> Manifest | None:
        """Get the present state of an object."""
        try:
            return await self._api.send("get", path(manifest))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def pods(self, ref: Ref, fingerprints: Sequence[str]) -> Sequence[Manifest]:
        """List the pods of some of a model's revisions."""
        selector = (
            f"{names.MODEL_LABEL}={ref.name},{names.REVISION_LABEL} in ({','.join(fingerprints)})"
        )
        found = await self._api.send(
            "get", collection(POD, ref.namespace), query={"labelSelector": selector}
        )
        items: list[Manifest] = found["items"]
        return items

    async def glance(
        self, kind: Kind, namespace: str | None, fields: str, limit: int
    ) -> Sequence[Manifest] | None:
        """List what a field selector selects, if it is not too much."""
        query = {"limit": str(limit), **({"fieldSelector": fields} if fields else {})}
        try:
            found = await self._api.send("get", collection(kind, namespace), query=query)
        except ApiError as error:
            log.debug("no %s to be seen: %s", kind.plural, error)
            return None
        items: list[Manifest] = found["items"]
        return None if found["metadata"].get("continue") else items

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply one whole object."""
        with _blocking(manifest):
            return await self._apply(path(manifest), manifest, names.FIELD_MANAGER)

    async def overwrite(self, manifest: Manifest) -> None:
        """Write one whole object; a merge patch replaces lists, an apply would merge them."""
        with _blocking(manifest):
            written = await self._write(
                "patch",
                path(manifest),
                kind_of(manifest).plural,
                body=manifest,
                content_type=MERGE,
                query={"fieldManager": names.FIELD_MANAGER},
            )
        self._cache.put(kind_of(written), written)

    async def set_replicas(self, deployment: Manifest, replicas: int) -> None:
        """Write a replica count under the manager that owns nothing else."""
        body = {
            "apiVersion": deployment["apiVersion"],
            "kind": deployment["kind"],
            "metadata": {"name": deployment["metadata"]["name"]},
            "spec": {"replicas": replicas},
        }
        await self._apply(path(deployment), body, names.REPLICAS_MANAGER)

    async def move(self, ref: Ref, move: Move) -> None:
        """Label a pod; one that is gone needs none."""
        notes = {names.BASELINE_ANNOTATION: move.baseline}
        body = {"metadata": {"labels": {move.label: move.value}, "annotations": notes}}
        url = f"{collection(POD, ref.namespace)}/{move.pod}"
        query = {"fieldManager": names.FIELD_MANAGER}
        try:
            await self._write("patch", url, POD.plural, body=body, content_type=MERGE, query=query)
        except ApiError as error:
            if error.status != 404:
                raise

    async def delete(self, child: Manifest) -> None:
        """Delete an object, unless it has changed since it was last seen."""
        metadata = child["metadata"]
        known = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        options = {"preconditions": known, "propagationPolicy": "Background"}
        try:
            kind = kind_of(child)
            await self._write("delete", path(child), kind.plural, body=options)
        except ApiError as error:
            if error.status != 404:
                raise
        self._cache.drop(kind_of(child), child)

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
        for ended in history.fresh(model.get("status", {}), status):
            self._api.metrics.rolled_out(ended["strategy"], ended["result"], history.lasted(ended))

    async def tell(self, model: Manifest, event: Event, now: datetime) -> None:
        """Post an Event; its name is made of what it says, and on what state, so it is posted once.

        A person told twice or not at all is no reason to stop: failures are logged.
        """
        if self._told.again(model, event, now):
            return
        body = events.manifest(model, event, now)
        try:
            url = collection(EVENT, model["metadata"]["namespace"])
            await self._write("post", url, EVENT.plural, body=body)
        except ApiError as error:
            if error.status != 409:
                log.warning("event %s on %s: %s", event.reason, path(model), error)

    async def everything(self, kind: Kind) -> AsyncIterator[tuple[list[Manifest], int]]:
        """List all objects of a kind that are ours, page by page."""
        selector = {} if kind is MODEL else {"labelSelector": names.SELECTOR}
        for namespace in self._namespaces or (None,):
            async for page in self._pages(collection(kind, namespace), selector):
                yield page["items"], int(page["metadata"]["resourceVersion"])

    async def _pages(self, url: str, selector: Mapping[str, str]) -> AsyncIterator[Manifest]:
        query = {"limit": str(PAGE), **selector}
        while True:
            page = await self._api.send("get", url, query=query)
            yield page
            if not page["metadata"].get("continue"):
                return
            query["continue"] = page["metadata"]["continue"]

    async def _apply(self, url: str, body: Manifest, manager: str) -> Manifest:
        plural = kind_of(body).plural
        written = await self._write(
            "patch",
            url,
            f"{plural}/status" if url.endswith("/status") else plural,
            body=body,
            content_type=APPLY,
            query={"fieldManager": manager, "force": "true"},
        )
        self._cache.put(kind_of(written), written)
        return written

    async def _write(self, verb: str, url: str, resource: str, **params: Any) -> Manifest:
        """Send a request that changes something, and count what became of it."""
        self.writing += 1
        try:
            answer = await self._send_as_leader(verb, url, **params)
        except ApiError as error:
            self._api.metrics.wrote(resource, verb, RESULTS.get(error.status, "error"))
            raise
        finally:
            self.writing -= 1
        self._api.metrics.wrote(resource, verb, "ok")
        return answer

    async def _send_as_leader(self, verb: str, url: str, **params: Any) -> Manifest:
        if not self._leads():
            raise ApiError(0, f"{verb} {url}: not sent, this operator does not hold the lease")
        return await self._api.send(verb, url, **params)


def collection(kind: Kind, namespace: str | None) -> str:
    """Build the path of all objects of a kind, in one namespace or in all."""
    root = "api" if "/" not in kind.api_version else "apis"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/{root}/{kind.api_version}{scope}/{kind.plural}"


def path(manifest: Manifest) -> str:
    """Build the path of one object."""
    kind, metadata = kind_of(manifest), manifest["metadata"]
    return f"{collection(kind, metadata['namespace'])}/{metadata['name']}"


@contextmanager
def _blocking(manifest: Manifest) -> Iterator[None]:
    """Turn a refusal of what an object says into `BlockedError`."""
    try:
        yield
    except ApiError as error:
        if error.status in REFUSED or UNTYPED in error.message:
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
