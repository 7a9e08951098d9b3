"""How soon a change of a ModelDeployment, or damage to what it owns, is dealt with."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence

from slipway_bench.scale import fleet
from slipway_bench.scale.access import MERGE, Client, paced
from slipway_bench.scale.audit import BENCH, MODELS, STATUS, Request, delays
from slipway_bench.scale.figures import percentile, shares, windows
from slipway_bench.scale.lab import Lab, Use
from slipway_bench.table import Row, Target

P50_MS, P99_MS, REPAIR_MS = 60.0, 500.0, 1000.0
WINDOW_SECONDS = 20.0
DAMAGE_RATE = 5.0


async def scaled(lab: Lab, rate: float, seconds: float) -> AsyncIterator[Row]:
    """Give one model after the other a second replica, so many a second, and take it again."""
    count = int(rate * seconds)
    work = (fleet.scale(lab.client, n % lab.size, 2 - n // lab.size % 2) for n in range(count))
    async for row in _changes(lab, f"a change of replicas, {rate:g}/s", rate, work):
        yield row
    await asyncio.gather(*(fleet.scale(lab.client, n, 1) for n in range(min(count, lab.size))))
    await lab.quiet()


async def revised(lab: Lab, rate: float, seconds: float) -> AsyncIterator[Row]:
    """Give one model after the other a new revision, so many a second."""
    work = (fleet.revise(lab.client, n % lab.size, 2) for n in range(int(rate * seconds)))
    async for row in _changes(lab, f"a new revision, {rate:g}/s", rate, work):
        yield row


async def _changes(
    lab: Lab, what: str, rate: float, work: Iterator[fleet.Work]
) -> AsyncIterator[Row]:
    lab.log.new()
    use = Use(lab)
    await paced(rate, work)
    seconds, spent = use.seconds, use.cpu()
    seen = await lab.quiet()
    asked = [r for r in seen if r.user == BENCH and r.object.resource == MODELS]
    done = (r for r in seen if r.counts and r.wrote and r.object.resource == STATUS)
    name = f"{lab.size}: {what}"
    for row in _latencies(name, asked, delays(asked, done), (P50_MS, P99_MS)):
        yield row
    writes = sum(r.counts for r in seen)
    yield Row(
        f"{name}: operator's CPU, a change",
        "ms",
        [spent["operator"] / len(asked) * 1000],
        note=f"{writes / len(asked):.3g} writes; of the machine: "
        f"{shares(spent, seconds, os.cpu_count() or 1)}",
    )


def _latencies(
    name: str,
    asked: Sequence[Request],
    found: Sequence[float | None],
    bounds: tuple[float | None, float],
) -> Iterator[Row]:
    timed = [(a.time, f * 1000) for a, f in zip(asked, found, strict=True) if f is not None]
    parts = windows(timed, WINDOW_SECONDS)
    for percent, bound in zip((50, 99), bounds, strict=True):
        values = [percentile(each, percent) for each in parts]
        target = None if bound is None else Target(bound)
        note = f"{len(timed)} in windows of {WINDOW_SECONDS:.0f} s"
        yield Row(f"{name}: p{percent} until applied", "ms", values, target, note)
    yield Row(f"{name}: longest", "ms", [max(value for _, value in timed)])
    yield Row(f"{name}: never dealt with", "", [len(found) - len(timed)], Target(0))


async def repaired(lab: Lab, count: int) -> AsyncIterator[Row]:
    """Delete and edit children of every kind, and wait until each is what it was."""
    kinds = [(resource, edit) for resource in sorted(fleet.CHILDREN) for edit in (False, True)]
    victims = [(n % lab.size, *kinds[n % len(kinds)]) for n in range(count)]
    paths = [await fleet.child(lab.client, n, resource) for n, resource, _ in victims]
    lab.log.new()
    await paced(
        DAMAGE_RATE,
        (
            _damage(lab.client, path, resource, edit=edit)
            for path, (_, resource, edit) in zip(paths, victims, strict=True)
        ),
    )
    seen = await lab.quiet()
    asked = [r for r in seen if r.user == BENCH]
    found = delays(asked, (r for r in seen if r.counts and r.wrote))
    name = f"{lab.size}: a child deleted or edited, {DAMAGE_RATE:g}/s"
    for row in _latencies(name, asked, found, (None, REPAIR_MS)):
        yield row


def _damage(client: Client, path: str, resource: str, *, edit: bool) -> fleet.Work:
    if edit:
        return client.send("PATCH", path, fleet.EDITS[resource], MERGE)
    return client.send("DELETE", path)
