"""Asks a server for the answers to rows, in requests of one size, some of them at a time."""

import asyncio
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from math import inf

import numpy as np

from slipway_runtime.tensors import Array
from slipway_runtime.verification import wire
from slipway_runtime.verification.client import (
    Connection,
    Endpoint,
    Reply,
    UnreachableError,
    connected,
)
from slipway_runtime.verification.columns import Column, taken
from slipway_runtime.verification.wire import UnreadableAnswerError

BUSY = frozenset({429, 503})
BUSY_SECONDS = 60.0
"""How long a server is asked again that has no room; the pauses grow, in seconds."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.6
MOST_ANSWER_BYTES = 64 << 20
"""Of all answers that are held at a time."""


class Refused(Exception):  # noqa: N818 - an answer, though not the one that was hoped for
    """The server does not answer this row, and won't."""


class Unknown(Exception):  # noqa: N818
    """Nobody knows what the server would have answered."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How rows are asked: in requests of ``size`` rows, ``at_once`` of them at a time."""

    size: int = 1
    at_once: int = 1


@dataclass(slots=True)
class Answers:
    """The answers to the first ``rows`` rows; fewer than were asked for when time ran out.

    ``unfit`` says of outputs why they have no row for each row.
    """

    rows: int = 0
    outputs: dict[str, Array] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)


class Asker:
    """Asks one server for one model.

    ``now`` is the clock; no request begins after ``until``, but for the first ``least`` ones.
    """

    def __init__(
        self, endpoint: Endpoint, now: Callable[[], float], until: float = inf, least: int = 0
    ) -> None:
        self._endpoint = endpoint
        self._now = now
        self._until = until
        self._least = least

    async def ask(
        self, inputs: Mapping[str, Column], outputs: Sequence[str], manner: Manner
    ) -> Answers:
        """Ask for all rows; those of one round are sent in the same turn of the event loop.

        Raises:
            Refused: A row got an error that it would get again.
            Unknown: A row got no answer.
        """
        pieces: list[Piece] = []
        held = 0
        requests = _cut(_rows(inputs), manner.size)
        async with _pool(self._endpoint, min(manner.at_once, len(requests))) as connections:
            for start in range(0, len(requests), manner.at_once):
                if start >= self._least and self._now() > self._until:
                    break
                some = requests[start : start + manner.at_once]
                pairs = zip(connections, some, strict=False)
                came = await _all([self._one(each, inputs, outputs, rows) for each, rows in pairs])
                pieces += came
                held += _size(came)
                _check_size(held)
        return await to_thread(_joined, pieces)

    async def _one(
        self,
        connection: Connection,
        inputs: Mapping[str, Column],
        outputs: Sequence[str],
        rows: slice,
    ) -> "Piece":
        request = wire.request(taken(inputs, rows), outputs)
        reply = await self.post(connection, request)
        if reply.status in BUSY or reply.status == 504:
            raise Unknown(f"row {rows.start} was not answered: {wire.reason(reply)}")
        if reply.status != 200:
            raise Refused(f"row {rows.start} was refused: {wire.reason(reply)}")
        try:
            return rows.stop - rows.start, wire.answer(reply)
        except UnreadableAnswerError as problem:
            raise Refused(f"row {rows.start} got no answer of the protocol: {problem}") from None

    async def post(self, connection: Connection, request: wire.Request) -> Reply:
        """Send a request, again after ever longer pauses where the server has no room.

        Raises:
            Unknown: The connection broke.
        """
        waited, pause = 0.0, SHORTEST_PAUSE
        while True:
            try:
                reply = await connection.post(self._endpoint.path, request.headers, request.body)
            except UnreachableError as problem:
                raise Unknown(f"this server can't be asked: {problem}") from None
            if reply.status not in BUSY or waited > BUSY_SECONDS:
                return reply
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, LONGEST_PAUSE)


@asynccontextmanager
async def _pool(endpoint: Endpoint, size: int) -> AsyncIterator[list[Connection]]:
    """Open some connections, all at the same time."""
    async with AsyncExitStack() as stack:
        try:
            opened = [await stack.enter_async_context(connected(endpoint)) for _ in range(size)]
        except UnreachableError as problem:
            raise Unknown(f"this server can't be asked: {problem}") from None
        yield opened


Piece = tuple[int, dict[str, Array]]
"""The rows of one request, and the answers to it."""


def _rows(inputs: Mapping[str, Column]) -> int:
    return len(next(iter(inputs.values())).values)


def _cut(rows: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


async def _all(asked: Sequence[Coroutine[None, None, Piece]]) -> list[Piece]:
    """Wait for all, and raise what the first of them raised."""
    pieces = []
    for came in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(came, BaseException):
            raise came
        pieces.append(came)
    return pieces


def _size(pieces: Sequence[Piece]) -> int:
    return sum(array.nbytes for _, outputs in pieces for array in outputs.values())


def _check_size(size: int) -> None:
    if size > MOST_ANSWER_BYTES:
        raise Unknown(
            f"the answers have more than {MOST_ANSWER_BYTES} bytes, which are held: use fewer rows"
        )


def _joined(pieces: Sequence[Piece]) -> Answers:
    answers = Answers(sum(rows for rows, _ in pieces))
    for name in pieces[0][1] if pieces else ():
        arrays = [outputs[name] for _, outputs in pieces]
        if any(array.shape[:1] != (rows,) for (rows, _), array in zip(pieces, arrays, strict=True)):
            answers.unfit[name] = f"output {name} has not one row for each row that was asked"
        elif len({array.shape[1:] for array in arrays}) > 1:
            answers.unfit[name] = f"output {name} has another shape from row to row"
        else:
            answers.outputs[name] = np.concatenate(arrays)
    return answers
