"""The verification of one server: its suites, its probe, and what is told of them."""

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any, Protocol

from slipway_runtime import logs
from slipway_runtime.checks import AnyCheck, Verification
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.verification.probe import Probe
from slipway_runtime.verification.report import Report, State, Suite
from slipway_runtime.verification.standing import Result, Standing
from slipway_runtime.verification.subject import Subject
from slipway_runtime.verification.suites import Kept, Suites
from slipway_runtime.verification.verdicts import Outcome, Verdict, inconclusive

AGAIN_SECONDS = 5.0
"""After which a data set that was not there is looked for again."""

REASONS = {
    Outcome.FAILED: Reason.VERIFICATION_FAILED,
    Outcome.INCONCLUSIVE: Reason.VERIFICATION_INCONCLUSIVE,
}
HINTS = {
    Outcome.FAILED: "Serve the model that gives the right answers, or correct the check or its "
    "data set in spec.verification. The whole report is at :8082/verification.",
    Outcome.INCONCLUSIVE: "Correct the check in spec.verification, so that it can be answered. "
    "The whole report is at :8082/verification.",
}
WRONG_HINT = (
    "Another pod answers rightly: look at this pod's node (hardware, driver, memory), and delete "
    "the pod if it stays wrong."
)


class Life(Protocol):
    """Whoever decides about this server's readiness."""

    def verified(self) -> None:
        """Let callers come."""

    def fail(self, fault: Fault) -> None:
        """Let none come, and say why."""


class Verifier:
    """To be made, and called, on the event loop."""

    def __init__(
        self, wanted: Verification, plane: DataPlane, subject: Subject, life: Life
    ) -> None:
        self._wanted = wanted
        self._plane = plane
        self._subject = subject
        self._life = life
        loop = asyncio.get_running_loop()
        self._suites = Suites(wanted, subject, loop.time)
        self._report = Report(Suite.START)
        self._probe: Probe | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin with what has to be proven before callers come."""
        self._begin(self._start())

    def close(self) -> None:
        """Stop whatever is going on."""
        for task in self._tasks:
            task.cancel()

    def full(self) -> bool | None:
        """Begin the full suite; False if it has ended already, None if it can't begin."""
        if self._report.complete:
            return False
        if self._report.suite is Suite.START:
            if not self._plane.health.ready:
                return None
            self._begin(self._full())
        return True

    def describe(self) -> dict[str, Any]:
        """Write the report of the contract."""
        return self._report.describe(self._continuous())

    def _continuous(self) -> dict[str, Any] | None:
        if self._wanted.continuous is None:
            return None
        standing = self._probe.standing if self._probe else Standing(1)
        return {
            "rounds": standing.rounds,
            "wrongInARow": standing.wrong_in_a_row,
            "wrong": standing.wrong,
            "peersRight": standing.peers_right,
        }

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Before callers come.

    async def _start(self) -> None:
        while True:
            try:
                kept = await self._run_start()
                break
            except Exception as problem:
                fault = _fault_of(problem)
                self._report = Report(Suite.START)
                if str(fault) != str(self._plane.health.fault):
                    self._life.fail(fault)
                if fault.reason is not Reason.DATASET_MISSING:
                    return
            await asyncio.sleep(AGAIN_SECONDS)
        if found := self._fault():
            self._life.fail(found)
            return
        self._life.verified()
        if self._wanted.continuous:
            me = self._plane.instance
            self._probe = Probe(self._wanted.continuous, self._subject, kept, me)
            await self._probe.run(self._probed)

    async def _run_start(self) -> list[Kept]:
        report = self._report = Report(Suite.START, State.RUNNING)
        began = perf_counter()
        complete, kept = await self._suites.start(self._told)
        self._end(report, began, complete)
        return kept

    def _fault(self) -> Fault | None:
        """Say why nobody should be sent here; None where all has passed that was asked."""
        found = self._report.worst()
        if found is None:
            return None
        check, verdict = found
        message = f"check {check.name!r} ({check.type}) has {_verb(verdict)}: {verdict.message}."
        return Fault(REASONS[verdict.outcome], message, HINTS[verdict.outcome])

    # Afterwards.

    async def _full(self) -> None:
        report = self._report = Report(Suite.FULL, State.RUNNING)
        began = perf_counter()
        try:
            await self._suites.full(self._told)
        except Exception as problem:
            verdict = inconclusive(_fault_of(problem).message)
            done = [check for check, _ in report.verdicts]
            for check in self._wanted.checks:
                if check not in done:
                    self._told(check, verdict)
        self._end(report, began, complete=True)

    def _told(self, check: AnyCheck, verdict: Verdict) -> None:
        self._report.verdicts.append((check, verdict))
        self._plane.metrics.checked(self._report.suite, verdict.outcome)

    def _end(self, report: Report, began: float, complete: bool) -> None:
        report.seconds = perf_counter() - began
        report.state, report.complete = State.DONE, complete
        logs.info(
            "verified",
            suite=report.suite,
            outcome=report.outcome,
            rows=report.rows,
            seconds=round(report.seconds, 3),
            checks={check.name: verdict.outcome for check, verdict in report.verdicts},
        )

    def _probed(self, result: Result, standing: Standing, problem: str) -> None:
        metrics = self._plane.metrics
        metrics.probed(result)
        metrics.answers_wrong = standing.wrong
        fault = None
        if standing.away:
            fault = Fault(
                Reason.ANSWERS_WRONG, f"golden rows are answered wrongly: {problem}.", WRONG_HINT
            )
        self._plane.turn_away(fault)


def _fault_of(problem: Exception) -> Fault:
    """Say what kept a suite from its end."""
    if isinstance(problem, Fault):
        return problem
    logs.crash("verification failed", problem)
    message = f"the runtime failed while it verified: {type(problem).__name__}: {problem}."
    return Fault(Reason.VERIFICATION_INCONCLUSIVE, message, "The log of the pod says more.")


def _verb(verdict: Verdict) -> str:
    return "failed" if verdict.outcome is Outcome.FAILED else "come to nothing"
