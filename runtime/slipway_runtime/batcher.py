"""The scheduler: decides when, where and together with what a run takes place.

Knows neither protocol nor onnxruntime. Jobs that come within one turn of the event loop form
batches. Short runs take place right there; longer ones wait for one of the worker threads, each of
which takes, when it gets free, as much as one run may have: nothing waits while a worker is idle,
and batches grow with the load alone. All methods but those that say so are for the event loop's
thread.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from operator import attrgetter
from time import perf_counter, sleep
from typing import Protocol

from slipway_runtime import batching, logs
from slipway_runtime.batching import Done, Feed, Job, MixedRowsError, Outcome, Sorter
from slipway_runtime.costs import Costs
from slipway_runtime.errors import Kind, RequestError
from slipway_runtime.places import Places, stand_back
from slipway_runtime.tensors import Array
from slipway_runtime.waiting import Deadlines, Waiting

Run = Callable[[Feed, Sequence[str]], list[Array]]
Outcomes = Sequence[Outcome | None]
"""Of the jobs of a run; None where nobody waited any more when the turn of one alone came."""
UNKNOWING = (RequestError, type(None))
"""Outcomes that say nothing of how long runs take."""

TURN_SECONDS = 1e-3
"""How long runs may hold the event loop; what is left then is for its next turn."""

LONG_QUEUE_SECONDS = 4e-3
REST_SECONDS = 1e-3
"""While what waits keeps the workers busy for so long, the event loop rests between its turns. It
takes and answers several requests at a time then, and leaves the CPU to the runs."""

PUNCTUAL = 0.75
"""The part of its time that a job may be predicted to need. In overload every job that is let in
waits as long as that allows; without a reserve, half of them would come too late."""

MOST_PACE = 2.0
PACE_WEIGHT = 0.05
"""Of the newest of what runs take with the time until their worker begins, as a multiple."""


class Observer(Protocol):
    """Whoever counts what the batcher does. Called on the event loop; must be quick."""

    def ran(self, rows: int, seconds: float, waits: Sequence[float]) -> None:
        """Take note of one run of so many rows, and how long each of its jobs waited before."""

    def dropped(self, reason: str) -> None:
        """Take note of a job that was not run: QueueFull, Late, Expired or Cancelled."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes on; times are in seconds.

    ``delay`` is how long a job may be held back for others to share its run; 0 is not at all.
    """

    workers: int
    max_queue: int
    timeout: float
    delay: float = 0.0


class Batcher:
    """Runs jobs within the limits of one model server."""

    def __init__(
        self, run: Run, sorter: Sorter, costs: Costs, limits: Limits, observer: Observer
    ) -> None:
        """Start the workers; the observer is told of every run."""
        self._run = run
        self._sort = sorter.sort
        self._costs = costs
        self._limits = limits
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._turn: list[Job] = []
        self._turn_long = 0
        self._turn_rows = 0
        self._turn_seconds = 0.0
        self._waiting = Waiting()
        self._deadlines = Deadlines(perf_counter())
        self._watching = False
        self._wakeup = threading.Condition()
        self._places = Places()
        self._began: dict[int, float] = {}
        self._ends: dict[int, float] = {}
        self._pace = 1.0
        self._resting = False
        self._closed = False
        self._ran_at = perf_counter()
        self.mixed = ""
        self.in_flight = 0
        self.in_flight_rows = 0
        self.busy_seconds = 0.0
        for number in range(limits.workers):
            threading.Thread(
                target=self._work, args=[number], name=f"run-{number}", daemon=True
            ).start()

    # What is going on.

    @property
    def workers(self) -> int:
        """How many runs may go on at a time."""
        return self._limits.workers

    @property
    def depth(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._waiting) + self._turn_long

    @property
    def oldest_seconds(self) -> float:
        """How long the job has waited that waits longest; 0 when none does."""
        with self._wakeup:
            oldest = self._waiting.oldest()
        return perf_counter() - oldest.arrived if oldest else 0.0

    def quiet(self, since: Callable[[float, float], bool]) -> bool:
        """Tell whether nothing runs or waits, and ``since(last, now)`` holds of the last run."""
        return not self.in_flight and since(self._ran_at, perf_counter())

    def wedged(self, seconds: float) -> bool:
        """Tell whether every worker has been in one run for so long, and thrice the timeout."""
        patience = max(seconds, 3 * self._limits.timeout)
        began = list(self._began.values())
        return len(began) == self.workers and max(began) < perf_counter() - patience

    # Jobs come and go.

    def submit(
        self,
        feed: Feed,
        outputs: tuple[str, ...],
        done: Done,
        priority: int = 0,
        timeout: float | None = None,
        since: float = 0.0,
    ) -> Job:
        """Take a job; it runs in this turn of the event loop, or when a worker is free.

        ``priority`` 1 goes first, 0 is none given. ``timeout`` is in seconds; None, and whatever
        is longer, is the server's own limit. It counts from ``since``, a time of ``perf_counter``;
        0 is now.

        Returns:
            The job, to cancel it.

        Raises:
            RequestError: OVERLOADED when the queue is full, or so long that the answer would come
                too late; ``done`` is not called then.
        """
        arrived, longest = perf_counter(), self._limits.timeout
        wait = longest if timeout is None else min(timeout, longest)
        since = since or arrived
        job = Job(feed, outputs, done, arrived, since + wait, since)
        if priority:
            job.level = batching.level(priority)
        self._sort(job)
        if not self._costs.short(job.size, job.rows):
            self._admit(job)
        self.in_flight += 1
        self.in_flight_rows += job.rows
        self._turn.append(job)
        if self._limits.delay:
            self._hold_back(job)
        elif len(self._turn) == 1:
            self._loop.call_soon(self._flush)
        return job

    def cancel(self, job: Job) -> None:
        """Forget a job whose caller went away; it is not run unless that has begun."""
        if self._settle(job):
            self._observer.dropped("Cancelled")

    def close(self) -> None:
        """End the workers once they are idle."""
        with self._wakeup:
            self._closed = True
            self._wakeup.notify_all()

    def _admit(self, job: Job) -> None:
        """Refuse a job that would wait for nothing; count it in otherwise."""
        limits, idle = self._limits, self.workers - len(self._began)
        if self.depth - idle >= limits.max_queue:
            raise self._refusal("QueueFull", f"{limits.max_queue} requests wait already")
        job.seconds = self._costs.share(job.size, job.rows)
        if ahead := self._waiting.seconds(job.level) + self._turn_seconds:
            wait = (ahead + self._under_way(job.arrived)) * self._pace / self.workers
            full = self._costs.share(job.size, max(job.rows, self._costs.most(job.size)))
            needed = wait + min(full, ahead + job.seconds)
            if needed > PUNCTUAL * (job.deadline - job.arrived):
                raise self._refusal("Late", f"it would take about {needed:.3g} s")
        self._turn_long += 1
        self._turn_seconds += job.seconds

    def _under_way(self, now: float) -> float:
        """Predict how long workers will be busy in all with what they have begun."""
        return sum(max(0.0, ends - now) for ends in list(self._ends.values()))

    def _queue_seconds(self) -> float:
        """Predict how long all that waits will take."""
        return self._waiting.seconds(batching.BACKGROUND) * self._pace / self.workers

    def _refusal(self, reason: str, what: str) -> RequestError:
        self._observer.dropped(reason)
        seconds = ceil(self._queue_seconds())
        message = f"the server is overloaded: {what}; try again after {max(1, seconds)} s"
        return RequestError(Kind.OVERLOADED, message, max(1, seconds))

    def _settle(self, job: Job) -> Done | None:
        """Take a job's callback away, so that it is called at most once."""
        done, job.done = job.done, None
        if done:
            self.in_flight -= 1
            self.in_flight_rows -= job.rows
            if job.slot >= 0:
                self._deadlines.forget(job)
            if job.waiting:
                with self._wakeup:
                    self._waiting.drop(job)
        return done

    # A turn of the event loop, or as long as jobs may be held back.

    def _hold_back(self, job: Job) -> None:
        self._turn_rows += job.rows
        if self._turn_rows >= self._costs.most(job.size):
            self._loop.call_soon(self._flush)
        elif len(self._turn) == 1:
            self._loop.call_later(self._limits.delay, self._flush)

    def _flush(self) -> None:
        """Begin what came in this turn: short jobs here, the others in workers."""
        turn, self._turn = self._turn, []
        self._turn_long = self._turn_rows = 0
        self._turn_seconds = 0.0
        if len(turn) > 1:
            turn.sort(key=attrgetter("level"))
        short, long = self._sorted(turn)
        if long:
            self._enqueue(long)
        ends = perf_counter() + TURN_SECONDS
        batches = batching.chunks(short, lambda job: self._costs.most_inline(job.size))
        for number, jobs in enumerate(batches):
            now = self._perform(jobs)
            if now > ends and number + 1 < len(batches):
                self._turn[:0] = [job for jobs in batches[number + 1 :] for job in jobs]
                self._loop.call_soon(self._flush)
                return

    def _sorted(self, turn: list[Job]) -> tuple[list[Job], list[Job]]:
        """Tell short from long jobs, without those that nobody waits for any more."""
        short: list[Job] = []
        long: list[Job] = []
        now = perf_counter()
        for job in turn:
            if job.done is None:
                continue
            if job.deadline < now:
                self._expire(job)
            else:
                (short if self._costs.short(job.size, job.rows) else long).append(job)
        return short, long

    def _perform(self, jobs: list[Job]) -> float:
        """Run a batch here; return when it ended."""
        began = perf_counter()
        outcomes = self._execute(jobs)
        ended = perf_counter()
        self._finish(jobs, outcomes, began, ended)
        return ended

    def _enqueue(self, jobs: list[Job]) -> None:
        with self._wakeup:
            for job in jobs:
                self._waiting.push(job)
            self._wakeup.notify(len(jobs))
        for job in jobs:
            self._deadlines.watch(job)
        if not self._watching:
            self._watch()
        if not self._resting:
            self._rest_if_long()

    def _rest_if_long(self) -> None:
        self._resting = self._queue_seconds() > LONG_QUEUE_SECONDS
        if self._resting:
            self._loop.call_soon(self._rest)

    def _rest(self) -> None:
        sleep(REST_SECONDS)
        self._rest_if_long()

    def _watch(self) -> None:
        """Answer what is overdue, again and again while there is anything to watch."""
        for job in self._deadlines.overdue(perf_counter()):
            self._expire(job)
        self._watching = bool(self._deadlines)
        if self._watching:
            self._loop.call_later(Deadlines.SLOT, self._watch)

    def _expire(self, job: Job) -> None:
        if job.done:
            self._observer.dropped("Expired")
            seconds = job.deadline - job.since
            message = f"no answer within {seconds:.3g} s, which is the time that the request has"
            self._answer(job, RequestError(Kind.EXPIRED, message))

    def _finish_after(
        self, free: float, jobs: list[Job], outcomes: Outcomes, began: float, ended: float
    ) -> None:
        """Give the answers of a run, and learn how soon it began since its worker was free."""
        if jobs[0].arrived < free < began < ended:
            pace = min((ended - free) / (ended - began), MOST_PACE)
            self._pace += PACE_WEIGHT * (pace - self._pace)
        self._finish(jobs, outcomes, began, ended)

    def _finish(self, jobs: list[Job], outcomes: Outcomes, began: float, ended: float) -> None:
        """Give the answers of a run to whoever still waits."""
        rows = sum(job.rows for job in jobs)
        self.busy_seconds += ended - began
        self._ran_at = ended
        if not any(isinstance(outcome, UNKNOWING) for outcome in outcomes):
            # One that stops early says nothing of the rest.
            self._costs.learn(jobs[0].size, rows, ended - began)
            self._observer.ran(rows, ended - began, [began - job.arrived for job in jobs])
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.began, job.ended = began, ended
            if outcome is None:
                self._expire(job)
            else:
                self._answer(job, outcome)

    def _answer(self, job: Job, outcome: Outcome) -> None:
        """Tell who waits, if anybody does; a defect there must not cost others their answers."""
        if done := self._settle(job):
            try:
                done(outcome)
            except Exception as defect:
                logs.crash("answering failed", defect)

    # Runs; in workers, too.

    def _execute(self, jobs: list[Job]) -> Outcomes:
        """Run jobs together; one by one if that fails, so that a bad one fails alone."""
        if len(jobs) == 1:
            return [self._attempt(jobs[0].feed, jobs[0].outputs)]
        return self._together(jobs) or [*map(self._alone, jobs)]

    def _alone(self, job: Job) -> Outcome | None:
        """Run one of several that failed together; None if nobody waits for it any more."""
        if job.done is None or job.deadline < perf_counter():
            return None
        return self._attempt(job.feed, job.outputs)

    def _together(self, jobs: list[Job]) -> list[Outcome] | None:
        try:
            feed = batching.merge([job.feed for job in jobs])
        except MemoryError:
            return None
        outcome = self._attempt(feed, jobs[0].outputs)
        if isinstance(outcome, RequestError):
            return None
        try:
            return [*batching.split(outcome, [job.rows for job in jobs])]
        except MixedRowsError as problem:
            self._costs.stop_batching()
            self.mixed = str(problem)
            logs.warning("batching stopped", reason=self.mixed)
            return None

    def _attempt(self, feed: Feed, outputs: Sequence[str]) -> Outcome:
        try:
            return self._run(feed, outputs)
        except RequestError as error:
            return error
        except Exception as error:
            logs.crash("run failed", error)
            return RequestError(Kind.INTERNAL, "the runtime failed; its log says more")

    # Workers.

    def _work(self, number: int) -> None:
        stand_back()
        free = 0.0
        while jobs := self._next(number):
            self._places.take(number)
            began = perf_counter()
            outcomes = self._execute(jobs)
            ended = perf_counter()
            self._places.leave(number)
            try:
                self._loop.call_soon_threadsafe(
                    self._finish_after, free, jobs, outcomes, began, ended
                )
            except RuntimeError:
                return  # the loop has ended, and with it whoever waited for the answer
            free = ended

    def _next(self, number: int) -> list[Job]:
        """Wait for jobs that somebody still waits for; none when there will be none."""
        with self._wakeup:
            self._began.pop(number, None)
            self._ends.pop(number, None)
            while True:
                while not self._waiting:
                    if self._closed:
                        return []
                    self._wakeup.wait()
                jobs = self._in_time(self._waiting.take(self._most))
                if jobs:
                    self._began[number] = now = perf_counter()
                    self._ends[number] = now + sum(job.seconds for job in jobs)
                    return jobs

    def _most(self, job: Job) -> int:
        return self._costs.most(job.size)

    def _in_time(self, jobs: list[Job]) -> list[Job]:
        """Leave out what could only come too late; the deadline's watch answers it.

        An estimate that is no fraction of the time that every request has is not relied upon:
        it would keep out the very runs that might correct it.
        """
        if not jobs:
            return []
        now = perf_counter()
        needed = self._costs.at_least(jobs[0].size, sum(job.rows for job in jobs))
        if needed > self._limits.timeout / 2:
            needed = 0.0
        return [job for job in jobs if job.deadline >= now + needed]
