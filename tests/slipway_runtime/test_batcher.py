"""When, where and together with what a run takes place."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway_runtime.batcher import Batcher, Limits
from slipway_runtime.batching import Feed, Job, Outcome, Sorter
from slipway_runtime.costs import INLINE_SECONDS, Costs
from slipway_runtime.datatypes import BY_ONNX_NAME, Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError, Kind, RequestError
from slipway_runtime.places import Places
from support.waiting import until

FP32 = BY_ONNX_NAME["tensor(float)"]
SIGNATURE = Signature(
    {"x": TensorSpec("x", FP32, (-1, -1))}, {"y": TensorSpec("y", FP32, (-1, -1))}
)
POISON = 666.0
MOST = 4


@dataclass
class Runner:
    """Stands in for a model that answers ``x``: notes runs, and ends those in workers when told."""

    begun: list[list[float]] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    places: list[threading.Thread] = field(default_factory=list)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failure: Exception | None = None
    answers: int | None = None

    def run(self, feed: Feed, outputs: Sequence[str]) -> list[Any]:
        self.begun.append(feed["x"][:, 0].tolist())
        self.shapes.append(feed["x"].shape)
        self.places.append(threading.current_thread())
        if threading.current_thread() is not threading.main_thread():
            self.gate.acquire(timeout=10)
        if self.failure:
            raise self.failure
        if (feed["x"] == POISON).any():
            raise InvalidRequestError("poison")
        return [feed["x"][: self.answers]]


@dataclass
class Caller:
    outcomes: list[Outcome] = field(default_factory=list)

    def done(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def kinds(self) -> list[Kind | None]:
        return [o.kind if isinstance(o, RequestError) else None for o in self.outcomes]

    @property
    def answers(self) -> list[Any]:
        return [None if isinstance(o, RequestError) else o[0].tolist() for o in self.outcomes]


@dataclass
class Notes:
    """Stands in for the metrics."""

    rows: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def ran(self, rows: int, seconds: float, waits: Sequence[float]) -> None:
        assert seconds >= 0
        self.rows.append(rows)
        self.waits += waits

    def dropped(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner()
    yield made
    made.gate.release(1000)


def a_batcher(
    runner: Runner, most: int = 1, seconds: float = 1.0, notes: Notes | None = None, **limits: Any
) -> Batcher:
    """Make one that thinks that a run takes ``seconds``; above ``INLINE_SECONDS`` in a worker."""
    wanted = Limits(**{"workers": 1, "max_queue": 100, "timeout": 10.0} | limits)
    costs = Costs(most)
    for rows in (1, most):
        costs.learn(size(1), rows, seconds)
    sorter = Sorter(SIGNATURE, batched=most > 1)
    return Batcher(runner.run, sorter, costs, wanted, notes or Notes())


def x(*values: float, width: int = 1) -> Feed:
    return {"x": np.repeat(np.array(values, np.float32)[:, None], width, axis=1)}


def size(elements: int) -> int:
    return elements.bit_length()


def submit(batcher: Batcher, caller: Caller, *values: float, **how: Any) -> Job:
    return batcher.submit(x(*values), ("y",), caller.done, **how)


QUICK = INLINE_SECONDS / 10


# Where.


async def test_a_short_run_takes_place_in_this_turn_of_the_loop(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, seconds=QUICK), Caller()
    submit(batcher, caller, 7)
    assert (caller.outcomes, batcher.in_flight) == ([], 1)
    await asyncio.sleep(0)
    assert caller.answers == [[[7]]]
    assert runner.places == [threading.main_thread()]
    assert batcher.in_flight == 0


async def test_a_long_run_does_not_hold_the_loop(runner: Runner) -> None:
    batcher, caller = a_batcher(runner), Caller()
    submit(batcher, caller, 7)
    await until(lambda: runner.begun)
    assert caller.outcomes == []
    assert (batcher.in_flight, batcher.in_flight_rows) == (1, 1)
    runner.gate.release()
    await until(lambda: caller.outcomes)
    assert caller.answers == [[[7]]]
    assert (batcher.in_flight, batcher.in_flight_rows) == (0, 0)


async def test_many_rows_are_a_long_run_although_one_is_short(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, most=MOST, seconds=QUICK), Caller()
    submit(batcher, caller, *range(MOST + 1))
    await until(lambda: runner.begun)
    assert runner.places != [threading.main_thread()]


async def test_as_many_runs_go_on_as_there_are_workers(runner: Runner) -> None:
    batcher = a_batcher(runner, workers=3)
    for value in range(4):
        submit(batcher, Caller(), value)
    await until(lambda: len(runner.begun) == 3)
    await asyncio.sleep(0.02)
    assert (len(runner.begun), batcher.depth, batcher.in_flight) == (3, 1, 4)


async def test_what_holds_the_loop_too_long_goes_on_in_its_next_turn(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway_runtime.batcher.TURN_SECONDS", 0.0)
    batcher, caller = a_batcher(runner, seconds=QUICK), Caller()
    for value in range(3):
        submit(batcher, caller, value)
    await asyncio.sleep(0)
    assert len(caller.outcomes) == 1
    await until(lambda: len(caller.outcomes) == 3)
    assert runner.begun == [[0], [1], [2]]


# Together.


async def test_what_comes_in_one_turn_shares_a_run(runner: Runner) -> None:
    notes = Notes()
    batcher, callers = a_batcher(runner, MOST, QUICK, notes), [Caller() for _ in range(3)]
    for value, caller in zip((1, 2, 3), callers, strict=True):
        submit(batcher, caller, value)
    await asyncio.sleep(0)
    assert runner.begun == [[1, 2, 3]]
    assert [caller.answers for caller in callers] == [[[[1]]], [[[2]]], [[[3]]]]
    assert notes.rows == [3]
    assert len(notes.waits) == 3


async def test_batches_grow_while_workers_are_busy(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, MOST), Caller()
    submit(batcher, caller, 0)
    await until(lambda: runner.begun)
    for value in range(1, 7):
        submit(batcher, caller, value)
    runner.gate.release(3)
    await until(lambda: len(caller.outcomes) == 7)
    assert runner.begun == [[0], [1, 2, 3, 4], [5, 6]]
    assert caller.answers == [[[float(value)]] for value in range(7)]


async def test_an_idle_worker_waits_for_nobody(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, MOST, workers=2), Caller()
    submit(batcher, caller, 0)
    await until(lambda: runner.begun == [[0]])
    submit(batcher, caller, 1)
    await until(lambda: runner.begun == [[0], [1]])


async def test_a_request_of_several_rows_counts_them_all(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, MOST), Caller()
    submit(batcher, caller, 0)
    await until(lambda: runner.begun)
    submit(batcher, caller, 1, 2, 3)
    submit(batcher, caller, 4, 5)
    submit(batcher, caller, *range(10, 16))
    assert batcher.in_flight_rows == 12
    runner.gate.release(4)
    await until(lambda: len(caller.outcomes) == 4)
    assert runner.begun == [[0], [1, 2, 3], [4, 5], [10, 11, 12, 13, 14, 15]]
    assert caller.answers[1:3] == [[[1], [2], [3]], [[4], [5]]]


async def test_shapes_are_never_mixed(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, MOST), Caller()
    submit(batcher, caller, 0)
    await until(lambda: runner.begun)
    for width in (1, 2, 1, 2):
        batcher.submit(x(width, width=width), ("y",), caller.done)
    runner.gate.release(3)
    await until(lambda: len(caller.outcomes) == 5)
    assert runner.shapes == [(1, 1), (2, 1), (2, 2)]


async def test_an_optional_delay_collects_a_batch_and_ends_when_it_is_full(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, MOST, QUICK, delay=0.05), Caller()
    for value in range(MOST):
        submit(batcher, caller, value)
        await asyncio.sleep(0.001)
    assert runner.begun == [[0, 1, 2, 3]]
    submit(batcher, caller, 9)
    await asyncio.sleep(0.001)
    assert len(runner.begun) == 1
    await until(lambda: len(caller.outcomes) == MOST + 1)
    assert runner.begun == [[0, 1, 2, 3], [9]]


@pytest.mark.parametrize("seconds", [QUICK, 1.0], ids=["loop", "worker"])
async def test_a_bad_row_fails_alone(runner: Runner, seconds: float) -> None:
    runner.gate.release(100)
    batcher, callers = a_batcher(runner, MOST, seconds), [Caller() for _ in range(3)]
    for value, caller in zip((1, POISON, 3), callers, strict=True):
        submit(batcher, caller, value)
    await until(lambda: all(caller.outcomes for caller in callers))
    assert [caller.kinds for caller in callers] == [[None], [Kind.INVALID], [None]]
    assert callers[2].answers == [[[3]]]
    assert runner.begun == [[1, POISON, 3], [1], [POISON], [3]]


@pytest.mark.parametrize("when", ["cancelled", "expired"])
async def test_a_row_that_nobody_waits_for_is_not_run_again(runner: Runner, when: str) -> None:
    notes, callers = Notes(), [Caller() for _ in range(3)]
    batcher = a_batcher(runner, MOST, notes=notes)
    jobs = [
        submit(batcher, caller, value)
        for value, caller in zip((1, POISON, 3), callers, strict=True)
    ]
    await until(lambda: runner.begun)
    if when == "cancelled":
        batcher.cancel(jobs[2])
    else:
        jobs[2].deadline = 0.0
    runner.gate.release(100)
    await until(lambda: len(notes.reasons) == 1 and callers[1].outcomes)
    assert runner.begun == [[1, POISON, 3], [1], [POISON]]
    assert notes.reasons == [when.title()]
    assert callers[2].kinds == ([] if when == "cancelled" else [Kind.EXPIRED])


async def test_time_counts_from_when_the_request_came(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, seconds=1e-3), Caller()
    submit(batcher, caller, 1, timeout=5.0, since=perf_counter() - 6.0)
    await until(lambda: caller.outcomes)
    assert (caller.kinds, runner.begun) == ([Kind.EXPIRED], [])


async def test_a_model_that_turns_out_to_mix_rows_is_batched_no_more(runner: Runner) -> None:
    runner.answers = 1
    batcher, caller = a_batcher(runner, MOST, QUICK), Caller()
    for value in (1, 2):
        submit(batcher, caller, value)
    await asyncio.sleep(0)
    assert caller.answers == [[[1]], [[2]]]
    assert batcher.mixed == "2 rows gave an output of shape [1, 1]"
    for value in (3, 4):
        submit(batcher, caller, value)
    runner.gate.release(100)
    await until(lambda: len(caller.outcomes) == 4)
    assert runner.begun[3:] == [[3], [4]]


async def test_a_defect_is_an_answer(runner: Runner) -> None:
    runner.failure = KeyError("x")
    batcher, caller = a_batcher(runner), Caller()
    runner.gate.release()
    submit(batcher, caller, 1)
    await until(lambda: caller.outcomes)
    assert caller.kinds == [Kind.INTERNAL]


@pytest.mark.parametrize("seconds", [QUICK, 1.0], ids=["loop", "worker"])
async def test_a_caller_that_fails_costs_nobody_else_the_answer(
    runner: Runner, seconds: float
) -> None:
    def failing(outcome: Outcome) -> None:
        raise KeyError("x")

    runner.gate.release(100)
    batcher, caller = a_batcher(runner, MOST, seconds), Caller()
    batcher.submit(x(1), ("y",), failing)
    submit(batcher, caller, 2)
    await until(lambda: caller.outcomes)
    assert caller.answers == [[[2]]]
    assert batcher.in_flight == 0


# In which order, and whether at all.


async def test_the_queue_is_first_come_first_served_but_urgent_ones_go_first(
    runner: Runner,
) -> None:
    batcher, caller = a_batcher(runner), Caller()
    submit(batcher, caller, 0)
    await until(lambda: runner.begun)
    for value, priority in ((1, 0), (2, 3), (3, 0), (4, 1)):
        submit(batcher, caller, value, priority=priority)
    runner.gate.release(5)
    await until(lambda: len(caller.outcomes) == 5)
    assert runner.begun == [[0], [4], [1], [3], [2]]


async def test_one_more_than_may_wait_is_refused_at_once(runner: Runner) -> None:
    notes = Notes()
    batcher, caller = a_batcher(runner, max_queue=2, notes=notes), Caller()
    for value in range(3):
        submit(batcher, caller, value)
    with pytest.raises(RequestError, match="2 requests wait already") as refusal:
        submit(batcher, caller, 3)
    assert refusal.value.kind is Kind.OVERLOADED
    assert notes.reasons == ["QueueFull"]
    runner.gate.release(3)
    await until(lambda: len(caller.outcomes) == 3)
    assert runner.begun == [[0], [1], [2]]


async def test_the_wait_until_another_try_follows_from_the_queue(runner: Runner) -> None:
    batcher = a_batcher(runner, workers=2, max_queue=8, seconds=3.0, timeout=60.0)
    for value in range(2):
        submit(batcher, Caller(), value)
    await until(lambda: len(runner.begun) == 2)
    for value in range(8):
        submit(batcher, Caller(), value)
    await asyncio.sleep(0)
    with pytest.raises(RequestError) as refusal:
        submit(batcher, Caller(), 9)
    assert refusal.value.retry_after == 12  # 8 waiting at 3 s each on 2 workers


async def test_a_request_that_would_wait_for_nothing_is_refused_at_once(runner: Runner) -> None:
    notes = Notes()
    batcher, caller = a_batcher(runner, seconds=3.0, timeout=60.0, notes=notes), Caller()
    for value in range(4):
        submit(batcher, caller, value)
    await until(lambda: batcher.depth == 3)
    with pytest.raises(RequestError, match="would take about 15 s") as refusal:
        submit(batcher, caller, 4, timeout=10.0)
    assert (refusal.value.kind, refusal.value.retry_after) == (Kind.OVERLOADED, 9)
    assert notes.reasons == ["Late"]
    submit(batcher, caller, 5, timeout=20.0)
    await asyncio.sleep(0)
    submit(batcher, caller, 6, timeout=10.0, priority=1)


async def test_what_came_in_the_same_turn_is_part_of_the_wait(runner: Runner) -> None:
    batcher = a_batcher(runner, seconds=1.0, timeout=60.0)
    for value in range(10):
        submit(batcher, Caller(), value)
    with pytest.raises(RequestError, match="would take about 11 s"):
        submit(batcher, Caller(), 10, timeout=10.0)


async def test_what_lies_between_two_runs_is_part_of_the_wait(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, between = 2e-3, 8e-3
    notes, caller = Notes(), Caller()

    def short(feed: Feed, outputs: Sequence[str]) -> list[Any]:
        time.sleep(run)
        return []

    monkeypatch.setattr(runner, "run", short)
    batcher = a_batcher(runner, seconds=run, notes=notes, max_queue=1000, timeout=100 * run)
    monkeypatch.setattr(Places, "take", lambda places, number: time.sleep(between))
    for _ in range(14):
        for number in range(5):  # few, so that none expires where threads begin late
            submit(batcher, caller, number)
        await until(lambda: not batcher.in_flight)
    notes.reasons.clear()

    for number in range(100):
        with suppress(RequestError):
            submit(batcher, caller, number)

    assert set(notes.reasons) == {"Late"}
    assert 20 < batcher.in_flight < 60  # 75 would fit if one run followed the other at once


async def test_while_many_wait_the_loop_takes_its_time(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, seconds=0.1), Caller()
    jobs = [submit(batcher, caller, number) for number in range(9)]

    assert await turns_in(0.05) <= 50
    for job in jobs:
        batcher.cancel(job)
    await turns_in(0.01)
    assert await turns_in(0.05) > 100


async def turns_in(seconds: float) -> int:
    """Count the turns of the event loop."""
    ends, turns = time.perf_counter() + seconds, 0
    while time.perf_counter() < ends:
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_an_estimate_that_was_wrong_keeps_nobody_out(runner: Runner) -> None:
    runner.gate.release(100)
    batcher, caller = a_batcher(runner, seconds=1000.0), Caller()
    submit(batcher, caller, 1)
    await until(lambda: caller.outcomes)
    assert caller.kinds == [None]


async def test_what_waits_too_long_is_answered_and_never_run(runner: Runner) -> None:
    notes = Notes()
    batcher, caller = a_batcher(runner, timeout=0.05, seconds=0.001, notes=notes), Caller()
    submit(batcher, caller, 1)
    submit(batcher, caller, 2)
    await until(lambda: len(caller.outcomes) == 2)
    assert caller.kinds == [Kind.EXPIRED, Kind.EXPIRED]
    assert notes.reasons == ["Expired", "Expired"]
    runner.gate.release(2)
    await asyncio.sleep(0.05)
    assert runner.begun == [[1]]
    assert len(caller.outcomes) == 2
    assert (batcher.in_flight, batcher.depth) == (0, 0)


async def test_a_request_may_have_less_time_than_the_server_gives_but_not_more(
    runner: Runner,
) -> None:
    batcher, short, long = a_batcher(runner, timeout=0.1, seconds=1e-3), Caller(), Caller()
    submit(batcher, short, 1, timeout=0.03)
    submit(batcher, long, 2, timeout=100.0)
    await until(lambda: short.outcomes)
    assert long.outcomes == []
    await until(lambda: long.outcomes)
    assert [str(caller.outcomes[0]) for caller in (short, long)] == [
        f"no answer within {seconds} s, which is the time that the request has"
        for seconds in ("0.03", "0.1")
    ]


async def test_what_could_only_come_too_late_is_not_begun(runner: Runner) -> None:
    batcher, caller = a_batcher(runner, seconds=0.2), Caller()
    submit(batcher, caller, 1)
    await until(lambda: runner.begun)
    submit(batcher, caller, 2, timeout=0.3)
    await asyncio.sleep(0.15)
    runner.gate.release()
    await until(lambda: len(caller.outcomes) == 2)
    assert runner.begun == [[1]]
    assert caller.kinds == [None, Kind.EXPIRED]


@pytest.mark.parametrize("seconds", [QUICK, 1.0], ids=["loop", "worker"])
async def test_what_was_cancelled_is_neither_run_nor_answered(
    runner: Runner, seconds: float
) -> None:
    notes = Notes()
    batcher, caller = a_batcher(runner, MOST, seconds, notes), Caller()
    jobs = [submit(batcher, caller, value) for value in (1, 2, 3)]
    batcher.cancel(jobs[1])
    batcher.cancel(jobs[1])
    runner.gate.release(100)
    await until(lambda: len(caller.outcomes) == 2)
    assert runner.begun == [[1, 3]]
    assert notes.reasons == ["Cancelled"]
    assert (batcher.depth, batcher.in_flight) == (0, 0)


async def test_a_cancelled_job_makes_room_for_another(runner: Runner) -> None:
    batcher = a_batcher(runner, max_queue=1)
    submit(batcher, Caller(), 1)
    await until(lambda: runner.begun)
    job = submit(batcher, Caller(), 2)
    await asyncio.sleep(0)
    batcher.cancel(job)
    assert submit(batcher, Caller(), 3)


async def test_how_long_the_oldest_has_waited_is_told(runner: Runner) -> None:
    batcher = a_batcher(runner)
    assert batcher.oldest_seconds == 0.0
    submit(batcher, Caller(), 1)
    submit(batcher, Caller(), 2)
    await until(lambda: runner.begun)
    await asyncio.sleep(0.02)
    assert 0.02 <= batcher.oldest_seconds < 10


# The end.


async def test_a_server_whose_workers_all_hang_is_wedged(runner: Runner) -> None:
    batcher = a_batcher(runner, workers=2, timeout=0.01)
    await begun(batcher, runner, 1)
    await asyncio.sleep(0.1)
    assert not batcher.wedged(0.05)
    await begun(batcher, runner, 2)
    await until(lambda: batcher.wedged(0.05))
    assert not batcher.wedged(60.0)
    runner.gate.release(2)
    await until(lambda: not batcher.wedged(0.05))


async def begun(batcher: Batcher, runner: Runner, runs: int) -> None:
    """Ask until so many runs have begun: a job whose time is short may be over before."""
    while len(runner.begun) < runs:
        submit(batcher, Caller(), runs)
        await asyncio.sleep(0.01)


async def test_workers_end_when_told(runner: Runner) -> None:
    others = set(threading.enumerate())
    batcher = a_batcher(runner, workers=4)
    workers = set(threading.enumerate()) - others
    assert len(workers) == 4
    batcher.close()
    await until(lambda: not any(worker.is_alive() for worker in workers))


# Whatever happens.

ASKED = st.tuples(
    st.integers(1, 6),  # rows
    st.integers(1, 2),  # width
    st.integers(0, 3),  # priority
    st.booleans(),  # poisoned
    st.booleans(),  # cancelled
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    asked=st.lists(st.lists(ASKED, max_size=5), max_size=5),
    workers=st.integers(1, 3),
    seconds=st.sampled_from([QUICK, 1e-3]),
)
def test_each_job_gets_its_own_answer_exactly_once(
    asked: list[list[tuple[int, int, int, bool, bool]]], workers: int, seconds: float
) -> None:
    asyncio.run(_each_its_own(asked, workers, seconds))


async def _each_its_own(
    asked: list[list[tuple[int, int, int, bool, bool]]], workers: int, seconds: float
) -> None:
    runner, numbers, expected = Runner(), count(), []
    runner.gate.release(10_000)
    batcher = a_batcher(runner, MOST, seconds, workers=workers)
    for turn in asked:
        for rows, width, priority, poisoned, cancelled in turn:
            caller, value = Caller(), POISON if poisoned else float(1000 + next(numbers))
            feed = x(*[value] * rows, width=width)
            job = batcher.submit(feed, ("y",), caller.done, priority)
            if cancelled:
                batcher.cancel(job)
            expected.append((caller, cancelled, None if poisoned else feed["x"].tolist()))
        await asyncio.sleep(0)
    await until(lambda: batcher.in_flight == 0)
    batcher.close()
    for caller, cancelled, answer in expected:
        assert caller.answers == ([] if cancelled else [answer])
    for values, shape in zip(runner.begun, runner.shapes, strict=True):
        assert shape[0] <= MOST or len(set(values)) == 1
    assert (batcher.depth, batcher.in_flight_rows) == (0, 0)
