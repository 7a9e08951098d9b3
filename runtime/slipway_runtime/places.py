"""Keeps the workers on CPUs of their own, and out of the event loop's way.

A kernel that sees one CPU busy with two runs and the other with many short wake-ups, those of the
event loop and of whoever else is there, may leave it at that for seconds: the second CPU is never
idle for long enough to be worth a migration. So a worker that finds another one on its CPU moves
over, and is the kernel's to place again at once: nothing is pinned.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress

NICE = 10
"""How much more willing to wait workers are than the event loop, as the kernel counts it."""


def _here() -> Callable[[], int]:
    """Find the C library's way to tell the CPU that a thread is on; -1 is unknown."""
    return getattr(ctypes.PyDLL(None), "sched_getcpu", lambda: -1)


def _allowed() -> set[int]:
    """Return the CPUs of the process as they are now: its first thread is never moved."""
    return os.sched_getaffinity(os.getpid())


def _move(cpus: set[int]) -> None:
    """Bring this thread to one of these CPUs, and leave it to the kernel again."""
    try:
        os.sched_setaffinity(0, cpus)
        os.sched_setaffinity(0, _allowed())
    except OSError:
        pass  # they were just taken from this container, or a sandbox does not let us


def stand_back() -> None:
    """Let the event loop go before this thread, where both want a CPU.

    A kernel takes the thread that had more of the CPU for the one that can wait, which in overload
    is the loop. Other containers notice nothing: they share the CPUs by their requests.
    """
    if sys.platform == "linux":  # where this is about a thread and not about the process
        with suppress(OSError):
            os.nice(NICE)


class Places:
    """Who of the workers runs where. To be used by the workers themselves.

    ``taken`` is the CPU on which each began its run, while that lasts.
    """

    def __init__(
        self,
        here: Callable[[], int] | None = None,
        allowed: Callable[[], set[int]] = _allowed,
        move: Callable[[set[int]], None] = _move,
    ) -> None:
        """``here`` tells the CPU that the caller is on, ``move`` brings it to one of several."""
        self._here = here or _here()
        self._allowed = allowed
        self._move = move
        self.taken: dict[int, int] = {}

    def take(self, number: int) -> None:
        """Begin a run of a worker, on a CPU without another if there is one."""
        cpu = self._here()
        others = set(self.taken.values())
        if cpu >= 0 and cpu in others and (free := self._allowed() - others):
            self._move(free)
            cpu = self._here()
        self.taken[number] = cpu

    def leave(self, number: int) -> None:
        """End a run of a worker."""
        self.taken.pop(number, None)
