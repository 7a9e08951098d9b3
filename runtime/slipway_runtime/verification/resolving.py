"""Finds where a host's name leads, in a thread that nothing waits for.

The event loop's own threads would hold up the server's end for as long as a name server is silent.
"""

import asyncio
import socket
import threading
from contextlib import suppress


async def addresses(host: str) -> list[str]:
    """Find all addresses of a host, at least one.

    Raises:
        OSError: There is none.
    """
    with suppress(OSError):
        return _found(host, socket.AI_NUMERICHOST)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()
    threading.Thread(target=_look, args=(host, loop, answer), name="resolve", daemon=True).start()
    return await answer


def _look(host: str, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[str]]) -> None:
    found: list[str] | OSError
    try:
        found = _found(host)
    except OSError as problem:
        found = problem
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(_tell, answer, found)


def _tell(answer: asyncio.Future[list[str]], found: list[str] | OSError) -> None:
    if answer.done():
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def _found(host: str, flags: int = 0) -> list[str]:
    try:
        listed = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError as problem:
        raise OSError(f"{host!r} can't be a host's name") from problem
    return [str(place[0]) for *_, place in listed]
