"""An API server that knows one Lease, and clocks that tests turn."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from slipway_operator.api import Api
from slipway_operator.lease import Clocks, Lease
from slipway_operator.ports import ApiError
from support.builders import NOON

Record = dict[str, Any]


@dataclass
class Time:
    """One machine's clock."""

    now: float = 1000.0

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now, lambda: NOON)


@dataclass
class LeaseServer:
    """Holds a Lease as the API server does: whoever writes over an unseen version is refused.

    ``down`` makes every request fail, ``mute`` loses the answers of writes.
    """

    record: Record | None = None
    down: bool = False
    mute: bool = False
    writes: list[str] = field(default_factory=list)
    version: int = 0

    async def send(self, method: str, url: str, **params: Any) -> Record:
        await asyncio.sleep(0)
        if self.down:
            raise ApiError(0, "refused")
        if method != "get":
            self._write(method, params["body"])
        if self.record is None:
            raise ApiError(404, "not found")
        if self.mute and method != "get":
            raise ApiError(0, "the answer was lost")
        return self.record

    def _write(self, method: str, body: Record) -> None:
        seen = body["metadata"].get("resourceVersion")
        if method == "put" and self.record is None:
            raise ApiError(404, "not found")
        if (method == "post") != (self.record is None) or (
            self.record is not None and seen != self.record["metadata"]["resourceVersion"]
        ):
            raise ApiError(409, "somebody else was faster")
        self.version += 1
        self.record = {
            "metadata": {"resourceVersion": str(self.version)},
            "spec": {k: v for k, v in body["spec"].items() if v != ""},
        }
        self.writes.append(body["spec"]["holderIdentity"])

    @property
    def holder(self) -> str:
        return str(self.record["spec"].get("holderIdentity", "")) if self.record else ""

    def operator(self, identity: str, time: Time) -> Lease:
        """Build an operator's view of the lease."""
        api: Any = self
        sends: Api = api
        return Lease(sends, "slipway-system", identity, time.clocks())
