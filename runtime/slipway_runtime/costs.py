"""How long runs take, by the size and number of their rows, and so where and how to run the next.

Pure: who runs and measures is elsewhere.
"""

from collections.abc import Mapping

INLINE_SECONDS = 150e-6
"""A single run below this costs the event loop less than the two thread switches of a worker."""

INLINE_BATCH_SECONDS = 300e-6
"""What a batch of such runs may take."""

WORTHWHILE = 1.15
"""Batches that answer less than so many times the rows per second are not worth their waiting."""

NEARLY_BEST = 0.95

WEIGHT_DOWN = 0.5
WEIGHT_UP = 0.02
WEIGHT_MEAN = 0.1

SIZES = 64
REFRESH = 64


class _Cell:
    """What runs of one size and number of rows take: undisturbed, and on average."""

    __slots__ = ("best", "mean")

    def __init__(self, seconds: float) -> None:
        self.best = self.mean = seconds

    def learn(self, seconds: float) -> None:
        if seconds < self.best:
            self.best += WEIGHT_DOWN * (seconds - self.best)
        else:
            self.best += WEIGHT_UP * (min(seconds, 2 * self.best) - self.best)
        self.mean += WEIGHT_MEAN * (seconds - self.mean)


def gain(times: Mapping[int, float]) -> float:
    """Compute how many times more rows a second batches answer than single rows.

    ``times`` are seconds by the number of rows, and have 1.
    """
    return max(rows / seconds for rows, seconds in times.items()) * times[1]


def best(times: Mapping[int, float]) -> int:
    """Choose the fewest rows that come near the best throughput; 1 where batches gain nothing."""
    if gain(times) < WORTHWHILE:
        return 1
    enough = NEARLY_BEST * max(rows / seconds for rows, seconds in times.items())
    return min(rows for rows, seconds in times.items() if rows / seconds >= enough)


def _class(rows: int) -> int:
    """Return the power of two that so many rows need, as an exponent."""
    return (rows - 1).bit_length()


class Costs:
    """What runs take, for each magnitude of a row's elements and of the number of rows.

    Measurements err in one direction: a thread that waits for the interpreter or for a CPU looks
    slow. So where to run is decided by an estimate that follows shorter runs at once, and longer
    ones slowly, each of which counts as no more than twice the estimate. How long the queue will
    take is decided by the average. A size that was never seen is not known to be short: it goes
    to a worker, and is measured there.
    """

    def __init__(self, most: int = 1, steady: bool = True) -> None:
        """Know nothing yet.

        ``most`` is the number of rows that a batch may have unless its size shows otherwise;
        ``steady`` is whether size alone decides what a run takes. Where it does not, no run is
        ever known to be short.
        """
        self._steady = steady
        self._ceiling = most
        self._cells: list[dict[int, _Cell]] = [{} for _ in range(SIZES)]
        self._most = [most] * SIZES
        self._inline = [0] * SIZES
        self._learned = 0

    def learn(self, size: int, rows: int, seconds: float) -> None:
        """Take in how long a run took."""
        number = _class(rows)
        seconds *= (1 << number) / rows  # at most: an exact power of two soon corrects it
        cell = self._cells[size].get(number)
        self._learned += 1
        if cell is None:
            self._cells[size][number] = _Cell(seconds)
            self._refresh(size)
        else:
            cell.learn(seconds)
            if self._learned % REFRESH == 0:
                self._refresh(size)

    def short(self, size: int, rows: int) -> bool:
        """Tell whether a job of so many rows may run on the event loop."""
        return rows <= self._inline[size]

    def most(self, size: int) -> int:
        """Return how many rows a batch should have at most."""
        return self._most[size]

    def most_inline(self, size: int) -> int:
        """Return how many rows a batch on the event loop may have."""
        return min(self._most[size], self._inline[size])

    def at_least(self, size: int, rows: int) -> float:
        """Return the seconds that so many rows take undisturbed; 0 when nothing is known."""
        cells, number = self._cells[size], _class(rows)
        while number > 0 and number not in cells:
            number -= 1
        return cells[number].best if number in cells else 0.0

    def share(self, size: int, rows: int) -> float:
        """Predict the seconds that rows add to a full queue; 0 when nothing is known."""
        cells, number = self._cells[size], _class(self._most[size])
        while number > 0 and number not in cells:
            number -= 1
        return cells[number].mean / (1 << number) * rows if number in cells else 0.0

    def stop_batching(self) -> None:
        """Let no runs be shared any more."""
        self._ceiling = 1
        self._most = [1] * SIZES

    def _refresh(self, size: int) -> None:
        times = {1 << number: cell.best for number, cell in self._cells[size].items()}
        if 1 in times and len(times) > 2:
            chosen = best(times)  # the largest that was seen may not be the best that there is
            self._most[size] = self._ceiling if chosen == max(times) else min(chosen, self._ceiling)
        inline = self._steady and times[min(times)] < INLINE_SECONDS
        within = (rows for rows, seconds in times.items() if seconds < INLINE_BATCH_SECONDS)
        self._inline[size] = max(within, default=0) if inline else 0
