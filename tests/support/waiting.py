"""Waiting for what another thread or the event loop brings about."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object]) -> None:
    """Let the event loop turn until ``holds()`` is true; fail after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the test looks at what no event announces
            await asyncio.sleep(0.001)
