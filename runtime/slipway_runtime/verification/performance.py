"""The check Performance: fast enough, for so many callers at a time. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from slipway_runtime import checks
from slipway_runtime.verification.verdicts import Outcome, Verdict, inconclusive

ENOUGH = 100
"""Requests, of which the 99th percentile is one."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured: seconds of each answered request, and of all; how many had no answer."""

    latencies: Sequence[float]
    seconds: float
    unanswered: int
    memory_bytes: int

    @property
    def p99(self) -> float:
        """The 99th percentile of the answered requests, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[ceil(0.99 * len(ordered)) - 1]

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds


def judge(check: checks.Performance, load: Load) -> Verdict:
    """Compare what was measured with what is demanded."""
    count = len(load.latencies)
    if not count:
        return inconclusive(f"no request was answered, {load.unanswered} were not")
    problems = list(_problems(check, load))
    outcome = Outcome.FAILED if problems else Outcome.PASSED
    if not problems and count < ENOUGH and check.max_p99_seconds is not None:
        outcome = Outcome.INCONCLUSIVE
        problems = [f"{count} answers are too few for a 99th percentile, {ENOUGH} are needed"]
    measured = (
        f"{count} answers in {load.seconds:.3g} s by {check.concurrency} at a time: p99 "
        f"{load.p99 * 1e3:.3g} ms, {load.throughput:.4g} a second, {load.memory_bytes >> 20} MiB"
    )
    return Verdict(outcome, "; ".join([*problems, measured]), value=_value(check, load))


def _problems(check: checks.Performance, load: Load) -> Iterator[str]:
    if load.unanswered:
        yield f"{load.unanswered} requests were not answered"
    most, least, memory = check.max_p99_seconds, check.min_throughput, check.max_memory_bytes
    if most is not None and load.p99 > most:
        yield f"p99 is {load.p99 * 1e3:.3g} ms, at most {most * 1e3:g} ms is demanded"
    if least is not None and load.throughput < least:
        yield f"{load.throughput:.4g} answers a second, at least {least:g} is demanded"
    if memory is not None and load.memory_bytes > memory:
        yield f"the process has {load.memory_bytes >> 20} MiB, at most {memory >> 20} is demanded"


def _value(check: checks.Performance, load: Load) -> float:
    if check.max_p99_seconds is not None:
        return load.p99
    return load.throughput if check.min_throughput is not None else float(load.memory_bytes)
