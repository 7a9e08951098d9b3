"""The queue's order and its deadlines, in whatever way jobs come and go."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from slipway_runtime.batching import Job
from slipway_runtime.waiting import Deadlines, Waiting

MOST = 4


def four_rows(job: Job) -> int:
    return MOST


def a_job(bucket: str = "a", rows: int = 1, level: int = 1, deadline: float = 10.0) -> Job:
    job = Job({}, (), None)
    job.bucket, job.rows, job.level, job.deadline = bucket, rows, level, deadline
    job.seconds = float(rows)
    return job


def pushed(*jobs: Job) -> Waiting:
    waiting = Waiting()
    for job in jobs:
        waiting.push(job)
    return waiting


def test_the_first_to_come_is_the_first_to_go() -> None:
    jobs = [a_job(rows=2) for _ in range(5)]
    waiting = pushed(*jobs)
    assert [waiting.take(four_rows) for _ in range(4)] == [jobs[:2], jobs[2:4], jobs[4:], []]


def test_urgent_jobs_go_first_and_earlier_deadlines_before_later() -> None:
    late, early = a_job(deadline=9.0), a_job(deadline=5.0)
    background, urgent = a_job(level=2, deadline=1.0), a_job(level=0, deadline=99.0)
    waiting = pushed(late, background, early, urgent)
    assert [waiting.take(lambda job: 1) for _ in range(4)] == [
        [urgent], [early], [late], [background],
    ]  # fmt: skip


def test_a_job_larger_than_a_batch_runs_alone() -> None:
    small, huge, last = a_job(), a_job(rows=100), a_job()
    waiting = pushed(small, huge, last)
    assert [waiting.take(four_rows) for _ in range(3)] == [[small], [huge], [last]]


def test_the_work_ahead_is_that_of_the_same_level_and_above() -> None:
    waiting = pushed(a_job(level=0, rows=1), a_job(level=1, rows=2), a_job(level=2, rows=4))
    assert [waiting.seconds(level) for level in range(3)] == [1.0, 3.0, 7.0]


def test_what_was_dropped_takes_no_room_for_long() -> None:
    waiting = Waiting()
    for number in range(10_000):
        job = a_job(bucket=str(number))
        waiting.push(job)
        waiting.drop(job)
    assert len(waiting) == 0
    assert waiting.oldest() is None
    assert sum(map(len, waiting._lanes.values())) < 200
    assert len(waiting._lanes) < 200


class Queue(RuleBasedStateMachine):
    """Jobs are pushed, dropped and taken in any order; a plain list is what is right."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = Waiting()
        self.jobs: list[Job] = []

    @rule(
        bucket=st.sampled_from("abc"),
        rows=st.integers(1, 6),
        level=st.integers(0, 2),
        deadline=st.integers(1, 3),
    )
    def push(self, bucket: str, rows: int, level: int, deadline: int) -> None:
        self.jobs.append(a_job(bucket, rows, level, float(deadline)))
        self.waiting.push(self.jobs[-1])

    @precondition(lambda self: self.jobs)
    @rule(pick=st.randoms(use_true_random=False))
    def drop(self, pick: object) -> None:
        job = self.jobs.pop(pick.randrange(len(self.jobs)))  # type: ignore[attr-defined]
        self.waiting.drop(job)
        self.waiting.drop(job)

    @rule()
    def take(self) -> None:
        batch = self.waiting.take(four_rows)
        assert bool(batch) == bool(self.jobs)
        if batch:
            order = sorted(self.jobs, key=lambda job: (job.level, job.deadline))
            assert batch[0] is order[0]
            same = [job for job in order if job.bucket == batch[0].bucket]
            assert batch == same[: len(batch)]
            rows = sum(job.rows for job in batch)
            assert len(batch) == 1 or rows <= MOST
            following = same[len(batch) : len(batch) + 1]
            assert not following or rows + following[0].rows > MOST
        for job in batch:
            self.jobs.remove(job)

    @invariant()
    def counts(self) -> None:
        assert len(self.waiting) == len(self.jobs)
        assert self.waiting.seconds(2) == sum(job.rows for job in self.jobs)
        assert (self.waiting.oldest() is None) == (not self.jobs)


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, deadline=None)


@given(
    st.lists(st.floats(100.0, 110.0), max_size=30),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20),
)
def test_a_deadline_is_found_once_and_within_a_slot(
    deadlines: list[float], steps: list[float]
) -> None:
    watch, now = Deadlines(100.0), 100.0
    jobs = [a_job(deadline=deadline) for deadline in deadlines]
    for job in jobs:
        watch.watch(job)
    found: list[Job] = []
    for step in steps:
        now += step
        passed = watch.overdue(now)
        found += passed
        assert all(job.deadline <= now for job in passed)
        assert all(job in found for job in jobs if job.deadline < now - Deadlines.SLOT)
    assert len(found) == len(set(found))


def test_a_deadline_that_has_passed_already_is_found_too() -> None:
    watch, job = Deadlines(50.0), a_job(deadline=1.0)
    watch.overdue(60.0)
    watch.watch(job)
    assert watch.overdue(60.02) == [job]
    assert not watch


def test_who_is_answered_is_not_overdue() -> None:
    watch, job = Deadlines(0.0), a_job(deadline=1.0)
    watch.watch(job)
    watch.forget(job)
    watch.forget(job)
    assert not watch
    assert watch.overdue(2.0) == []
