"""Which of several operators writes: the one that holds a Lease.

A lease is nobody's once it was not renewed for its duration, as measured by the clock of whoever
waits for it: clocks of different machines are never compared, and time in which no API server
answers does not count, since nobody can renew in it. Its holder stops writing earlier than that, by
its own clock, so that two never write at a time. One that was frozen finds on waking that its time
is over before it writes anything.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from slipway_operator.api import Api
from slipway_operator.ports import ApiError

NAME = "slipway-operator"
DURATION_SECONDS = 10
"""After this long without renewal another operator takes over."""
WRITE_SECONDS = 7.0
"""For this long after the last renewal its holder writes; the rest is for what is on its way."""
RENEW_SECONDS = 2.0
RETRY_SECONDS = 1.0
REQUEST_SECONDS = 3.0
RELEASES = 2
"""A renewal may still be on its way, and get there first."""

Record = dict[str, Any]
log = logging.getLogger(__name__)


class LostError(Exception):
    """Another operator holds the lease: whatever is known here is out of date."""


class Clocks(NamedTuple):
    """``steady`` in seconds never jumps; ``wall`` is what people read in the lease."""

    steady: Callable[[], float]
    wall: Callable[[], datetime]


class Lease:
    """One operator's view of the Lease ``NAME`` in its namespace."""

    def __init__(self, api: Api, namespace: str, identity: str, clocks: Clocks) -> None:
        self._api = api
        self._url = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._identity = identity
        self._clocks = clocks
        self._seen: Record | None = None
        self._seen_at = 0.0
        self._blind_since: float | None = None
        self._until = 0.0
        self._closed = False

    @property
    def held(self) -> bool:
        """Whether it is safe to write now."""
        return not self._closed and self._clocks.steady() < self._until

    async def acquire(self) -> None:
        """Wait until this operator holds the lease, however long that takes."""
        while not await self._attempt():  # noqa: ASYNC110 - no event tells when
            await asyncio.sleep(RETRY_SECONDS)
        log.info("%s leads", self._identity)

    async def hold(self) -> None:
        """Renew the lease for ever.

        While no API server answers nobody else can take it: then this operator does not write, and
        goes on when its next renewal succeeds.

        Raises:
            LostError: If another operator has it.
        """
        while True:
            renewed = await self._attempt()
            holder = _holder(self._seen)
            if not renewed and holder not in {"", self._identity}:
                raise LostError(f"{holder} holds the lease now")
            await asyncio.sleep(RENEW_SECONDS if renewed else RETRY_SECONDS)

    def close(self) -> None:
        """Write nothing from now on, whatever becomes of a renewal that is on its way."""
        self._closed = True

    async def release(self) -> None:
        """Give the lease back, so that another operator need not wait for its end."""
        self.close()
        for _ in range(RELEASES):
            try:
                # What was seen last may be older than a renewal whose answer nobody waited for.
                self._look(await self._read())
                if _holder(self._seen) == self._identity:
                    await self._write({"holderIdentity": "", "leaseDurationSeconds": 1})
            except ApiError as error:
                log.warning("the lease was not released: %s", error)
            else:
                return

    async def _attempt(self) -> bool:
        """Take or renew the lease; say whether it is ours."""
        begun = self._clocks.steady()
        if self._closed:
            return False
        try:
            if self._seen is None or _holder(self._seen) != self._identity:
                self._look(await self._read())
            if not self._free():
                return False
            await self._write(self._claim())
        except ApiError as error:
            log.warning("the lease: %s", error)
            if error.status in {404, 409}:
                self._seen = None
                return await self._look_again()
            if self._blind_since is None:
                self._blind_since = begun
            return False
        self._until = begun + WRITE_SECONDS
        return True

    async def _look_again(self) -> bool:
        """Find out who was faster."""
        try:
            self._look(await self._read())
        except ApiError as error:
            log.warning("the lease: %s", error)
        return False

    def _look(self, record: Record | None) -> None:
        """Take in a record; its time begins anew when it has changed."""
        now = self._clocks.steady()
        if self._blind_since is not None:
            self._seen_at += now - self._blind_since
            self._blind_since = None
        if _version(record) != _version(self._seen):
            self._seen_at = now
        self._seen = record

    def _free(self) -> bool:
        holder = _holder(self._seen)
        if self._seen is None or holder in {"", self._identity}:
            return True
        duration: float = self._seen["spec"].get("leaseDurationSeconds", DURATION_SECONDS)
        return self._clocks.steady() - self._seen_at > duration

    def _claim(self) -> Record:
        """Build what the lease says while it is ours."""
        now = self._clocks.wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = self._seen["spec"] if self._seen else {}
        ours = spec.get("holderIdentity") == self._identity
        taken = spec.get("leaseTransitions", 0)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": spec["acquireTime"] if ours else now,
            "renewTime": now,
            "leaseTransitions": taken if ours or not spec else taken + 1,
        }

    async def _read(self) -> Record | None:
        try:
            return await self._api.send("get", f"{self._url}/{NAME}", within=REQUEST_SECONDS)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _write(self, spec: Record) -> None:
        """Create the lease or replace the one that was seen; a newer one stays as it is."""
        metadata: Record = {"name": NAME}
        verb, url = "post", self._url
        if self._seen is not None:
            verb, url = "put", f"{self._url}/{NAME}"
            metadata |= {"resourceVersion": self._seen["metadata"]["resourceVersion"]}
            spec = {**self._seen["spec"], **spec}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        }
        self._look(await self._api.send(verb, url, within=REQUEST_SECONDS, body=body))


def _holder(record: Record | None) -> str:
    return str(record["spec"].get("holderIdentity") or "") if record else ""


def _version(record: Record | None) -> str:
    return str(record["metadata"]["resourceVersion"]) if record else ""
