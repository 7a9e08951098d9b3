"""Asks a model what one data set's checks need to know, and has them judged."""

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from slipway_runtime import checks, logs
from slipway_runtime.tensors import Array
from slipway_runtime.verification import (
    batch_invariance,
    expected,
    load,
    metamorphic,
    metric,
    output,
    performance,
    wire,
)
from slipway_runtime.verification.asking import Answers, Asker, Manner, Refused, Unknown
from slipway_runtime.verification.columns import Column, Table, taken
from slipway_runtime.verification.subject import Subject
from slipway_runtime.verification.verdicts import Outcome, Verdict, failed, inconclusive

AT_ONCE = 16
"""Requests that try to get into each other's way."""
MOST_LOAD_ROWS = 256


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is to be found out.

    ``plain`` asks for the answers to all rows, in this ``manner``, and ``further`` for what single
    checks need beside. ``whole`` is whether every row has to be answered.
    """

    plain: Asker
    further: Asker
    manner: Manner
    whole: bool


class Examination:
    """One data set's checks. The plain answers are asked for once, for all of them."""

    def __init__(
        self, subject: Subject, table: Table, scope: Scope, asked: Sequence[checks.AnyCheck]
    ) -> None:
        self._subject = subject
        self._wanted = _outputs(subject, asked)
        self._table = table
        self._scope = scope
        self._plain: Answers | Refused | Unknown | None = None
        self.right: dict[str, Array] = {}
        """Which rows are right, by the names of Expected checks."""

    async def verdict(self, check: checks.AnyCheck) -> Verdict:
        """Find out how a check comes out. Whatever goes wrong on the way, it does not pass."""
        try:
            verdict = await self._verdict(check)
        except Refused as problem:
            return failed(str(problem))
        except Unknown as problem:
            return inconclusive(str(problem))
        except Exception as defect:
            logs.crash("a check failed", defect, check=check.name)
            return inconclusive(f"the runtime failed: {type(defect).__name__}: {defect}")
        return verdict if isinstance(check, checks.Performance) else self._bounded(verdict)

    def _bounded(self, verdict: Verdict) -> Verdict:
        """Pass nothing of which rows are missing that had to be asked."""
        if not self._scope.whole or not isinstance(self._plain, Answers) or self.whole:
            return verdict
        said = f"time ran out after {self._plain.rows} of {self._table.rows} rows"
        return verdict.capped(Outcome.INCONCLUSIVE, said)

    async def _verdict(self, check: checks.AnyCheck) -> Verdict:
        match check:
            case checks.Performance():
                return await self._performance(check)
            case checks.BatchInvariance():
                return await self._batch_invariance(check)
            case checks.Metamorphic():
                return await self._metamorphic(check)
            case checks.Expected():
                name, got = await self._output(check.output)
                column = self._column(name, len(got))
                found = await to_thread(expected.judge, check, name, got, column)
                self.right[check.name] = found.right
                return found.verdict
            case checks.Output():
                return await to_thread(output.judge, check, *await self._output(check.output))
            case checks.Metric():
                name, got = await self._output(check.output)
                rows = len(got)
                by = self._column(check.slices.column, rows) if check.slices is not None else None
                label = self._column(check.label, rows)
                return await to_thread(metric.judge, check, name, got, label, by)

    @property
    def whole(self) -> bool:
        """Whether every row has its plain answer."""
        return isinstance(self._plain, Answers) and self._plain.rows == self._table.rows

    # What is asked.

    async def _answers(self) -> Answers:
        """Ask for the plain answers, once."""
        if not self._table.inputs:
            raise Refused(_no_input(self._subject, self._table))
        if self._plain is None:
            try:
                self._plain = await self._scope.plain.ask(
                    self._table.inputs, self._wanted, self._scope.manner
                )
            except (Refused, Unknown) as problem:
                self._plain = problem
        if not isinstance(self._plain, Answers):
            raise self._plain
        if not self._plain.rows:
            raise Unknown("time ran out before any row was answered")
        return self._plain

    async def _output(self, named: str | None) -> tuple[str, Array]:
        """Find the output that a check is about, and the answers there."""
        name = self._subject.output(named)
        if name is None:
            raise _no_output(self._subject, named)
        answers = await self._answers()
        if name in answers.unfit:
            raise Unknown(answers.unfit[name])
        return name, answers.outputs[name]

    def _column(self, name: str, rows: int) -> Array:
        return self._table.columns[name][:rows]

    def _inputs(self, rows: int) -> dict[str, Column]:
        return taken(self._table.inputs, slice(0, rows))

    # Checks that ask for more than the plain answers.

    async def _batch_invariance(self, check: checks.BatchInvariance) -> Verdict:
        fixed = self._subject.fixed
        if fixed and set(check.sizes) != {fixed}:
            raise Unknown(f"the model takes requests of {fixed} rows only: set sizes to [{fixed}]")
        plain = await self._answers()
        inputs = self._inputs(plain.rows)
        if self._scope.manner != self._subject.alone:
            plain = await self._complete(inputs, self._subject.alone)
        if plain.rows < 2:
            raise Unknown("one row has no others to be mixed up with")
        if plain.unfit:
            raise Unknown("; ".join(plain.unfit.values()))
        together = {
            size: (await self._complete(inputs, Manner(size, AT_ONCE))).outputs
            for size in check.sizes
        }
        return await to_thread(batch_invariance.judge, check, plain.outputs, together)

    async def _metamorphic(self, check: checks.Metamorphic) -> Verdict:
        name, before = await self._output(check.output)
        inputs = metamorphic.changed(check, self._inputs(len(before)))
        if inputs is None:
            raise Unknown(f"{check.transform} changes floats, and no input has any")
        manner = self._scope.manner
        if check.transform == "Permutation":
            manner = Manner(self._subject.fixed or metamorphic.PERMUTED_ROWS)
        after = await self._complete(inputs, manner)
        if name in after.unfit:
            raise Unknown(after.unfit[name])
        return await to_thread(metamorphic.judge, check, name, before, after.outputs[name])

    async def _complete(self, inputs: Mapping[str, Column], manner: Manner) -> Answers:
        """Ask for what has no use unless it is whole."""
        answers = await self._scope.further.ask(inputs, self._wanted, manner)
        rows = len(next(iter(inputs.values())).values)
        if answers.rows < rows:
            raise Unknown(f"time ran out after {answers.rows} of {rows} rows")
        return answers

    async def _performance(self, check: checks.Performance) -> Verdict:
        size = self._subject.alone.size
        starts = range(0, min(self._table.rows, MOST_LOAD_ROWS * size), size)
        slices = [slice(start, start + size) for start in starts]
        take = partial(_request, self._table.inputs, self._wanted)
        measured = await load.measure(self._subject.endpoint, list(map(take, slices)), check)
        return replace(performance.judge(check, measured), rows=len(slices) * size)


def _request(inputs: Mapping[str, Column], outputs: Sequence[str], rows: slice) -> wire.Request:
    return wire.request(taken(inputs, rows), outputs)


def _outputs(subject: Subject, asked: Sequence[checks.AnyCheck]) -> tuple[str, ...]:
    """Choose the outputs that checks look at; none stands for all of them."""
    if any(isinstance(check, checks.BatchInvariance) for check in asked):
        return ()
    named = {getattr(check, "output", None) for check in asked}
    return tuple(name for name in subject.signature.outputs if name in named)


def _no_input(subject: Subject, table: Table) -> str:
    has, takes = ", ".join(table.columns), ", ".join(map(str, subject.signature.inputs.values()))
    return f"data set {table.name!r} has {has}, none of which the model takes: {takes or 'nothing'}"


def _no_output(subject: Subject, named: str | None) -> Refused | Unknown:
    listed = ", ".join(subject.signature.outputs)
    if named is None:
        return Unknown(f"the check names no output, and the model has {listed}")
    return Refused(f"the model has no output {named!r}; it gives {listed}")
