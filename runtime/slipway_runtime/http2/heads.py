"""From header blocks to heads, with a memory: most requests of a connection begin alike."""

from slipway_runtime.http2 import requests
from slipway_runtime.http2.hpack import Decoder, Pair
from slipway_runtime.http2.port import Port
from slipway_runtime.http2.requests import OVERSIZED, Head

MOST_BYTES = 16 << 10
"""Of a request's headers, decoded."""
MOST_MEMORISED = 64
SMALL_BLOCK = 1024


class HeadReader:
    """Reads one connection's header blocks, in the order in which they come.

    As long as HPACK's dynamic table does not change, equal blocks are equal headers. And equal
    headers are the same head, whichever connection they come from; only the header that the site
    calls its own, which differs from request to request, is given apart.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._own = port.site.own_header
        self._decoder = Decoder(MOST_BYTES)
        self._memo: dict[bytes, tuple[Head, bytes]] = {}

    def read(self, block: bytes) -> tuple[Head, bytes]:
        """Read the block that opens a stream: its head, and the site's own header.

        Raises:
            ConnectionFault: If it can't be decoded.
            StreamFault: If it is no request.
        """
        known = self._memo.get(block)
        return known or self._read(block)

    def trailers(self, block: bytes) -> list[Pair]:
        """Read the block that ends a request's body.

        Raises:
            ConnectionFault: If it can't be decoded.
        """
        return self._decode(block) or []

    def _decode(self, block: bytes) -> list[Pair] | None:
        version = self._decoder.version
        pairs = self._decoder.decode(block)
        if version != self._decoder.version:
            self._memo.clear()
        return pairs

    def _read(self, block: bytes) -> tuple[Head, bytes]:
        version = self._decoder.version
        pairs = self._decode(block)
        if pairs is None:
            return OVERSIZED, b""
        own = b""
        for number, (name, value) in enumerate(pairs):
            if name == self._own:
                own = value
                del pairs[number]
                break
        small = len(block) < SMALL_BLOCK
        head = self._head(tuple(pairs), small)
        if small and version == self._decoder.version:
            if len(self._memo) >= MOST_MEMORISED:
                self._memo.clear()
            self._memo[block] = head, own
        return head, own

    def _head(self, pairs: tuple[Pair, ...], small: bool) -> Head:
        head = self._port.heads.get(pairs)
        if head is None:
            head = requests.read(pairs)
            if small:
                self._port.remember(pairs, head)
        return head
