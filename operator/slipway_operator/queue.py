"""A keyed work queue: one worker per object at a time, coalesced, retried with capped backoff."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from slipway_operator.logs import about
from slipway_operator.metrics import Metrics, Outcome
from slipway_operator.ports import ApiError, Ref

Work = Callable[[Ref], Awaitable[timedelta | None]]

FIRST_RETRY = 0.2
LAST_RETRY = 300.0
LAST_RETRY_AWAY = 5.0
"""The API server is back at some time, and then nobody should wait for minutes."""
PASS_TIMEOUT = 60.0
STUCK_SECONDS = 2 * PASS_TIMEOUT

log = logging.getLogger(__name__)


class Queue:
    """Objects that want a pass.

    An object that is added while its pass runs gets another one afterwards; added often, it gets
    one. The work says when it wants the next pass; if it fails, its object is retried after
    0.2 s, 0.4 s, … at most 5 minutes, and at most 5 seconds while the API server is at fault.
    """

    def __init__(self, work: Work, metrics: Metrics) -> None:
        self._work = work
        self._metrics = metrics
        self._ready: asyncio.Queue[Ref] = asyncio.Queue()
        self._waiting: dict[Ref, float] = {}
        self._running: dict[Ref, float] = {}
        self._news: dict[Ref, float] = {}
        self._timers: dict[Ref, asyncio.TimerHandle] = {}
        self._failures: dict[Ref, int] = {}
        self._ended = 0.0
        metrics.watch_queue(self._ready.qsize, self.ages)

    def add(self, ref: Ref) -> None:
        """Ask for a pass over ``ref`` as soon as a worker is free, because there are news."""
        self._news.setdefault(ref, asyncio.get_running_loop().time())
        self._put(ref)

    def add_after(self, ref: Ref, delay: float) -> None:
        """Ask for a pass in ``delay`` seconds, unless one is asked for already or sooner."""
        loop, timer = asyncio.get_running_loop(), self._timers.get(ref)
        due = loop.time() + delay
        if ref in self._waiting or (timer is not None and timer.when() <= due):
            return
        self._cancel(ref)
        self._timers[ref] = loop.call_at(due, self._put, ref)

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    def ages(self) -> list[float]:
        """List for how many seconds each pass has been running."""
        if not self._running:
            return []
        now = asyncio.get_running_loop().time()
        return [now - begun for begun in self._running.values()]

    def stuck(self) -> str | None:
        """Say what is wrong if the queue does not get on.

        With thousands of objects one may wait for long, as long as passes over others end.
        """
        now = asyncio.get_running_loop().time()
        for what, since in (("a pass runs", self._running), ("no pass ends", self._unheard())):
            for ref, begun in since.items():
                if now - begun > STUCK_SECONDS:
                    return f"{what} since {now - begun:.0f} s: {ref.namespace}/{ref.name}"
        return None

    def _unheard(self) -> dict[Ref, float]:
        """Since when each object has waited, and no other had its turn either."""
        return {ref: max(begun, self._ended) for ref, begun in self._waiting.items()}

    def _put(self, ref: Ref) -> None:
        self._cancel(ref)
        if ref in self._waiting:
            return
        self._waiting[ref] = asyncio.get_running_loop().time()
        self._metrics.added()
        if ref not in self._running:
            self._ready.put_nowait(ref)

    async def _worker(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            ref = await self._ready.get()
            begun = self._running[ref] = loop.time()
            self._metrics.begun(begun - self._waiting.pop(ref))
            token = about.set(ref)
            try:
                outcome = await self._pass(ref)
                self._metrics.passed(outcome, loop.time() - begun)
            finally:
                about.reset(token)
                self._ended = loop.time()
                del self._running[ref]
                if ref in self._waiting:
                    self._ready.put_nowait(ref)
            # A pass that has nothing to write waits for nobody: thousands of them in a row would
            # let the lease run out.
            await asyncio.sleep(0)

    async def _pass(self, ref: Ref) -> Outcome:
        asked = self._news.pop(ref, None)
        try:
            async with asyncio.timeout(PASS_TIMEOUT):
                again = await self._work(ref)
        except ApiError as error:
            log.warning("%s/%s: %s; again in %.1f s", *ref, error, self._retry(ref, error))
        except Exception:
            log.exception("%s/%s: the pass failed; again in %.1f s", *ref, self._retry(ref))
        else:
            return self._done(ref, asked, again)
        if asked is not None:
            self._news[ref] = asked
        return Outcome.ERROR

    def _done(self, ref: Ref, asked: float | None, again: timedelta | None) -> Outcome:
        self._failures.pop(ref, None)
        if asked is not None:
            self._metrics.applied(asyncio.get_running_loop().time() - asked)
        if again is None:
            return Outcome.SUCCESS
        self.add_after(ref, again.total_seconds())
        return Outcome.REQUEUE_AFTER

    def _retry(self, ref: Ref, error: ApiError | None = None) -> float:
        failures = self._failures[ref] = self._failures.get(ref, 0) + 1
        last = LAST_RETRY_AWAY if error and error.passing else LAST_RETRY
        delay = min(FIRST_RETRY * 2.0 ** min(failures - 1, 16), last)
        if error:
            delay = max(delay, error.retry_after)
        self._metrics.retried()
        # Those that failed together shall not come again together.
        self.add_after(ref, delay * random.uniform(1.0, 1.2))  # noqa: S311 - spreads, hides nothing
        return delay

    def _cancel(self, ref: Ref) -> None:
        timer = self._timers.pop(ref, None)
        if timer is not None:
            timer.cancel()
