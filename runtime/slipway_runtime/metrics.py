"""What is counted of one model server: plain numbers where requests pass, and nothing else.

How they are written is for ``exposition`` (Prometheus) and ``statistics`` (the protocol). All is
counted on the event loop, so nothing here locks.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import TypeVar

BOUNDS = (
    *(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds in seconds: small models answer in microseconds, large ones in seconds."""

EXACT_ROWS = 64
"""Larger runs are counted under the next power of two: callers may choose any size."""

BUSY_SECONDS = 10
"""The time over which the busy share is measured."""


class Histogram:
    """Counts durations by their size; the last count is of those beyond all bounds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def observe_all(self, durations: Sequence[float]) -> None:
        """Count several durations."""
        counts = self.counts
        for seconds in durations:
            counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += sum(durations)

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.counts)


class Runs:
    """The runs of one size."""

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0


class Traffic:
    """The inference requests that came over one protocol; ``code`` is always of HTTP."""

    __slots__ = ("_rejected", "codes", "durations", "failed_seconds", "protocol")

    def __init__(self, protocol: str, rejected: dict[str, int]) -> None:
        self.protocol = protocol
        self.codes: dict[int, int] = {200: 0}
        self.durations = Histogram()
        self.failed_seconds = 0.0
        self._rejected = rejected

    def answered(self, code: int, seconds: float) -> None:
        """Count a request and how long its answer took."""
        if code == 200:
            self.codes[200] += 1
        else:
            self.codes[code] = self.codes.get(code, 0) + 1
            self.failed_seconds += seconds
        self.durations.observe(seconds)

    def refused(self, code: int, reason: str) -> None:
        """Count a request that could not even be read."""
        _count(self._rejected, reason)
        self.codes[code] = self.codes.get(code, 0) + 1


class Metrics:
    """All numbers of one model server. Seconds are None until they are known."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.rejected: dict[str, int] = {}
        self.rest = Traffic("rest", self.rejected)
        self.grpc = Traffic("grpc", self.rejected)
        self.queued = Histogram()
        self.runs = Histogram()
        self.rows = 0
        self.compute_seconds = 0.0
        self.by_rows: dict[int, Runs] = {}
        self.load_seconds: float | None = None
        self.warm_up_seconds: float | None = None
        self.last_run: float | None = None
        """As ``perf_counter`` has it."""
        self.checks: dict[tuple[str, str], int] = {}
        """Of verification, by suite and outcome."""
        self.probes: dict[str, int] = {}
        self.answers_wrong: bool | None = None
        """None where nobody asks."""
        self.shadowed: dict[str, int] = {}
        """Copies of requests that were made for another revision, by what came of them."""
        self._busy: deque[float] = deque([0.0], BUSY_SECONDS + 1)

    @property
    def traffic(self) -> tuple[Traffic, Traffic]:
        """The requests of all protocols."""
        return self.rest, self.grpc

    def ran(self, rows: int, seconds: float, waits: Sequence[float]) -> None:
        """Count one run, of so many rows, and how long each of its jobs waited for it."""
        self.runs.observe(seconds)
        self.rows += rows
        self.compute_seconds += seconds * len(waits)
        same = self.by_rows.get(rows)
        if same is None:
            same = self._larger(rows)
        same.count += 1
        same.seconds += seconds
        self.queued.observe_all(waits)
        self.last_run = perf_counter()

    def _larger(self, rows: int) -> Runs:
        size = rows if rows <= EXACT_ROWS else 1 << (rows - 1).bit_length()
        return self.by_rows.setdefault(size, Runs())

    def dropped(self, reason: str) -> None:
        """Count a request that was not run."""
        _count(self.rejected, reason)

    def checked(self, suite: str, outcome: str) -> None:
        """Count how a check came out."""
        _count(self.checks, (suite, outcome))

    def probed(self, result: str) -> None:
        """Count a round of questions whose answers are known."""
        _count(self.probes, result)

    def copied(self, result: str) -> None:
        """Count what came of a copy of a request."""
        _count(self.shadowed, result)

    def tick(self, busy_seconds: float) -> None:
        """Remember, once a second, how long workers have been at work in all."""
        self._busy.append(busy_seconds)

    def busy_share(self, workers: int) -> float:
        """Return how much of their time workers were at work lately: from 0 to 1."""
        passed = len(self._busy) - 1
        worked = self._busy[-1] - self._busy[0]
        return min(1.0, worked / passed / workers) if passed and workers else 0.0


Key = TypeVar("Key")


def _count(counts: dict[Key, int], key: Key) -> None:
    counts[key] = counts.get(key, 0) + 1
