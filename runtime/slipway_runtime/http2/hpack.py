"""HPACK: header blocks as bytes (RFC 7541).

We decode everything a client may send. We encode without the dynamic table and without Huffman's
code, so that the same header is always the same bytes.
"""

from collections import deque
from collections.abc import Iterable

from slipway_runtime.http2 import huffman
from slipway_runtime.http2.frames import Code, ConnectionFault

Pair = tuple[bytes, bytes]

TABLE_BYTES = 4096
"""The default of SETTINGS_HEADER_TABLE_SIZE, which we keep."""
ENTRY_BYTES = 32
"""What an entry counts beside its name and value, here and for SETTINGS_MAX_HEADER_LIST_SIZE."""
MOST_CODED_INTEGER = 1 << 28

_STATUSES = (b"200", b"204", b"206", b"304", b"400", b"404", b"500")
_NAMES = (
    b"accept-charset accept-encoding accept-language accept-ranges accept "
    b"access-control-allow-origin age allow authorization cache-control content-disposition "
    b"content-encoding content-language content-length content-location content-range "
    b"content-type cookie date etag expect expires from host if-match if-modified-since "
    b"if-none-match if-range if-unmodified-since last-modified link location max-forwards "
    b"proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie "
    b"strict-transport-security transfer-encoding user-agent vary via www-authenticate"
).split()

STATIC: tuple[Pair, ...] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    *((b":status", status) for status in _STATUSES),
    *((name, b"gzip, deflate" if name == b"accept-encoding" else b"") for name in _NAMES),
)
"""Appendix A; its first entry has index 1."""

_STATIC_INDEX = {name: index for index, (name, _) in reversed(list(enumerate(STATIC, 1)))}


LARGEST_STATIC = 64


def size(pairs: Iterable[Pair]) -> int:
    """Count headers as SETTINGS_MAX_HEADER_LIST_SIZE does."""
    return sum(len(name) + len(value) + ENTRY_BYTES for name, value in pairs)


class Decoder:
    """One connection's header blocks, in the order in which they come.

    ``version`` changes whenever the dynamic table does: as long as it stays the same, equal blocks
    are equal headers.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._dynamic: deque[Pair] = deque()
        self._used = 0
        self._size = TABLE_BYTES
        self._largest = LARGEST_STATIC
        self.version = 0

    def decode(self, block: bytes) -> list[Pair] | None:
        """Decode a block; None if it is longer than may be, when decoded. The table goes on.

        Raises:
            ConnectionFault: If it is no header block; nothing after it can be decoded.
        """
        pairs: list[Pair] = []
        at = self._resize(block) if block and block[0] & 0xE0 == 0x20 else 0
        end = len(block)
        while at < end:
            byte = block[at]
            if 0x80 < byte <= 0x80 + len(STATIC):
                pairs.append(STATIC[byte - 0x81])
                at += 1
            elif byte & 0x80:
                index, at = _integer(block, at, 0x7F)
                pairs.append(self._entry(index))
            elif byte & 0x40:
                pair, at = self._literal(block, at, 0x3F)
                self._insert(pair)
                pairs.append(pair)
            elif byte & 0x20:
                raise _broken("a table's size changes behind a header")
            else:
                pair, at = self._literal(block, at, 0x0F)
                pairs.append(pair)
        fits = len(pairs) * self._largest <= self._most_bytes or size(pairs) <= self._most_bytes
        return pairs if fits else None

    def _resize(self, block: bytes) -> int:
        """Follow the size updates that a block begins with; return where they end."""
        at = 0
        while at < len(block) and block[at] & 0xE0 == 0x20:
            asked, at = _integer(block, at, 0x1F)
            if asked > TABLE_BYTES:
                raise _broken(f"a table of {asked} bytes is asked for; the most is {TABLE_BYTES}")
            self._size = asked
            self.version += 1
            self._evict()
        return at

    def _entry(self, index: int) -> Pair:
        if 0 < index <= len(STATIC):
            return STATIC[index - 1]
        if not index or index > len(STATIC) + len(self._dynamic):
            raise _broken(f"there is no header {index}")
        return self._dynamic[index - len(STATIC) - 1]

    def _literal(self, block: bytes, at: int, mask: int) -> tuple[Pair, int]:
        index, at = _integer(block, at, mask)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        self._largest = max(self._largest, len(name) + len(value) + ENTRY_BYTES)
        return (name, value), at

    def _insert(self, pair: Pair) -> None:
        self.version += 1
        self._dynamic.appendleft(pair)
        self._used += len(pair[0]) + len(pair[1]) + ENTRY_BYTES
        if self._used > self._size:
            self._evict()

    def _evict(self) -> None:
        while self._used > self._size:
            name, value = self._dynamic.pop()
            self._used -= len(name) + len(value) + ENTRY_BYTES


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Read an integer that begins in the low bits of a byte; return it and where it ends."""
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    shift = 0
    while at < len(block):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if value > MOST_CODED_INTEGER or shift > 28:
            raise _broken("a number is too large")
    raise _broken("a number is cut off")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    if at >= len(block):
        raise _broken("a string is missing")
    coded = block[at] & 0x80
    length, at = _integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise _broken("a string is cut off")
    text = block[at:end]
    if not coded:
        return text, end
    try:
        return huffman.decode(text), end
    except ValueError as problem:
        raise _broken(str(problem)) from None


def _broken(message: str) -> ConnectionFault:
    return ConnectionFault(Code.COMPRESSION_ERROR, message)


def encode(pairs: Iterable[Pair]) -> bytes:
    """Write a header block that leaves the other side's table as it is."""
    return b"".join(_literal(name, value) for name, value in pairs)


def _literal(name: bytes, value: bytes) -> bytes:
    if (name, value) in STATIC:
        return bytes([0x80 | STATIC.index((name, value)) + 1])
    index = _STATIC_INDEX.get(name)
    start = _coded(index, 0x0F) if index else b"\0" + _coded(len(name), 0x7F) + name
    return start + _coded(len(value), 0x7F) + value


def _coded(value: int, mask: int) -> bytes:
    """Write an integer whose first byte has room for ``mask``."""
    if value < mask:
        return bytes([value])
    coded, value = bytearray([mask]), value - mask
    while value >= 0x80:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)
