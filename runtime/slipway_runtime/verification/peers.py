"""Asks the other pods of the same model what this one got wrong."""

import asyncio
from collections.abc import Callable, Mapping

from slipway_runtime.instances import HEADER
from slipway_runtime.tensors import Array
from slipway_runtime.verification import wire
from slipway_runtime.verification.client import Endpoint, UnreachableError, connected
from slipway_runtime.verification.wire import Request, UnreadableAnswerError

INSTANCE = HEADER.decode()
"""The header that asks who answers, and in the answer says it."""
CONNECTIONS = 16
"""Each leads to a pod by chance, this one among them."""

Right = Callable[[Mapping[str, Array]], bool]


async def right_elsewhere(
    endpoint: Endpoint, me: str, request: Request, right: Right
) -> str | None:
    """Find another instance that answers rightly; None if there is none, or none was met."""
    asked = [_ask(endpoint, me, request, right) for _ in range(CONNECTIONS)]
    found = await asyncio.gather(*asked)
    return next(filter(None, found), None)


async def _ask(endpoint: Endpoint, me: str, request: Request, right: Right) -> str | None:
    """Ask whoever a fresh connection leads to; its own right answer would prove nothing."""
    try:
        async with connected(endpoint) as connection:
            headers = {**request.headers, INSTANCE: "?"}
            reply = await connection.post(endpoint.path, headers, request.body)
        who = reply.headers.get(INSTANCE, me)
        good = reply.status == 200 and who != me and right(wire.answer(reply))
    except (UnreachableError, UnreadableAnswerError):
        return None
    return who if good else None
