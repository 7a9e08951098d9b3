"""What a pod's runtime has counted of its requests, as docs/contract.md has it."""

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Self


@dataclass(frozen=True, slots=True)
class Requests:
    """How many were answered, how many of them with 4xx and 5xx, and how long they took.

    ``counts`` has for each of ``bounds``, in seconds, how many took that long and longer than the
    one before, and behind them those beyond all bounds.
    """

    answered: int = 0
    refused: int = 0
    failed: int = 0
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    @classmethod
    def read(cls, status: Mapping[str, Any] | None) -> Self | None:
        """Read them from a runtime's ``/status``; None where they are not there, or of no use."""
        try:
            said = (status or {})["requests"]
            times = said["durations"]
            counted = (int(said["answered"]), int(said["refused"]), int(said["failed"]))
            bounds, counts = tuple(map(float, times["bounds"])), tuple(map(int, times["counts"]))
        except (KeyError, TypeError, ValueError):
            return None
        return cls(*counted, bounds, counts) if len(counts) == len(bounds) + 1 else None

    def since(self, before: "Requests") -> "Requests":
        """Take off what was there before; a process that was started anew counts from zero."""
        if before.answered > self.answered or len(before.counts) != len(self.counts):
            return self
        return self._with(before, -1)

    def __add__(self, other: "Requests") -> "Requests":
        """Put those of two pods of one runtime together."""
        if not self.counts or not other.counts:
            return self if self.counts else other
        return self._with(other, 1)

    def _with(self, other: "Requests", sign: int) -> "Requests":
        pairs = zip(self.counts, other.counts, strict=True)
        return Requests(
            self.answered + sign * other.answered,
            self.refused + sign * other.refused,
            self.failed + sign * other.failed,
            self.bounds,
            tuple(one + sign * two for one, two in pairs),
        )

    def slower(self, limit: timedelta) -> int:
        """Count those that surely took longer than ``limit``, rounded up to the next bound."""
        return sum(self.counts[bisect_left(self.bounds, limit.total_seconds()) + 1 :])

    @property
    def timed(self) -> int:
        """How many have a duration."""
        return sum(self.counts)


class Baseline(NamedTuple):
    """What a pod had answered, and how often its server had been restarted, before a canary."""

    requests: Requests
    restarts: int

    @classmethod
    def recall(cls, text: str, canary: str) -> Self | None:
        """Read back what ``note`` wrote for this canary; None where it is of another, or none."""
        try:
            of, restarts, answered, refused, failed, *counts = json.loads(text)
            counted = (int(answered), int(refused), int(failed))
            found = cls(Requests(*counted, (), tuple(map(int, counts))), int(restarts))
        except (ValueError, TypeError):
            return None
        return found if of == canary else None

    def note(self, canary: str) -> str:
        """Write it in short, for an annotation of the pod."""
        of = self.requests
        return json.dumps([canary, self.restarts, of.answered, of.refused, of.failed, *of.counts])
