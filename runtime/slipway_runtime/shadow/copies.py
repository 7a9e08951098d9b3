"""Copies of requests and their answers: which are made, and how much memory they take. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from sys import getsizeof

from slipway_runtime.batching import Feed
from slipway_runtime.tensors import Array

MOST_COPY_BYTES = 1 << 20
"""Of one copy: what is larger would hold users up while it is made."""
LEAST_STRING_BYTES = getsizeof("")
REST_SECONDS = 0.4
REST_BYTES_A_SECOND = 2 << 20
"""How a connection rests after each copy: four of them take 10 small copies a second, or 8 MiB of
large ones. A small one takes about half a millisecond of the event loop, in pieces."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A request's tensors and those that answered it, as they travel; ``size`` is in bytes."""

    feed: Feed
    answer: Feed
    size: int


class Share:
    """Chooses so many percent of what passes, as evenly as can be."""

    def __init__(self, percent: int) -> None:
        self._percent = percent
        self._owed = 0

    def chosen(self) -> bool:
        """Tell whether the next one is."""
        self._owed += self._percent
        if self._owed < 100:
            return False
        self._owed -= 100
        return True


class Room:
    """How many more copies, and bytes of them, may be held at a time."""

    def __init__(self, copies: int, size: int) -> None:
        self._copies = copies
        self._bytes = size

    @property
    def full(self) -> bool:
        """Whether there is none for any copy."""
        return not self._copies

    def take(self, size: int) -> bool:
        """Take the room for a copy; False where there is none."""
        if self.full or size > self._bytes:
            return False
        self._copies -= 1
        self._bytes -= size
        return True

    def give_back(self, size: int) -> None:
        """Give back what a copy took."""
        self._copies += 1
        self._bytes += size


def measured(arrays: Iterable[Array]) -> int:
    """Say how many bytes of memory tensors take with their strings.

    Where the strings alone would be too many for a copy they are not looked at one by one.
    """
    return sum(array.nbytes if array.dtype.kind != "O" else _strings(array) for array in arrays)


def _strings(array: Array) -> int:
    least = array.nbytes + array.size * LEAST_STRING_BYTES
    if least > MOST_COPY_BYTES:
        return least
    return array.nbytes + sum(map(getsizeof, array.flat))


def rest(size: int) -> float:
    """Say for how many seconds a connection rests after a copy of so many bytes."""
    return REST_SECONDS + size / REST_BYTES_A_SECOND


def own(tensors: Feed) -> Feed:
    """Keep tensors, and of the memory that they are parts of (a body, a batch) nothing else."""
    return {name: array if array.base is None else array.copy() for name, array in tensors.items()}
