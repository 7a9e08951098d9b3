import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from slipway_runtime.batcher import Batcher, Feed, Outcome
from slipway_runtime.errors import Kind, RequestError
from support.waiting import until

BIG = {"x": np.zeros(1000)}
SMALL = {"x": np.zeros(1)}


@dataclass
class Runner:
    """Stands in for a model: notes which runs begin, and ends them when told."""

    begun: list[Any] = field(default_factory=list)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failure: Exception | None = None

    def run(self, feed: Feed, outputs: Sequence[str]) -> list[Any]:
        self.begun.append((outputs[0], threading.current_thread()))
        if threading.current_thread() is not threading.main_thread():
            self.gate.acquire(timeout=10)
        if self.failure:
            raise self.failure
        return [np.array(outputs[0])]

    @property
    def names(self) -> list[Any]:
        return [name for name, _ in self.begun]


@dataclass
class Caller:
    outcomes: list[Outcome] = field(default_factory=list)

    def done(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def kinds(self) -> list[Kind | None]:
        return [o.kind if isinstance(o, RequestError) else None for o in self.outcomes]


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner()
    yield made
    made.gate.release(1000)


def a_batcher(runner: Runner, **limits: Any) -> Batcher:
    wanted = {"workers": 1, "max_queue": 2, "timeout": 10.0} | limits
    return Batcher(runner.run, observe=lambda seconds: None, **wanted)


async def test_a_short_run_takes_place_at_once_on_the_loop(runner: Runner) -> None:
    batcher, caller = a_batcher(runner), Caller()
    batcher.learn(SMALL, 1e-6)
    assert batcher.submit(SMALL, ["a"], caller.done) is None
    assert caller.kinds == [None]
    assert runner.begun[0][1] is threading.main_thread()


async def test_a_long_run_does_not_hold_the_loop(runner: Runner) -> None:
    batcher, caller = a_batcher(runner), Caller()
    batcher.learn(BIG, 1.0)
    batcher.submit(BIG, ["a"], caller.done)
    await until(lambda: runner.begun)
    assert caller.outcomes == []
    assert batcher.in_flight == 1
    runner.gate.release()
    await until(lambda: caller.outcomes)
    assert caller.kinds == [None]
    assert batcher.in_flight == 0


async def test_the_queue_is_first_come_first_served(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, max_queue=9), Caller()
    for name in "abcd":
        batcher.submit(BIG, [name], caller.done)
    runner.gate.release(4)
    await until(lambda: len(caller.outcomes) == 4)
    assert runner.names == list("abcd")


async def test_as_many_runs_go_on_as_there_are_workers(runner: Runner) -> None:
    batcher = a_batcher(runner, workers=3, max_queue=9)
    for name in "abcd":
        batcher.submit(BIG, [name], Caller().done)
    await until(lambda: len(runner.begun) == 3)
    await asyncio.sleep(0.02)
    assert (len(runner.begun), batcher.depth, batcher.in_flight) == (3, 1, 4)


async def test_one_more_than_may_wait_is_refused_at_once(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, max_queue=2), Caller()
    for name in "abc":
        batcher.submit(BIG, [name], caller.done)
    with pytest.raises(RequestError) as refusal:
        batcher.submit(BIG, ["d"], caller.done)
    assert refusal.value.kind is Kind.OVERLOADED
    assert refusal.value.retry_after == 1
    runner.gate.release(3)
    await until(lambda: len(caller.outcomes) == 3)
    assert runner.names == list("abc")


async def test_the_wait_until_another_try_follows_from_the_queue(runner: Runner) -> None:
    batcher = a_batcher(runner, workers=2, max_queue=8)
    batcher.learn(BIG, 3.0)
    for name in "ab":
        batcher.submit(BIG, [name], Caller().done)
    await until(lambda: len(runner.begun) == 2)
    for name in "cdefghij":
        batcher.submit(BIG, [name], Caller().done)
    with pytest.raises(RequestError) as refusal:
        batcher.submit(BIG, ["k"], Caller().done)
    assert refusal.value.retry_after == 12  # 8 waiting at 3 s each on 2 workers


async def test_what_waits_too_long_is_answered_and_never_run(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, timeout=0.05), Caller()
    batcher.submit(BIG, ["a"], caller.done)
    batcher.submit(BIG, ["b"], caller.done)
    await until(lambda: len(caller.outcomes) == 2)
    assert caller.kinds == [Kind.EXPIRED, Kind.EXPIRED]
    runner.gate.release(2)
    await asyncio.sleep(0.05)
    assert runner.names == ["a"]
    assert len(caller.outcomes) == 2
    assert batcher.in_flight == 0


async def test_what_was_cancelled_is_neither_run_nor_answered(runner: Runner) -> None:
    batcher, caller = a_batcher(runner), Caller()
    batcher.submit(BIG, ["a"], caller.done)
    await until(lambda: runner.begun)
    job = batcher.submit(BIG, ["b"], caller.done)
    assert job
    batcher.cancel(job)
    runner.gate.release(2)
    await until(lambda: caller.outcomes)
    await asyncio.sleep(0.02)
    assert runner.names == ["a"]
    assert len(caller.outcomes) == 1
    assert (batcher.depth, batcher.in_flight) == (0, 0)


async def test_a_cancelled_job_makes_room_for_another(runner: Runner) -> None:
    batcher = a_batcher(runner, max_queue=1)
    batcher.submit(BIG, ["a"], Caller().done)
    await until(lambda: runner.begun)
    job = batcher.submit(BIG, ["b"], Caller().done)
    assert job
    batcher.cancel(job)
    assert batcher.submit(BIG, ["c"], Caller().done)


async def test_a_defect_is_an_answer(runner: Runner) -> None:
    runner.failure = KeyError("x")
    batcher, caller = a_batcher(runner), Caller()
    runner.gate.release()
    batcher.submit(BIG, ["a"], caller.done)
    await until(lambda: caller.outcomes)
    assert caller.kinds == [Kind.INTERNAL]


async def test_workers_end_when_told(runner: Runner) -> None:
    before = threading.active_count()
    batcher = a_batcher(runner, workers=4)
    assert threading.active_count() == before + 4
    batcher.close()
    await until(lambda: threading.active_count() == before)
