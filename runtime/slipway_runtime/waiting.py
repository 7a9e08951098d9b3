"""Who waits for a worker, in which order, and until when. Pure: time is an argument."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import count
from math import floor

from slipway_runtime.batching import LEVELS, Job

_Entry = tuple[int, float, int, Job]


class Waiting:
    """The queue: urgent jobs before others, then by deadline, then by arrival.

    Jobs are in a lane for each bucket, since only those of one bucket share a run. One that is
    dropped stays in its lane until its turn comes, or until the dropped outnumber the others.
    """

    def __init__(self) -> None:
        self._lanes: dict[Hashable, list[_Entry]] = {}
        self._numbers = count()
        self._dead = 0
        self._count = 0
        self._seconds = [0.0] * LEVELS

    def __len__(self) -> int:
        """Count the jobs that wait."""
        return self._count

    def push(self, job: Job) -> None:
        """Let a job wait."""
        job.waiting = True
        self._account(job, 1)
        entry = (job.level, job.deadline, next(self._numbers), job)
        heapq.heappush(self._lanes.setdefault(job.bucket, []), entry)

    def drop(self, job: Job) -> None:
        """Forget a job, whether it waits or not."""
        if job.waiting:
            job.waiting = False
            self._account(job, -1)
            self._dead += 1
            if self._dead > 64 + self._count:
                self._sweep()

    def take(self, most: Callable[[Job], int]) -> list[Job]:
        """Take the first job, and with it those of its bucket that follow and still fit.

        A batch has at most ``most(first)`` rows, unless it is a single job that has more.
        """
        lane = self._first_lane()
        if lane is None:
            return []
        batch = [self._pop(lane)]
        room = most(batch[0]) - batch[0].rows
        while room > 0 and self._settled(lane) and lane[0][3].rows <= room:
            batch.append(self._pop(lane))
            room -= batch[-1].rows
        return batch

    def seconds(self, level: int) -> float:
        """Sum up the work that goes before a new job of a level."""
        return sum(self._seconds[: level + 1])

    def oldest(self) -> Job | None:
        """Find the job that came first."""
        jobs = (entry[3] for lane in self._lanes.values() for entry in lane)
        return min((job for job in jobs if job.waiting), key=lambda job: job.arrived, default=None)

    def _first_lane(self) -> list[_Entry] | None:
        for bucket in [key for key, lane in self._lanes.items() if not self._settled(lane)]:
            del self._lanes[bucket]
        return min(self._lanes.values(), default=None)

    def _settled(self, lane: list[_Entry]) -> bool:
        """Remove dropped jobs from a lane's head; tell whether any is left."""
        while lane and not lane[0][3].waiting:
            heapq.heappop(lane)
            self._dead -= 1
        return bool(lane)

    def _pop(self, lane: list[_Entry]) -> Job:
        job = heapq.heappop(lane)[3]
        job.waiting = False
        self._account(job, -1)
        return job

    def _account(self, job: Job, sign: int) -> None:
        self._count += sign
        self._seconds[job.level] += sign * job.seconds
        if not self._count:
            self._seconds = [0.0] * LEVELS  # what was rounded must not add up

    def _sweep(self) -> None:
        for bucket, lane in list(self._lanes.items()):
            self._lanes[bucket] = [entry for entry in lane if entry[3].waiting]
            heapq.heapify(self._lanes[bucket])
            if not self._lanes[bucket]:
                del self._lanes[bucket]
        self._dead = 0


class Deadlines:
    """Finds what is overdue, without a timer for each job: a wheel of coarse slots."""

    SLOT = 0.01
    """Seconds; an answer that says "too late" may be as late."""

    def __init__(self, now: float) -> None:
        self._slots: defaultdict[int, set[Job]] = defaultdict(set)
        self._at = floor(now / self.SLOT)

    def __bool__(self) -> bool:
        """Tell whether anything is watched."""
        return bool(self._slots)

    def watch(self, job: Job) -> None:
        """Begin to watch a job's deadline."""
        job.slot = max(floor(job.deadline / self.SLOT), self._at)
        self._slots[job.slot].add(job)

    def forget(self, job: Job) -> None:
        """Stop watching a job, watched or not."""
        slot = self._slots.get(job.slot)
        if slot is not None:
            slot.discard(job)
            if not slot:
                del self._slots[job.slot]

    def overdue(self, now: float) -> list[Job]:
        """Take out the jobs whose deadline has passed; up to a slot late."""
        begin, self._at = self._at, max(self._at, floor(now / self.SLOT))
        passed: Sequence[int] = range(begin, self._at)
        if len(passed) > len(self._slots):
            passed = sorted(number for number in self._slots if number < self._at)
        return [job for number in passed for job in self._slots.pop(number, ())]
