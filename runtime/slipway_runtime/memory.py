"""Gives memory back that a burst has left behind, when it is over; and tells how much is in use."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from resource import getpagesize

from slipway_runtime import logs
from slipway_runtime.errors import RequestError

QUIET_SECONDS = 5.0
"""Without a run; giving back too early costs the next burst the time to get it again."""


def resident_bytes() -> int:
    """Tell how much memory this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


class Memory:
    """What is given back, and whether it is time to."""

    def __init__(self, shrink: Callable[[], None]) -> None:
        """``shrink`` empties onnxruntime's arena."""
        self._shrink = shrink
        self._given_back_at = 0.0

    def due(self, last_run: float, now: float) -> bool:
        """Tell whether runs have ended a while ago, and left what was not yet given back."""
        if last_run <= self._given_back_at or now - last_run < QUIET_SECONDS:
            return False
        self._given_back_at = last_run
        return True

    def give_back(self) -> None:
        """Empty the arena, and the C library's heap of what Python and numpy have freed."""
        try:
            self._shrink()
        except RequestError as error:
            logs.warning("memory was not given back", problem=error.message)
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl gives back by itself
        if trim:
            trim(0)
