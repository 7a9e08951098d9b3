"""How long runs take, by the size of their input, and so where the next one should run."""

INLINE_SECONDS = 150e-6
"""A run below this costs the event loop less than the two thread switches of a worker."""

WEIGHT_DOWN = 0.5
WEIGHT_UP = 0.02


class Costs:
    """What a run takes undisturbed, for each power of two of input elements.

    Measurements lie in one direction: a thread that waits for the interpreter or for a CPU looks
    slow. So an estimate follows shorter runs at once, and longer ones slowly, each of which counts
    as no more than twice the estimate. A size that was never seen is not known to be short: it
    goes to a worker, and is measured there.
    """

    def __init__(self) -> None:
        self._estimates: list[float | None] = [None] * 64

    def learn(self, elements: int, seconds: float) -> None:
        """Take in how long a run took."""
        size = elements.bit_length()
        known = self._estimates[size]
        if known is None:
            self._estimates[size] = seconds
        elif seconds < known:
            self._estimates[size] = known + WEIGHT_DOWN * (seconds - known)
        else:
            self._estimates[size] = known + WEIGHT_UP * (min(seconds, 2 * known) - known)

    def short(self, elements: int) -> bool:
        """Tell whether a run of this size may take place on the event loop."""
        known = self._estimates[elements.bit_length()]
        return known is not None and known < INLINE_SECONDS

    def longest(self) -> float | None:
        """Return the estimate of the slowest size in seconds; None before the first run."""
        return max((known for known in self._estimates if known is not None), default=None)
