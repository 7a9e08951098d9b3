"""Lists of all that is ours, compared with memory: what no watch has told of is found and gone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from slipway_operator.cache import Cache, Name, name_of
from slipway_operator.core.manifest import Kind, Manifest
from slipway_operator.ports import ApiError, Ref

AWAY_SECONDS = 2.0
TOGETHER_SECONDS = 0.5
"""Watches that were cut off together are compared together."""

log = logging.getLogger(__name__)


class Lists(Protocol):
    """Where lists come from."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that can be listed."""
        ...

    def everything(self, kind: Kind) -> AsyncIterator[tuple[list[Manifest], int]]:
        """List all objects of a kind that are ours, page by page: together they may not fit.

        With each page comes the version that its list is as of.
        """
        ...


class Audits:
    """Compares lists with memory; ``ring`` asks for a pass over each model with news."""

    def __init__(self, lists: Lists, cache: Cache, ring: Callable[[Ref], None]) -> None:
        self._lists = lists
        self._cache = cache
        self._ring = ring
        self._listed: asyncio.Queue[Kind] = asyncio.Queue()

    def listed(self, kind: Kind) -> None:
        """Hear that a watch had to list its kind: it will not tell what was gone by then."""
        self._listed.put_nowait(kind)

    async def audit(self, kinds: Iterable[Kind] | None = None) -> None:
        """List kinds, or all; an API server that is away, or lacks the CRD, is waited for."""
        for kind in self._lists.kinds if kinds is None else kinds:
            while not await self._compared(kind):  # noqa: ASYNC110 - no event tells when
                await asyncio.sleep(AWAY_SECONDS)

    async def after_each_list(self) -> None:
        """Compare, without end, what the watches had to list."""
        while True:
            kinds = {await self._listed.get()}
            await asyncio.sleep(TOGETHER_SECONDS)
            while not self._listed.empty():
                kinds.add(self._listed.get_nowait())
            await self.audit(kinds)

    async def now_and_then(self, period: float) -> None:
        """Compare everything, without end, every ``period`` seconds."""
        while True:
            await asyncio.sleep(period)
            await self.audit()

    async def _compared(self, kind: Kind) -> bool:
        """Compare one kind; say whether its list came to an end."""
        try:
            await self._compare(kind)
        except ApiError as error:
            log.warning("%s can't be listed: %s; again in 2 s", kind.plural, error)
            return False
        return True

    async def _compare(self, kind: Kind) -> None:
        listed, versions = set[Name](), list[int]()
        async for bodies, version in self._lists.everything(kind):
            self._ring_all(self._cache.put(kind, body) for body in bodies)
            listed |= {name_of(kind, body) for body in bodies}
            versions.append(version)
        self._ring_all(self._cache.bury(kind, listed, min(versions)))

    def _ring_all(self, news: Iterable[Ref | None]) -> None:
        for ref in news:
            if ref is not None:
                self._ring(ref)
