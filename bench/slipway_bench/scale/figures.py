"""From many single figures to the few that are told."""

from collections.abc import Iterable, Sequence
from math import ceil
from statistics import fmean

MIB = 1 << 20


def percentile(values: Sequence[float], percent: float) -> float:
    """Find the smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * percent / 100) - 1, 0)]


def windows(timed: Iterable[tuple[float, float]], seconds: float) -> list[list[float]]:
    """Sort values by the window of time that they fall into; the last one, cut short, is left out.

    If there is but one it stays. ``timed`` are times in seconds, and values.
    """
    found: dict[int, list[float]] = {}
    begun: float | None = None
    for time, value in sorted(timed):
        begun = time if begun is None else begun
        found.setdefault(int((time - begun) // seconds), []).append(value)
    numbers = sorted(found)
    return [found[number] for number in (numbers[:-1] or numbers)]


def slope(timed: Sequence[tuple[float, float]]) -> float:
    """Fit a line through values and return how much it rises per second."""
    times, values = [t for t, _ in timed], [v for _, v in timed]
    middle, mean = fmean(times), fmean(values)
    spread = sum((t - middle) ** 2 for t in times)
    rise = sum((t - middle) * (v - mean) for t, v in timed)
    return rise / spread if spread else 0.0


def shares(cpu: dict[str, float], seconds: float, cores: int) -> str:
    """Tell what share of the machine each process had, the greatest first."""
    ordered = sorted(cpu.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {used / seconds / cores * 100:.0f} %" for name, used in ordered)
