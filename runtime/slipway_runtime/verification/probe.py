"""The continuous probe: a few rows whose answers are known, again and again."""

import asyncio
from asyncio import to_thread
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from slipway_runtime import logs
from slipway_runtime.checks import Continuous
from slipway_runtime.tensors import Array
from slipway_runtime.verification import expected, peers, wire
from slipway_runtime.verification.asking import Asker, Refused, Unknown
from slipway_runtime.verification.client import Endpoint
from slipway_runtime.verification.columns import taken
from slipway_runtime.verification.standing import Result, Standing
from slipway_runtime.verification.subject import Subject
from slipway_runtime.verification.suites import Kept

Told = Callable[[Result, Standing, str], None]
"""Takes note of a round, how the pod stands after it, and what was wrong."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What the pod got wrong: the first row of it, by its number."""

    kept: Kept
    output: str
    row: int
    message: str


class Probe:
    """Asks this pod, and where it is wrong its peers. ``me`` is how this pod is named."""

    def __init__(self, wanted: Continuous, subject: Subject, kept: Sequence[Kept], me: str) -> None:
        self._wanted = wanted
        self._subject = subject
        self._me = me
        size = subject.alone.size
        rows = max(1, wanted.rows // size) * size
        self._turns = [
            (each, _rotation(every, rows)) for each in kept if len(every := _rows(each, size))
        ]
        self.standing = Standing(wanted.failure_threshold)

    async def run(self, told: Told) -> None:
        """Ask for ever."""
        while True:
            await asyncio.sleep(self._wanted.interval_seconds)
            result, wrong = await self._round()
            self.standing = self.standing.after(result)
            if wrong and self.standing.wrong:
                self.standing = self.standing.heard(await self._heard(wrong))
            told(result, self.standing, wrong.message if wrong else "")

    async def _round(self) -> tuple[Result, Wrong | None]:
        result = Result.RIGHT
        for kept, turn in self._turns:
            try:
                if wrong := await self._wrong(kept, next(turn)):
                    return Result.WRONG, wrong
            except Unknown as problem:
                logs.warning("golden rows were not answered", problem=str(problem))
                result = Result.ERROR
            except Exception as defect:
                logs.crash("golden rows were not judged", defect)
                result = Result.ERROR
        return result, None

    async def _wrong(self, kept: Kept, rows: Array) -> Wrong | None:
        """Ask some rows of a check; return the first that is wrong."""
        name = self._subject.output(kept.check.output) or ""
        inputs = taken(kept.table.inputs, rows)
        asker = Asker(self._subject.endpoint, perf_counter)
        try:
            answers = await asker.ask(inputs, [name], self._subject.alone)
        except Refused as problem:
            return Wrong(kept, name, int(rows[0]), str(problem))
        if name not in answers.outputs:
            return Wrong(kept, name, int(rows[0]), answers.unfit.get(name, f"no output {name}"))
        should = kept.table.columns[name][rows]
        found = await to_thread(expected.judge, kept.check, name, answers.outputs[name], should)
        if found.right.all():
            return None
        first = int(np.argmin(found.right))
        return Wrong(kept, name, int(rows[first]), f"{kept.check.name}: {found.verdict.message}")

    async def _heard(self, wrong: Wrong) -> bool:
        """Tell whether somebody else is right where this pod is wrong."""
        if self._wanted.peers is None:
            return False
        size = self._subject.alone.size
        rows = slice(wrong.row // size * size, wrong.row // size * size + size)
        table, check = wrong.kept.table, wrong.kept.check
        request = wire.request(taken(table.inputs, rows), [wrong.output])
        mine = self._subject.endpoint
        endpoint = Endpoint.of(self._wanted.peers, mine.model, mine.patience)
        should = table.columns[wrong.output][rows]

        def right(outputs: Mapping[str, Array]) -> bool:
            got = outputs.get(wrong.output)
            if got is None or len(got) != len(should):
                return False
            return bool(expected.judge(check, wrong.output, got, should).right.all())

        who = await peers.right_elsewhere(endpoint, self._me, request, right)
        logs.warning("this pod is wrong", problem=wrong.message, right=who)
        return who is not None


def _rows(kept: Kept, size: int) -> Array:
    """List the rows that can be asked again, as whole requests."""
    every = np.arange(kept.table.rows) if kept.right is None else np.nonzero(kept.right)[0]
    return every[: len(every) // size * size]


def _rotation(every: Array, rows: int) -> Iterator[Array]:
    """Take the next rows each time, from the first ones after the last ones."""
    at = 0
    while True:
        yield np.take(every, range(at, at + min(rows, len(every))), mode="wrap")
        at = (at + rows) % len(every)
