"""How long runs take, by the size of their input, and so where the next one should run."""

INLINE_SECONDS = 150e-6
"""A run below this costs the event loop less than the two thread switches of a worker."""

WEIGHT = 0.2


class Costs:
    """A moving average of run times for each power of two of input elements.

    A size that was never seen is not known to be short: it goes to a worker, and is measured
    there. So does a size whose average rose, until it falls again.
    """

    def __init__(self) -> None:
        self._averages: list[float | None] = [None] * 64

    def learn(self, elements: int, seconds: float) -> None:
        """Take in how long a run took."""
        size = elements.bit_length()
        average = self._averages[size]
        self._averages[size] = (
            seconds if average is None else average + WEIGHT * (seconds - average)
        )

    def short(self, elements: int) -> bool:
        """Tell whether a run of this size may take place on the event loop."""
        average = self._averages[elements.bit_length()]
        return average is not None and average < INLINE_SECONDS

    def longest(self) -> float | None:
        """Return the average of the slowest size in seconds; None before the first run."""
        return max((average for average in self._averages if average is not None), default=None)
