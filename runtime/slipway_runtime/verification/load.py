"""Puts a server under load, and measures what becomes of it."""

import asyncio
from itertools import cycle
from time import perf_counter

from slipway_runtime.checks import Performance
from slipway_runtime.memory import resident_bytes
from slipway_runtime.verification import wire
from slipway_runtime.verification.client import Endpoint, UnreachableError, connected
from slipway_runtime.verification.performance import Load

SAMPLE_SECONDS = 0.1
PAUSE_SECONDS = 0.01
"""After a request that was not answered."""


async def measure(endpoint: Endpoint, requests: list[wire.Request], check: Performance) -> Load:
    """Ask for the time that the check says, as many at once as it says."""
    began = perf_counter()
    until = began + check.duration_seconds
    latencies: list[float] = []
    memory = [resident_bytes()]
    sampler = asyncio.create_task(_sample(memory))
    try:
        callers = [
            _call(endpoint, cycle(requests[start:] + requests[:start]), until, latencies)
            for start in range(check.concurrency)
        ]
        unanswered = sum(await asyncio.gather(*callers))
    finally:
        sampler.cancel()
    return Load(latencies, perf_counter() - began, unanswered, max(memory))


async def _call(
    endpoint: Endpoint, requests: "cycle[wire.Request]", until: float, latencies: list[float]
) -> int:
    """Ask one request after the other; count those that got no answer."""
    unanswered = 0
    while perf_counter() < until:
        try:
            async with connected(endpoint) as connection:
                while perf_counter() < until:
                    request, began = next(requests), perf_counter()
                    reply = await connection.post(endpoint.path, request.headers, request.body)
                    if reply.status == 200:
                        latencies.append(perf_counter() - began)
                    else:
                        unanswered += 1
                        await asyncio.sleep(PAUSE_SECONDS)
        except UnreachableError:
            unanswered += 1
            await asyncio.sleep(PAUSE_SECONDS)
    return unanswered


async def _sample(memory: list[int]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        memory[:] = [max(*memory, resident_bytes())]
