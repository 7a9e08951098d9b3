"""Work that would hold the event loop up, done by threads of its own and handed back."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from slipway_runtime import logs
from slipway_runtime.errors import Kind, RequestError

THREADS = 2
"""Reading and writing hold the interpreter most of the time: more would not be faster."""

Result = TypeVar("Result")


class Aside:
    """A few threads; to be made on the event loop that takes the results."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS, "aside")

    def do(self, work: Callable[[], Result], done: Callable[[Result | RequestError], None]) -> None:
        """Call ``work`` in a thread, then ``done`` on the event loop with what came of it."""
        self._threads.submit(self._work, work, done)

    def close(self) -> None:
        """End the threads, and forget what they have not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _work(
        self, work: Callable[[], Result], done: Callable[[Result | RequestError], None]
    ) -> None:
        result: Result | RequestError
        try:
            result = work()
        except RequestError as problem:
            result = problem
        except Exception as defect:
            logs.crash("work aside failed", defect)
            result = RequestError(Kind.INTERNAL, "the runtime failed; its log says more")
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(done, result)


class Steps:
    """Work on one request that goes step by step, each on the event loop or aside.

    A ``RequestError`` out of any of them is how it fails. Once it is ``_over`` no step is taken.
    """

    __slots__ = ("_over", "_threads")

    _over: bool
    _threads: Aside

    def _aside(self, work: Callable[[], Result], step: Callable[[Result], None]) -> None:
        """Do work in a thread, and go on with what it gives."""
        self._threads.do(work, partial(self._step, step))

    def _step(self, step: Callable[[Result], None], given: Result | RequestError) -> None:
        """Go on with what the step before gave."""
        if self._over:
            return
        if isinstance(given, RequestError):
            self._fail(given)
            return
        try:
            step(given)
        except RequestError as problem:
            self._fail(problem)

    def _fail(self, problem: RequestError) -> None:
        raise NotImplementedError
