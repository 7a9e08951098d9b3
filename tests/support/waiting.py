"""Waiting for what another thread or the event loop brings about."""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 20.0


async def until(holds: Callable[[], object]) -> None:
    """Let the event loop turn until ``holds()`` is true; fail after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the test looks at what no event announces
            await asyncio.sleep(0.001)


def within_patience(holds: Callable[[], object]) -> bool:
    """Say whether ``holds()`` comes true, of a process of its own, in twenty seconds."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False
