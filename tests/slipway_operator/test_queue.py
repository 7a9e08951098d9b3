import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from slipway_operator.metrics import Metrics
from slipway_operator.ports import ApiError, Ref
from slipway_operator.queue import Queue
from support.waiting import until

A, B = Ref("ns", "a"), Ref("ns", "b")
Work = Callable[[Ref], Awaitable[timedelta | None]]


@asynccontextmanager
async def working(work: Work, workers: int = 4) -> AsyncIterator[Queue]:
    queue = Queue(work, Metrics())
    task = asyncio.create_task(queue.run(workers))
    try:
        yield queue
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_many_rings_before_a_pass_are_one_pass() -> None:
    passes: list[Ref] = []

    async def work(ref: Ref) -> None:
        passes.append(ref)

    async with working(work) as queue:
        for _ in range(100):
            queue.add(A)
        await asyncio.sleep(0.02)
    assert passes == [A]


async def test_passes_that_wait_for_nothing_let_others_have_their_turn() -> None:
    passes = 0

    async def work(_: Ref) -> None:
        nonlocal passes
        passes += 1

    async with working(work, workers=2) as queue:
        for number in range(1000):
            queue.add(Ref("ns", str(number)))
        await asyncio.sleep(0)
        for turn in range(10):
            assert passes <= 2 * (turn + 1)
            await asyncio.sleep(0)
    assert passes > 0


async def test_a_ring_during_a_pass_is_never_lost_and_never_runs_beside_it() -> None:
    running, most, passes = 0, 0, 0

    async def work(_: Ref) -> None:
        nonlocal running, most, passes
        running, passes = running + 1, passes + 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    async with working(work) as queue:
        queue.add(A)
        await asyncio.sleep(0.01)
        queue.add(A)
        await asyncio.sleep(0.06)
    assert (most, passes) == (1, 2)


async def test_a_slow_object_does_not_hold_up_another() -> None:
    done: list[Ref] = []

    async def work(ref: Ref) -> None:
        if ref == A:
            await asyncio.sleep(10)
        done.append(ref)

    async with working(work) as queue:
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(0.02)
    assert done == [B]


async def test_a_failed_pass_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tries = 0

    async def work(_: Ref) -> None:
        nonlocal tries
        tries += 1
        if tries < 2:
            raise ConnectionError("the API server is away")

    with caplog.at_level(logging.ERROR):
        async with working(work) as queue:
            queue.add(A)
            await asyncio.sleep(0.3)
    assert tries == 2
    assert "ns/a: the pass failed; again in 0.2 s" in caplog.text


async def test_the_work_says_when_it_wants_the_next_pass() -> None:
    passes = 0

    async def work(_: Ref) -> timedelta | None:
        nonlocal passes
        passes += 1
        return timedelta(milliseconds=20) if passes < 3 else None

    async with working(work) as queue:
        queue.add(A)
        await asyncio.sleep(0.2)
    assert passes == 3


async def test_news_does_not_wait_for_a_timer() -> None:
    passes = 0

    async def work(_: Ref) -> timedelta:
        nonlocal passes
        passes += 1
        return timedelta(hours=1)

    async with working(work) as queue:
        queue.add(A)
        await asyncio.sleep(0.02)
        queue.add(A)
        await asyncio.sleep(0.02)
    assert passes == 2


async def test_the_wait_doubles_while_passes_fail_and_starts_anew_after_one_that_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcomes = iter([False, False, True, False])

    async def work(_: Ref) -> timedelta | None:
        if next(outcomes, True):
            return timedelta()
        raise ApiError(0, "away")

    async with working(work) as queue:
        queue.add(A)
        await asyncio.sleep(1)
    waits = [r.getMessage().rpartition("again in ")[2] for r in caplog.records]
    assert waits == ["0.2 s", "0.4 s", "0.2 s"]


async def test_a_pass_that_hangs_is_ended_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway_operator.queue.PASS_TIMEOUT", 0.02)
    tries = 0

    async def work(_: Ref) -> None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(10 if tries == 1 else 0)

    async with working(work) as queue:
        queue.add(A)
        await asyncio.sleep(0.4)
    assert tries == 2


async def test_a_later_wish_does_not_put_off_an_earlier_one() -> None:
    passes = 0

    async def work(_: Ref) -> None:
        nonlocal passes
        passes += 1

    async with working(work) as queue:
        queue.add_after(A, 0.01)
        queue.add_after(A, 3600)
        await asyncio.sleep(0.05)
    assert passes == 1


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (ApiError(500, "etcd is slow"), "5.0 s"),
        (ApiError(0, "away"), "5.0 s"),
        (ApiError(429, "too much", retry_after=7.0), "7.0 s"),
        (ApiError(404, "no such thing"), "100.0 s"),
    ],
    ids=str,
)
async def test_who_waits_for_the_api_server_does_not_wait_long_but_as_long_as_it_asks(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: ApiError,
    wait: str,
) -> None:
    monkeypatch.setattr("slipway_operator.queue.FIRST_RETRY", 100.0)

    async def work(_: Ref) -> None:
        raise error

    async with working(work) as queue:
        queue.add(A)
        await until(lambda: caplog.records)
    assert caplog.records[0].getMessage().endswith(f"again in {wait}")


async def test_a_queue_that_does_not_get_on_says_which_object_it_is_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slipway_operator.queue.STUCK_SECONDS", 0.01)

    async def work(_: Ref) -> None:
        await asyncio.sleep(10)

    async with working(work, workers=1) as queue:
        assert queue.stuck() is None
        queue.add(A)
        await until(lambda: queue.stuck() == "a pass runs since 0 s: ns/a")
    async with working(work, workers=0) as queue:
        queue.add(B)
        await until(lambda: queue.stuck() == "no pass ends since 0 s: ns/b")


async def test_a_long_queue_that_gets_on_is_not_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway_operator.queue.STUCK_SECONDS", 0.1)
    ended = list[Ref]()

    async def work(ref: Ref) -> None:
        await asyncio.sleep(0.01)
        ended.append(ref)

    async with working(work, workers=1) as queue:
        for number in range(50):
            queue.add(Ref("ns", f"m{number}"))
        while len(ended) < 50:
            assert queue.stuck() is None
            await asyncio.sleep(0.01)


async def test_passes_are_counted_by_how_they_end() -> None:
    metrics, outcomes = Metrics(), iter([None, timedelta(), ApiError(0, "away")])

    async def work(_: Ref) -> timedelta | None:
        outcome = next(outcomes, None)
        if isinstance(outcome, ApiError):
            raise outcome
        return outcome

    queue = Queue(work, metrics)
    task = asyncio.create_task(queue.run(1))

    def passes(result: str) -> float | None:
        labels = {"controller": "modeldeployment", "result": result}
        return metrics.registry.get_sample_value("controller_runtime_reconcile_total", labels)

    queue.add(A)
    await until(lambda: passes("success") == 1)
    queue.add(A)
    await until(lambda: passes("requeue_after") == 1 and passes("error") == 1)
    await until(lambda: passes("success") == 2)
    task.cancel()
    applied = "slipway_operator_event_to_applied_seconds_count"
    assert metrics.registry.get_sample_value(applied) == 2
