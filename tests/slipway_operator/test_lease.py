import asyncio

import pytest

from slipway_operator import lease as leases
from slipway_operator.lease import DURATION_SECONDS, WRITE_SECONDS, Lease, LostError
from support.leases import LeaseServer, Time
from support.waiting import until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.001)
    monkeypatch.setattr(leases, "RETRY_SECONDS", 0.001)


async def is_refused(lease: Lease) -> None:
    """Let an operator ask for the lease a few times, in vain."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await lease.acquire()
    assert not lease.held


async def test_the_first_operator_leads_and_the_second_waits() -> None:
    server = LeaseServer()
    first = server.operator("a", Time())
    await first.acquire()
    assert first.held
    await is_refused(server.operator("b", Time()))
    assert server.holder == "a"


async def test_a_lease_that_is_not_renewed_is_taken_after_its_duration_and_not_before() -> None:
    server, time = LeaseServer(), Time()
    await server.operator("a", Time()).acquire()
    second = server.operator("b", time)
    await is_refused(second)
    time.now += DURATION_SECONDS
    await is_refused(second)
    time.now += 0.1
    await second.acquire()
    assert server.holder == "b"
    assert server.record is not None
    assert server.record["spec"]["leaseTransitions"] == 1


async def test_a_lease_that_is_renewed_is_never_taken() -> None:
    server, time = LeaseServer(), Time()
    first, second = server.operator("a", Time()), server.operator("b", time)
    await first.acquire()
    for _ in range(3):
        await is_refused(second)
        time.now += DURATION_SECONDS - 0.1
        await first.acquire()
        await is_refused(second)


async def test_the_holder_stops_writing_before_anybody_else_may() -> None:
    server, time = LeaseServer(), Time()
    first = server.operator("a", time)
    await first.acquire()
    time.now += WRITE_SECONDS - 0.1
    held = [first.held]
    time.now += 0.2
    assert [*held, first.held] == [True, False]
    assert WRITE_SECONDS < DURATION_SECONDS


async def test_the_time_to_write_counts_from_before_the_request() -> None:
    server, time = LeaseServer(), Time()
    first = server.operator("a", time)
    sends = server.send

    async def slowly(method: str, url: str, **params: object) -> dict[str, object]:
        time.now += 3
        return await sends(method, url, **params)

    server.send = slowly  # type: ignore[method-assign]
    await first.acquire()
    time.now += WRITE_SECONDS - 5.9
    assert not first.held


async def test_an_operator_that_was_frozen_finds_that_it_lost_and_ends() -> None:
    server, frozen, time = LeaseServer(), Time(), Time()
    first, second = server.operator("a", frozen), server.operator("b", time)
    await first.acquire()
    await is_refused(second)
    time.now += 60
    await second.acquire()
    frozen.now += 60
    assert not first.held
    with pytest.raises(LostError, match="b holds the lease now"):
        await asyncio.wait_for(first.hold(), 5)
    assert server.holder == "b"


async def test_while_no_api_server_answers_nothing_is_written_and_nobody_ends() -> None:
    server, time = LeaseServer(), Time()
    lease = server.operator("a", time)
    await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    server.down = True
    time.now += 60
    await asyncio.sleep(0.02)
    assert not lease.held
    assert not holding.done()
    server.down = False
    await until(lambda: lease.held)
    holding.cancel()


async def test_an_outage_takes_the_lease_from_nobody() -> None:
    server, time = LeaseServer(), Time()
    await server.operator("a", Time()).acquire()
    second = server.operator("b", time)
    await is_refused(second)
    time.now += DURATION_SECONDS - 1
    server.down = True
    await is_refused(second)
    time.now += 60
    server.down = False
    await is_refused(second)
    time.now += 0.9
    await is_refused(second)
    time.now += 0.2
    await second.acquire()
    assert server.holder == "b", "the first was silent for as long as it may, besides the outage"


async def test_a_renewal_whose_answer_was_lost_is_no_loss() -> None:
    server = LeaseServer()
    lease = server.operator("a", Time())
    await lease.acquire()
    server.mute = True
    holding = asyncio.create_task(lease.hold())
    await until(lambda: len(server.writes) > 2)
    server.mute = False
    done = len(server.writes)
    await until(lambda: len(server.writes) > done + 2)
    assert not holding.done()
    holding.cancel()


async def test_a_released_lease_is_taken_at_once() -> None:
    server, time = LeaseServer(), Time()
    first, second = server.operator("a", Time()), server.operator("b", time)
    await first.acquire()
    await is_refused(second)
    await first.release()
    assert not first.held
    await second.acquire()
    assert server.holder == "b"


async def test_who_does_not_hold_the_lease_does_not_release_it() -> None:
    server = LeaseServer()
    await server.operator("a", Time()).acquire()
    await server.operator("b", Time()).release()
    assert server.holder == "a"


async def test_the_same_pod_started_anew_goes_on_at_once() -> None:
    server = LeaseServer()
    await server.operator("a", Time()).acquire()
    again = server.operator("a", Time())
    await again.acquire()
    assert again.held
    assert server.record is not None
    assert server.record["spec"]["leaseTransitions"] == 0


async def test_of_two_that_ask_at_the_same_time_one_gets_it() -> None:
    server, time = LeaseServer(), Time()
    both = [server.operator(name, time) for name in ("a", "b")]
    asking = [asyncio.create_task(lease.acquire()) for lease in both]
    await until(lambda: any(lease.held for lease in both))
    await asyncio.sleep(0.02)
    assert [lease.held for lease in both].count(True) == 1
    for task in asking:
        task.cancel()


async def test_a_lease_that_somebody_deleted_is_made_again() -> None:
    server = LeaseServer()
    lease = server.operator("a", Time())
    await lease.acquire()
    holding = asyncio.create_task(lease.hold())
    server.record = None
    await until(lambda: server.holder == "a")
    assert not holding.done()
    holding.cancel()
