"""What a parquet file says of itself at its end, before any of it is unpacked. Pure.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slipway_runtime.checks import MOST_DATASET_BYTES
from slipway_runtime.verification.npz import UnreadableError
from slipway_runtime.verification.parquet.thrift import Reader, ThriftError

MAGIC, ENCRYPTED = b"PAR1", b"PARE"
MOST_FOOTER_BYTES = 4 << 20
CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")
UNREADABLE_CODECS = ("LZO",)
REPEATED = 2
NARROWEST = {0: 1, 1: 1, 2: 8, 3: 12, 4: 4, 5: 8, 6: 8, 7: 1}
"""Bytes that a value of a physical type takes at least, once read: INT32 has int8 in it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column's part of a group of rows. ``size`` is in bytes, before compression."""

    column: str
    codec: str
    values: int
    size: int
    unpacked: int


@dataclass(frozen=True, slots=True)
class Footer:
    """How many rows there are, and the chunks that they lie in."""

    rows: int
    chunks: tuple[Chunk, ...]

    @property
    def unpacked(self) -> int:
        """How many bytes it says it has, unpacked: what RLE repeats takes no room in a page."""
        return sum(max(chunk.size, chunk.unpacked) for chunk in self.chunks)


def read(content: bytes) -> Footer:
    """Read the footer of a file.

    Raises:
        UnreadableError: It is none, is encrypted, or says that it is too large or packed in a way
            that can't be read.
    """
    try:
        footer = _footer(Reader(_metadata(content)).structure())
    except ThriftError as problem:
        raise UnreadableError(f"its footer is broken: {problem}; write the file anew") from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        raise UnreadableError("its footer is not that of a parquet file; write it anew") from None
    _check(footer)
    return footer


def _metadata(content: bytes) -> bytes:
    if content[-4:] == ENCRYPTED:
        raise _encrypted("its footer is")
    if len(content) < 12 or content[:4] != MAGIC:
        raise UnreadableError("it is no parquet file, which would begin with PAR1")
    if content[-4:] != MAGIC:
        raise UnreadableError(f"it is cut: its {len(content)} bytes do not end with PAR1")
    length = int.from_bytes(content[-8:-4], "little")
    if not 0 < length <= min(MOST_FOOTER_BYTES, len(content) - 12):
        raise UnreadableError(
            f"it says that its footer has {length} bytes; it has {len(content)} in all, and the "
            f"most for a footer are {MOST_FOOTER_BYTES}"
        )
    return content[-8 - length : -8]


def _encrypted(what: str) -> UnreadableError:
    return UnreadableError(f"{what} encrypted, and a server has no key; write it unencrypted")


def _footer(fields: dict[int, Any]) -> Footer:
    if 8 in fields:
        raise _encrypted("it is")
    repeated = {element[4] for element in fields[2] if element.get(3) == REPEATED}
    groups = [_chunks(group, repeated) for group in fields[4]]
    return Footer(int(fields[3]), tuple(chunk for group in groups for chunk in group))


def _chunks(group: dict[int, Any], repeated: set[bytes]) -> Iterator[Chunk]:
    for column in group[1]:
        if 8 in column:
            raise _encrypted("a column is")
        if 1 in column:
            raise UnreadableError("its columns are in other files; write all into one")
        chunk, path = _chunk(column[3]), column[3][3]
        if len(path) == 1 and path[0] not in repeated and chunk.values != group[3]:
            raise UnreadableError(
                f"column {chunk.column!r} has {chunk.values} values where {group[3]} rows are "
                "expected; write the file anew"
            )
        yield chunk


def _chunk(said: dict[int, Any]) -> Chunk:
    name = said[3][0].decode()
    values, size = int(said[5]), int(said[6])
    if values < 0 or size < 0:
        raise UnreadableError(f"column {name!r} has {values} values of {size} bytes; write it anew")
    codec = CODECS[said[4]] if 0 <= said[4] < len(CODECS) else str(said[4])
    return Chunk(name, codec, values, size, values * NARROWEST[said[1]])


def _check(footer: Footer) -> None:
    for chunk in footer.chunks:
        if chunk.codec not in CODECS or chunk.codec in UNREADABLE_CODECS:
            raise UnreadableError(
                f"column {chunk.column!r} is packed with {chunk.codec}; write it with snappy, "
                "zstd, gzip, lz4, brotli or uncompressed"
            )
    if footer.unpacked > MOST_DATASET_BYTES:
        largest = max(footer.chunks, key=lambda chunk: max(chunk.size, chunk.unpacked))
        raise UnreadableError(
            f"its {footer.rows} rows have {footer.unpacked} bytes unpacked, most of them in column "
            f"{largest.column!r}; the most are {MOST_DATASET_BYTES}: write fewer rows"
        )
