"""Sends copies of requests to a new revision, a few at a time, and judges what it answers."""

import asyncio
from asyncio import to_thread
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from slipway_runtime import logs
from slipway_runtime.batching import Done, Feed, Outcome
from slipway_runtime.datatypes import Signature
from slipway_runtime.errors import RequestError
from slipway_runtime.protocol import Call
from slipway_runtime.shadow import copies, findings
from slipway_runtime.shadow.copies import MOST_COPY_BYTES, Copy, Room, Share
from slipway_runtime.shadow.findings import DROPPED, FAILED, Finding
from slipway_runtime.shadow.wanted import Wanted
from slipway_runtime.verification import columns, wire
from slipway_runtime.verification.client import (
    Connection,
    Endpoint,
    Reply,
    UnreachableError,
    connect,
)
from slipway_runtime.verification.columns import Column
from slipway_runtime.verification.wire import UnreadableAnswerError

PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 1.0
"""After which a revision is asked again that could not be reached."""
AT_ONCE = 4
MOST_COPIES = 64
MOST_BYTES = 16 << 20
"""Of all copies that wait or are under way."""
MOST_ANSWER_BYTES = 4 * MOST_COPY_BYTES
"""A right one has less than a copy."""
QUICK_BYTES = 16 << 10
"""What is written and compared on the event loop; larger copies are in a thread."""

Result = TypeVar("Result")


class Sender:
    """To be made, and called, on the event loop. ``told`` takes note of what comes of copies."""

    def __init__(
        self, wanted: Wanted, model: str, signature: Signature, told: Callable[[Finding], None]
    ) -> None:
        self._tolerance = wanted.tolerance
        self._endpoint = Endpoint.of(wanted.url, model, PATIENCE_SECONDS, MOST_ANSWER_BYTES)
        self._signature = signature
        self._told = told
        self._share = Share(wanted.percent)
        self._room = Room(MOST_COPIES, MOST_BYTES)
        self._waiting: asyncio.Queue[Copy] = asyncio.Queue()
        self._closed = False
        self._tasks = [asyncio.create_task(self._work()) for _ in range(AT_ONCE)]

    def overhear(self, call: Call, done: Done) -> Done:
        """Give what ``done`` is to be replaced with, so that the answer is heard here, too."""
        if not self._share.chosen():
            return done
        if self._room.full:
            self._told(DROPPED)
            return done
        return partial(self._answered, call, done)

    def close(self) -> None:
        """Stop at once; what is under way comes to nothing."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    def _answered(self, call: Call, done: Done, outcome: Outcome) -> None:
        done(outcome)
        if isinstance(outcome, RequestError) or self._closed:
            return
        if not self._take(call.feed, dict(zip(call.wish.names, outcome, strict=True))):
            self._told(DROPPED)

    def _take(self, feed: Feed, answer: Feed) -> bool:
        """Let a copy wait for its turn, if there is room."""
        if self._room.full:
            return False
        size = copies.measured([*feed.values(), *answer.values()])
        if size > MOST_COPY_BYTES or not self._room.take(size):
            return False
        self._waiting.put_nowait(Copy(copies.own(feed), copies.own(answer), size))
        return True

    async def _work(self) -> None:
        line = _Line(self._endpoint)
        try:
            while True:
                await self._next(line)
        finally:
            line.close()

    async def _next(self, line: "_Line") -> None:
        """Take the copy that has waited longest to its end."""
        copy = await self._waiting.get()
        rest, finding = PAUSE_SECONDS, DROPPED
        try:
            await line.open()
            finding = FAILED
            finding = await self._ask(line, copy)
            rest = copies.rest(copy.size)
        except UnreachableError:
            pass
        except Exception as defect:
            logs.crash("a copy was not judged", defect)
        self._room.give_back(copy.size)
        self._told(finding)
        del copy  # it would be kept while this rests
        await asyncio.sleep(rest)

    async def _ask(self, line: "_Line", copy: Copy) -> Finding:
        reply = await line.post(await _away(copy.size, partial(self._request, copy)))
        return await _away(max(copy.size, len(reply.body)), partial(self._judge, copy, reply))

    def _request(self, copy: Copy) -> wire.Request:
        specs = self._signature.inputs
        inputs = {
            name: Column(specs[name].datatype, columns.from_wire(specs[name].datatype, array))
            for name, array in copy.feed.items()
        }
        return wire.request(inputs, list(copy.answer))

    def _judge(self, copy: Copy, reply: Reply) -> Finding:
        specs = self._signature.outputs
        expected = {
            name: columns.from_wire(specs[name].datatype, array)
            for name, array in copy.answer.items()
        }
        try:
            if reply.status == 200:
                return findings.judge(expected, wire.answer(reply), self._tolerance)
        except UnreadableAnswerError:
            pass
        return FAILED


class _Line:
    """A connection that is kept, and opened anew where it was closed meanwhile."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: Connection | None = None

    async def open(self) -> Connection:
        """Have a connection.

        Raises:
            UnreachableError: There is nobody, or nobody knows the way yet.
        """
        if self._connection is None or not self._connection.open:
            self.close()
            self._connection = await connect(self._endpoint)
        return self._connection

    async def post(self, request: wire.Request) -> Reply:
        """Ask.

        Raises:
            UnreachableError: No answer came.
        """
        connection = await self.open()
        reply = await connection.post(self._endpoint.path, request.headers, request.body)
        if reply.headers.get("connection") == "close":
            self.close()
        return reply

    def close(self) -> None:
        if self._connection:
            self._connection.close()


async def _away(size: int, work: Callable[[], Result]) -> Result:
    """Work on so many bytes where that holds nobody up, and let users go before and after."""
    if size > QUICK_BYTES:
        return await to_thread(work)
    await asyncio.sleep(0)
    result = work()
    await asyncio.sleep(0)
    return result
