"""The Huffman code of HPACK (RFC 7541, appendix B).

The code is canonical: the length of every symbol's code says all of it. Decoding goes four bits
at a time through a table that is made from the lengths once.
"""

from collections.abc import Iterator
from functools import lru_cache

END = 256

_LENGTHS = (
    *(13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28),
    *(28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28),
    *(6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6),
    *(5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10),
    *(13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7),
    *(7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6),
    *(15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5),
    *(6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28),
    *(20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23),
    *(24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24),
    *(22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23),
    *(21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23),
    *(26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25),
    *(19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27),
    *(20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23),
    *(26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26),
    30,
)


def codes() -> Iterator[tuple[int, int, int]]:
    """Give the symbol, code and length of every code, shortest first."""
    code = last = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(_LENGTHS)):
        code <<= length - last
        yield symbol, code, length
        code, last = code + 1, length


def _tree() -> tuple[list[list[int]], dict[int, int]]:
    """Make a binary tree of all codes: nodes with two children each, and symbols at the leaves."""
    children, symbols = [[0, 0]], {}
    for symbol, code, length in codes():
        node = 0
        for shift in range(length - 1, -1, -1):
            bit = code >> shift & 1
            if not children[node][bit]:
                children[node][bit] = len(children)
                children.append([0, 0])
            node = children[node][bit]
        symbols[node] = symbol
    return children, symbols


_CHILDREN, _SYMBOLS = _tree()


def _step(node: int, bits: int) -> tuple[int, bytes] | None:
    """Go four bits on; None is where the end symbol would be decoded, which nobody may send."""
    decoded = b""
    for shift in (3, 2, 1, 0):
        node = _CHILDREN[node][bits >> shift & 1]
        if node in _SYMBOLS:
            if _SYMBOLS[node] == END:
                return None
            decoded += bytes([_SYMBOLS[node]])
            node = 0
    return node * 16, decoded


def _ends() -> set[int]:
    """Find the nodes where a string may end: after at most seven bits, all of them ones."""
    nodes = [0]
    for _ in range(7):
        nodes.append(_CHILDREN[nodes[-1]][1])
    return {node * 16 for node in nodes}


_STEPS = [_step(node, bits) for node in range(len(_CHILDREN)) for bits in range(16)]
_ENDS = _ends()


@lru_cache(1024)
def decode(text: bytes) -> bytes:
    """Decode a string.

    Raises:
        ValueError: If it holds the end symbol, or ends in something that is no padding.
    """
    node, pieces = 0, []
    for byte in text:
        for bits in (byte >> 4, byte & 15):
            step = _STEPS[node + bits]
            if step is None:
                raise ValueError("the end symbol is part of a string")
            node, decoded = step
            if decoded:
                pieces.append(decoded)
    if node not in _ENDS:
        raise ValueError("a string's padding is wrong")
    return b"".join(pieces)
