"""The queue: decides when and where a run takes place. Knows neither protocol nor onnxruntime.

Short runs take place at once, on the event loop. Longer ones wait for one of the worker threads,
first come, first served; the queue is bounded, and whoever waits too long or goes away is never
run. All methods but ``_work`` are for the event loop's thread.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from math import ceil
from time import perf_counter

from slipway_runtime import logs
from slipway_runtime.costs import Costs
from slipway_runtime.errors import Kind, RequestError
from slipway_runtime.tensors import Array

Feed = dict[str, Array]
Run = Callable[[Feed, Sequence[str]], list[Array]]
Outcome = list[Array] | RequestError
Done = Callable[[Outcome], None]


def _elements(feed: Feed) -> int:
    count = 0
    for array in feed.values():
        count += array.size
    return count


class Job:
    """One run that was asked for; ``done`` is called once, on the event loop, unless cancelled."""

    __slots__ = ("done", "elements", "feed", "outputs", "timer")

    def __init__(self, feed: Feed, outputs: Sequence[str], done: Done | None) -> None:
        self.feed = feed
        self.outputs = outputs
        self.done = done
        self.elements = _elements(feed)
        self.timer: asyncio.TimerHandle | None = None


class Batcher:
    """Runs jobs within the limits of one model server."""

    def __init__(
        self,
        run: Run,
        workers: int,
        max_queue: int,
        timeout: float,
        observe: Callable[[float], None],
    ) -> None:
        """Start the workers; ``observe`` is told the seconds of every run."""
        self._run = run
        self._timeout = timeout
        self._max_queue = max_queue
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._costs = Costs()
        self._waiting: deque[Job] = deque()
        self._wakeup = threading.Condition()
        self._idle = workers
        self._closed = False
        self.workers = workers
        self.in_flight = 0
        for number in range(workers):
            threading.Thread(target=self._work, name=f"run-{number}", daemon=True).start()

    @property
    def depth(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._waiting)

    def learn(self, feed: Feed, seconds: float) -> None:
        """Take in a run that was made elsewhere: the warm-up."""
        self._costs.learn(_elements(feed), seconds)

    def submit(self, feed: Feed, outputs: Sequence[str], done: Done) -> Job | None:
        """Run a job now, or queue it.

        Returns:
            The job while it is not done, to cancel it.

        Raises:
            RequestError: OVERLOADED when the queue is full; ``done`` is not called then.
        """
        job = Job(feed, outputs, done)
        if self._costs.short(job.elements):
            outcome, seconds = self._timed(job)
            self._learn(job, outcome, seconds)
            done(outcome)
            return None
        self._enqueue(job)
        return job

    def cancel(self, job: Job) -> None:
        """Forget a job whose caller went away; it is not run unless a worker has it already."""
        self._settle(job)
        with self._wakeup:
            if job in self._waiting:
                self._waiting.remove(job)

    def close(self) -> None:
        """End the workers once they are idle."""
        with self._wakeup:
            self._closed = True
            self._wakeup.notify_all()

    def _enqueue(self, job: Job) -> None:
        with self._wakeup:
            if len(self._waiting) - self._idle >= self._max_queue:
                raise self._overloaded()
            self._waiting.append(job)
            self._wakeup.notify()
        self.in_flight += 1
        job.timer = self._loop.call_later(self._timeout, self._expire, job)

    def _overloaded(self) -> RequestError:
        wait = ceil(len(self._waiting) * (self._costs.longest() or 0) / self.workers)
        return RequestError(
            Kind.OVERLOADED,
            f"{self._max_queue} requests wait already, which is the most; the last of them has "
            f"about {wait} s to wait",
            retry_after=max(1, wait),
        )

    def _expire(self, job: Job) -> None:
        done = job.done
        self.cancel(job)
        if done:
            message = f"no answer within {self._timeout:g} s, which is the time that a request has"
            done(RequestError(Kind.EXPIRED, message))

    def _settle(self, job: Job) -> Done | None:
        """Take a job's callback away, so that it is called at most once."""
        done, job.done = job.done, None
        if done:
            self.in_flight -= 1
        if job.timer:
            job.timer.cancel()
        return done

    def _finish(self, job: Job, outcome: Outcome, seconds: float) -> None:
        self._learn(job, outcome, seconds)
        if done := self._settle(job):
            done(outcome)

    def _learn(self, job: Job, outcome: Outcome, seconds: float) -> None:
        if not isinstance(outcome, RequestError):  # one that stops early says nothing of the rest
            self._costs.learn(job.elements, seconds)
            self._observe(seconds)

    def _work(self) -> None:
        while job := self._next():
            outcome, seconds = self._timed(job)
            with self._wakeup:
                self._idle += 1
            try:
                self._loop.call_soon_threadsafe(self._finish, job, outcome, seconds)
            except RuntimeError:
                return  # the loop has ended, and with it whoever waited for the answer

    def _next(self) -> Job | None:
        """Wait for a job that somebody still waits for; None when there will be none."""
        with self._wakeup:
            while not self._waiting:
                if self._closed:
                    return None
                self._wakeup.wait()
            self._idle -= 1
            return self._waiting.popleft()

    def _timed(self, job: Job) -> tuple[Outcome, float]:
        started = perf_counter()
        outcome: Outcome
        try:
            outcome = self._run(job.feed, job.outputs)
        except RequestError as error:
            outcome = error
        except Exception as error:
            logs.crash("run failed", error)
            outcome = RequestError(Kind.INTERNAL, "the runtime failed; its log says more")
        return outcome, perf_counter() - started
