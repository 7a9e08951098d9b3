"""Runs a suite: data set by data set, so that only one of them is held at a time."""

from asyncio import to_thread
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from slipway_runtime import checks, logs
from slipway_runtime.checks import AnyCheck, Dataset, Verification
from slipway_runtime.tensors import Array
from slipway_runtime.verification import datasets
from slipway_runtime.verification.asking import Asker
from slipway_runtime.verification.columns import Table
from slipway_runtime.verification.examination import Examination, Scope
from slipway_runtime.verification.report import Reporter
from slipway_runtime.verification.subject import Subject

START_ROWS = 32
START_SECONDS = 30.0
"""How much longer a pod's start may take; a slow model is asked fewer rows, at least two."""
FULL_SECONDS = 600.0
"""Beside what Performance checks take. A data set that takes longer is never Passed."""

PROBE_ROWS, PROBE_BYTES = 1000, 8 << 20
"""What the continuous probe rotates through, of each data set."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows of an Expected check that are asked again and again."""

    check: checks.Expected
    table: Table
    right: Array | None
    """Which of the first ones were right; None where all have to be."""


@dataclass(slots=True)
class Suites:
    """The suites of one model. ``now`` is the clock of the event loop."""

    wanted: Verification
    subject: Subject
    now: Callable[[], float]

    async def start(self, told: Reporter) -> tuple[bool, list[Kept]]:
        """Ask the first rows for what every pod has to prove; read every data set to its end.

        Returns:
            Whether that was all there is to ask; and what a probe needs.

        Raises:
            Fault: DatasetMissing or DatasetInvalid.
        """
        complete, kept = True, []
        datasets.check_there(self.wanted.datasets)
        for dataset, asked in self._datasets():
            table = await to_thread(self._read, dataset, asked)
            some = [check for check in asked if check.at_start]
            head = await to_thread(table.head, self._start_rows)
            examination = Examination(self.subject, head, self._start_scope(some), some)
            for check in some:
                told(check, await examination.verdict(check))
            complete &= some == asked and table.rows == head.rows and examination.whole
            kept += self._kept(table, some, examination.right)
        return complete, kept

    @property
    def _start_rows(self) -> int:
        """Round to what requests of the model have."""
        size = self.subject.alone.size
        return max(1, START_ROWS // size) * size

    def _start_scope(self, asked: list[AnyCheck]) -> Scope:
        """Share the time among the data sets, and leave some for asking rows again, together.

        Rows that were answered alone are answered together, however long that takes: no longer,
        about, for each size. Two rows are asked of the slowest model, or nothing could be mixed up.
        """
        sizes = [len(each.sizes) for each in asked if isinstance(each, checks.BatchInvariance)]
        seconds = START_SECONDS / len(self.wanted.datasets) / (1 + sum(sizes))
        endpoint = self.subject.endpoint
        plain = Asker(endpoint, self.now, self.now() + seconds, least=2)
        return Scope(plain, Asker(endpoint, self.now), self.subject.alone, whole=False)

    async def full(self, told: Reporter) -> None:
        """Ask all rows for everything."""
        until = self.now() + FULL_SECONDS
        for dataset, asked in self._datasets():
            table = await to_thread(self._read, dataset, asked)
            asker = Asker(self.subject.endpoint, self.now, until)
            scope = Scope(asker, asker, self.subject.quickly, whole=True)
            examination = Examination(self.subject, table, scope, asked)
            for check in asked:
                told(check, await examination.verdict(check))

    def _datasets(self) -> Iterator[tuple[Dataset, list[AnyCheck]]]:
        for dataset in self.wanted.datasets:
            yield dataset, [check for check in self.wanted.checks if check.dataset == dataset.name]

    def _read(self, dataset: Dataset, asked: list[AnyCheck]) -> Table:
        table = datasets.read(dataset, self.subject.signature)
        datasets.check_columns(dataset, table, [*_needed(self.subject, asked)])
        logs.info("data set read", dataset=dataset.name, rows=table.rows)
        return table

    def _kept(self, table: Table, asked: list[AnyCheck], right: dict[str, Array]) -> list[Kept]:
        expected = [check for check in asked if isinstance(check, checks.Expected)]
        if self.wanted.continuous is None or not expected:
            return []
        head = table.head(_probe_rows(table))
        return [
            Kept(check, head, right.get(check.name) if check.forgiving else None)
            for check in expected
        ]


def _needed(subject: Subject, asked: list[AnyCheck]) -> Iterator[tuple[AnyCheck, str]]:
    """List the columns that checks compare answers with."""
    for check in asked:
        if isinstance(check, checks.Metric):
            yield check, check.label
            if check.slices is not None:
                yield check, check.slices.column
        elif isinstance(check, checks.Expected):
            name = subject.output(check.output)
            if name:
                yield check, name


def _probe_rows(table: Table) -> int:
    """Bound what is held for as long as the pod lives."""
    return max(1, min(PROBE_ROWS, table.rows * PROBE_BYTES // max(1, table.nbytes)))
