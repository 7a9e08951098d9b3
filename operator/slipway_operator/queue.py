"""A keyed work queue: one worker per object at a time, coalesced, retried with capped backoff."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from slipway_operator.ports import ApiError, Ref

Work = Callable[[Ref], Awaitable[timedelta | None]]

FIRST_RETRY = 0.2
LAST_RETRY = 300.0
PASS_TIMEOUT = 60.0

log = logging.getLogger(__name__)


class Queue:
    """Objects that want a pass.

    An object that is added while its pass runs gets another one afterwards; added often, it gets
    one. The work says when it wants the next pass; if it fails, its object is retried after
    0.2 s, 0.4 s, … at most 5 minutes.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._ready: asyncio.Queue[Ref] = asyncio.Queue()
        self._waiting: set[Ref] = set()
        self._running: set[Ref] = set()
        self._timers: dict[Ref, asyncio.TimerHandle] = {}
        self._failures: dict[Ref, int] = {}

    def add(self, ref: Ref) -> None:
        """Ask for a pass over ``ref`` as soon as a worker is free."""
        self._cancel(ref)
        if ref in self._waiting:
            return
        self._waiting.add(ref)
        if ref not in self._running:
            self._ready.put_nowait(ref)

    def add_after(self, ref: Ref, delay: float) -> None:
        """Ask for a pass in ``delay`` seconds, unless one is asked for already or sooner."""
        loop, timer = asyncio.get_running_loop(), self._timers.get(ref)
        due = loop.time() + delay
        if ref in self._waiting or (timer is not None and timer.when() <= due):
            return
        self._cancel(ref)
        self._timers[ref] = loop.call_at(due, self.add, ref)

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            ref = await self._ready.get()
            self._waiting.discard(ref)
            self._running.add(ref)
            try:
                await self._pass(ref)
            finally:
                self._running.discard(ref)
                if ref in self._waiting:
                    self._ready.put_nowait(ref)

    async def _pass(self, ref: Ref) -> None:
        try:
            async with asyncio.timeout(PASS_TIMEOUT):
                again = await self._work(ref)
        except ApiError as error:
            log.warning("%s/%s: %s; again in %.1f s", *ref, error, self._retry(ref))
            return
        except Exception:
            log.exception("%s/%s: the pass failed; again in %.1f s", *ref, self._retry(ref))
            return
        self._failures.pop(ref, None)
        if again is not None:
            self.add_after(ref, again.total_seconds())

    def _retry(self, ref: Ref) -> float:
        failures = self._failures[ref] = self._failures.get(ref, 0) + 1
        delay = min(FIRST_RETRY * 2.0 ** min(failures - 1, 16), LAST_RETRY)
        self.add_after(ref, delay)
        return delay

    def _cancel(self, ref: Ref) -> None:
        timer = self._timers.pop(ref, None)
        if timer is not None:
            timer.cancel()
