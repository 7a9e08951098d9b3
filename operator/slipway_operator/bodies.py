"""Bodies of answers from servers that are not ours to trust."""

import aiohttp

MAX_BYTES = 64 * 1024


async def body(response: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end, or as far as it is welcome."""
    found = b""
    while len(found) < MAX_BYTES and (chunk := await response.content.read(MAX_BYTES - len(found))):
        found += chunk
    return found
