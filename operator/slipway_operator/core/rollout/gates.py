"""What a canary and a shadow are judged by: ratios of the requests that they have answered.

*Surely*: a lower bound of the ratio is beyond what is allowed, at three standard errors since it is
looked at again and again (E. B. Wilson, JASA 22, 1927). *Too often*: the ratio itself is.

Requests that failed (5xx) and slow ones have limits of their own. Those that were refused (4xx) may
be the callers' fault: it counts how many more they are than of what serves in the same time, either
side to its doubt. Copies of requests must be answered as what serves has answered them.
"""

from collections.abc import Iterator
from math import sqrt
from typing import NamedTuple

from slipway_operator.core.copies import Copies
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.requests import Requests
from slipway_operator.core.trial import Canary, Copying

FAILED = "CanaryFailed"
SHADOWED = "ShadowDisagrees"
SLOW = 0.01
"""The share of requests that may take longer than ``maxP99``."""
SURE = 3.0
"""Standard errors: one in a thousand, for each look at a canary that is just good enough."""


class Gate(NamedTuple):
    """A ratio that must not be passed: ``bad`` of ``of`` requests are ``what``."""

    reason: str
    what: str
    bad: int
    of: int
    most: float
    sure: bool

    def refusal(self) -> Refusal | None:
        """Say how it is passed; None where it is not."""
        if _bounds(self.bad, self.of, self.sure)[0] <= self.most:
            return None
        message = (
            f"{self.bad} of the {self.of} requests that it took {self.what}: "
            f"{self.bad / self.of:.2%}, where at most {self.most:.2%} may"
        )
        return Refusal(
            self.reason, message, "See what it logged and was asked; then change the spec."
        )


class Gates(NamedTuple):
    """What a canary is judged by.

    That is what it has ``answered``, what ``serving`` has meanwhile, and what came of ``copies``.
    """

    canary: Canary
    answered: Requests
    serving: Requests
    copies: Copies

    @property
    def slow(self) -> int | None:
        """How many took longer than they may; None where nothing is asked of their time."""
        limit = self.canary.max_p99
        return self.answered.slower(limit) if limit is not None else None

    def judge(self, *, sure: bool) -> Refusal | None:
        """Find a ratio that is passed: beyond doubt where ``sure``, else by the numbers alone."""
        found = next((why for gate in self._gates(sure) if (why := gate.refusal())), None)
        wish = self.canary.copying
        if found is not None or wish is None:
            return found
        return disagreement(FAILED, wish, self.copies, sure=sure)

    def _gates(self, sure: bool) -> Iterator[Gate]:
        canary, answered = self.canary, self.answered
        most, total = canary.max_error_ratio, answered.answered
        yield Gate(FAILED, "failed", answered.failed, total, most, sure)
        usual = _bounds(self.serving.refused, self.serving.answered, sure)[1]
        yield Gate(FAILED, "were refused (4xx)", answered.refused, total, usual + most, sure)
        if canary.max_p99 is not None and self.slow is not None:
            what = f"took longer than {canary.max_p99.total_seconds():g} s"
            yield Gate(FAILED, what, self.slow, answered.timed, SLOW, sure)


def disagreement(reason: str, wish: Copying, copies: Copies, *, sure: bool) -> Refusal | None:
    """Say that too many copies were not answered as by what serves, and where one differed most."""
    what = "were answered otherwise than by what serves"
    bad, most = copies.disagreed + copies.failed, 1 - wish.min_agreement
    refusal = Gate(reason, what, bad, copies.requests, most, sure).refusal()
    if refusal is None or not copies.worst:
        return refusal
    return refusal._replace(message=f"{refusal.message}; {copies.worst}")


def _bounds(bad: int, of: int, sure: bool) -> tuple[float, float]:
    """Bound a ratio from both sides by Wilson's interval, or by itself where doubt is no matter."""
    if of == 0:
        return 0.0, 1.0 if sure else 0.0
    ratio, z = bad / of, SURE if sure else 0.0
    middle, size = ratio + z * z / (2 * of), 1 + z * z / of
    doubt = z * sqrt(ratio * (1 - ratio) / of + z * z / (4 * of * of))
    return (middle - doubt) / size, (middle + doubt) / size


def kept(bad: int, of: int) -> float:
    """Bound from below, beyond doubt, which share of requests is not ``bad``."""
    return max(0.0, 1 - _bounds(bad, of, sure=True)[1])
