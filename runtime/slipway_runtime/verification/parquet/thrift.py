"""Reads Thrift's compact protocol, in which a parquet file says what it holds. Pure.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

MOST_DEPTH = 32


class Kind(IntEnum):
    """What a value is; a field that is a boolean has no more than its kind."""

    TRUE = 1
    FALSE = 2
    I8 = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    SET = 10
    MAP = 11
    STRUCT = 12


class ThriftError(Exception):
    """The bytes are no such structure."""


@dataclass(slots=True)
class Reader:
    """Reads ``content`` from ``at`` on."""

    content: bytes
    at: int = 0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Read a structure: its fields by their numbers, and structures in it likewise.

        Raises:
            ThriftError: It is none, or ends too early.
        """
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, _kind(head & 15)
            number = number + step if step else self._integer()
            flag = kind in {Kind.TRUE, Kind.FALSE}
            fields[number] = kind is Kind.TRUE if flag else self._value(kind, depth + 1)
        return fields

    def _value(self, kind: Kind, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise ThriftError(f"it has more than {MOST_DEPTH} levels")
        match kind:
            case Kind.LIST | Kind.SET:
                return self._list(depth)
            case Kind.MAP:
                return self._map(depth)
            case Kind.STRUCT:
                return self.structure(depth)
            case Kind.DOUBLE | Kind.BINARY:
                return self._taken(8 if kind is Kind.DOUBLE else self._varint())
            case _:
                return self._byte() if kind <= Kind.I8 else self._integer()

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = self._varint() if head >> 4 == 15 else head >> 4
        kind = _kind(head & 15)
        return [self._value(kind, depth + 1) for _ in range(self._possible(count))]

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        count = self._possible(self._varint())
        if not count:
            return []
        kinds = self._byte()
        key, value = _kind(kinds >> 4), _kind(kinds & 15)
        return [(self._value(key, depth + 1), self._value(value, depth + 1)) for _ in range(count)]

    def _possible(self, count: int) -> int:
        """Refuse more elements than there are bytes: each takes one at least."""
        if count > len(self.content) - self.at:
            raise ThriftError(f"it says that {count} elements follow, and ends")
        return count

    def _taken(self, size: int) -> bytes:
        taken = self.content[self.at : self.at + size]
        if len(taken) < size:
            raise ThriftError(f"it says that {size} bytes follow, and ends")
        self.at += size
        return taken

    def _byte(self) -> int:
        return self._taken(1)[0]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ThriftError("it has a number of more than ten bytes")

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise ThriftError(f"it has a value of kind {number}") from None
