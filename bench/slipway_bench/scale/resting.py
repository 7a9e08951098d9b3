"""What an operator costs that does nothing, one that is started anew, and whether it grows."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

from slipway_bench.scale import fleet
from slipway_bench.scale.access import paced
from slipway_bench.scale.audit import tally
from slipway_bench.scale.figures import MIB, shares, slope
from slipway_bench.scale.lab import Lab, Use
from slipway_bench.table import Row, Target

SYNC_SECONDS, IDLE_PERCENT, MEMORY_MIB, GROWTH_PERCENT = 30.0, 2.0, 200.0, 2.0
POLL_SECONDS = 0.25
WINDOWS = 10
SAMPLE_SECONDS = 5.0
SETTLING = 1 / 6
"""Share of the time in which memory may grow."""


async def restarted(lab: Lab, times: int) -> AsyncIterator[Row]:
    """Start the operator anew over what there is, and count what it writes."""
    took, cpu, peaks, writes = [], [], [], 0
    for _ in range(times):
        lab.log.new()
        subject = lab.start()
        await _in_sync(lab)
        took.append(time.monotonic() - subject.begun)
        cpu.append(subject.cpu_seconds())
        writes += tally(await lab.quiet()).total()
        peaks.append(subject.peak_bytes() / MIB)
    yield Row(f"{lab.size}: from start to in sync", "s", took, Target(SYNC_SECONDS))
    yield Row(f"{lab.size}: operator's CPU for it", "s", cpu)
    yield Row(f"{lab.size}: writes after a start", "", [writes], Target(0))
    yield Row(f"{lab.size}: most memory after a start", "MiB", peaks, Target(MEMORY_MIB))


async def _in_sync(lab: Lab) -> None:
    """Wait until there was a pass over every object, and none waits."""
    while True:
        passes, waiting = lab.subject.passes()
        if passes >= lab.size and not waiting:
            return
        await asyncio.sleep(POLL_SECONDS)


async def idle(lab: Lab, seconds: float) -> AsyncIterator[Row]:
    """Leave it alone."""
    await lab.quiet()
    used, memory, whole = [], [], Use(lab)
    for _ in range(WINDOWS):
        before = lab.subject.cpu_seconds()
        await asyncio.sleep(seconds / WINDOWS)
        used.append((lab.subject.cpu_seconds() - before) / (seconds / WINDOWS) * 100)
        memory.append(lab.subject.memory_bytes() / MIB)
    share = whole.cpu()["operator"] / whole.seconds * 100
    writes = tally(lab.log.new())
    name = f"{lab.size}: idle for {seconds:g} s"
    others = shares(whole.cpu(), whole.seconds, os.cpu_count() or 1)
    low, high = min(used), max(used)
    yield Row(
        f"{lab.size}: idle, CPU of one core", "%", [share], Target(IDLE_PERCENT),
        f"{seconds:g} s; tenths of it: {low:.2g} to {high:.2g}; of the machine: {others}",
    )  # fmt: skip
    yield Row(f"{name}: writes", "", [writes.total()], Target(0))
    yield Row(f"{lab.size}: idle, memory", "MiB", memory, Target(MEMORY_MIB))


async def churned(lab: Lab, rate: float, minutes: float) -> AsyncIterator[Row]:
    """Change, remove and make so many a second, and watch the memory."""
    memory: list[tuple[float, float]] = []
    watch = asyncio.create_task(_watch(lab, memory))
    await paced(rate, (_churn(lab, n) for n in range(int(minutes * 60 * rate))))
    watch.cancel()
    await lab.quiet()
    settled = memory[int(len(memory) * SETTLING) :]
    growth = (max(value for _, value in settled) / settled[0][1] - 1) * 100
    name = f"{lab.size}: churn, {rate:g}/s for {minutes:g} min"
    yield Row(f"{name}: memory", "MiB", [value for _, value in memory], Target(MEMORY_MIB))
    yield Row(f"{name}: growth after a sixth of the time", "%", [growth], Target(GROWTH_PERCENT))
    yield Row(f"{name}: slope after a sixth of the time", "MiB/h", [slope(settled) * 3600])


async def _watch(lab: Lab, memory: list[tuple[float, float]]) -> None:
    while True:
        memory.append((time.monotonic(), lab.subject.memory_bytes() / MIB))
        await asyncio.sleep(SAMPLE_SECONDS)


def _churn(lab: Lab, number: int) -> fleet.Work:
    """One model is scaled, another revised, a third one removed and made again."""
    turn, victim = divmod(number * 7, lab.size)
    match number % 5:
        case 0:
            return fleet.replace(lab.client, victim)
        case 1:
            return fleet.revise(lab.client, victim, turn + 2)
        case _:
            return fleet.scale(lab.client, victim, 1 + turn % 2)
