"""From nothing to thousands of ModelDeployments with all their children."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator

from slipway_bench.scale import fleet
from slipway_bench.scale.audit import BENCH, OPERATOR, WRITES, Request, completed, tally
from slipway_bench.scale.figures import MIB, shares, windows
from slipway_bench.scale.lab import Lab, Use
from slipway_bench.table import Row, Target
from slipway_dev.errors import Failure

RATE, LARGE, LARGE_SECONDS, MEMORY_MIB = 20.0, 5000, 240.0, 200.0
WINDOW_SECONDS = 10.0


async def measure(lab: Lab) -> AsyncIterator[Row]:
    """Make all that are not there yet, as fast as the API server takes them, and wait."""
    there = await fleet.census(lab.client)
    missing = [n for n in range(lab.size) if fleet.place(n) not in there]
    before, count = len(there), len(missing)
    use = Use(lab)
    async with asyncio.TaskGroup() as making:
        for number in missing:
            making.create_task(fleet.create(lab.client, number))
        seen = await lab.follow(AllApplied(count))
    spent = use.cpu()
    begun = min(r.time for r in seen if r.user == BENCH)
    done = completed(seen, fleet.CHILDREN)
    took = max(done.values()) - begun
    for row in _speed(lab.size, before, list(done.values()), took):
        yield row
    yield Row(
        f"{lab.size}: operator's CPU, an object, until all children are applied",
        "ms",
        [spent["operator"] / count * 1000],
        note=f"of the machine: {shares(spent, use.seconds, os.cpu_count() or 1)}",
    )
    seen += await lab.quiet()
    for row in await _settled(lab, count, use, seen):
        yield row


class AllApplied:
    """Says when every model has its Service, which is applied last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._have: set[tuple[str, str]] = set()

    def __call__(self, new: list[Request]) -> bool:
        """Take in what is new."""
        self._have |= {
            r.object.model for r in new if r.counts and r.wrote and r.object.resource == "services"
        }
        return len(self._have) >= self._size


def _speed(size: int, before: int, times: list[float], took: float) -> list[Row]:
    parts = windows([(time, 1.0) for time in times], WINDOW_SECONDS)
    counts = [len(each) / WINDOW_SECONDS for each in parts]
    note = f"windows of {WINDOW_SECONDS:.0f} s: {min(counts):.0f} to {max(counts):.0f} a second"
    least = Target(RATE, least=True)
    most = Target(LARGE_SECONDS) if (size, before) == (LARGE, 0) else None
    begin = f"from {before} on" if before else "from nothing"
    return [
        Row(f"{size}: made, all children applied", "a second", [len(times) / took], least, note),
        Row(f"{size}: {begin} to all children applied", "s", [took], most),
    ]


async def _settled(lab: Lab, count: int, use: Use, seen: list[Request]) -> list[Row]:
    ready = sum((await fleet.census(lab.client)).values())
    if ready != lab.size:
        raise Failure(f"making {lab.size}", f"{ready} are Ready, and the operator is quiet")
    last = max(r.time for r in seen if r.counts) - min(r.time for r in seen if r.user == BENCH)
    size, subject = lab.size, lab.subject
    spent, most = use.cpu()["operator"], Target(MEMORY_MIB)
    return [
        Row(f"{size}: until all are Ready, and nothing is left to write", "s", [last]),
        Row(f"{size}: operator's CPU, an object, until then", "ms", [spent / count * 1000]),
        *_requests(size, count, seen),
        Row(f"{size}: memory after that", "MiB", [subject.memory_bytes() / MIB], most),
        Row(f"{size}: most memory until then", "MiB", [subject.peak_bytes() / MIB], most),
    ]


def _requests(size: int, count: int, seen: list[Request]) -> list[Row]:
    writes = tally(seen)
    reads = Counter(r.verb for r in seen if r.user == OPERATOR and r.verb not in WRITES)
    told = ", ".join(f"{res} {verb} {n / count:.3g}" for (res, verb), n in sorted(writes.items()))
    read = ", ".join(f"{verb} {n / count:.3g}" for verb, n in sorted(reads.items()))
    return [
        Row(f"{size}: writes, an object", "", [writes.total() / count], note=told),
        Row(f"{size}: reads, an object", "", [reads.total() / count], note=read),
    ]
