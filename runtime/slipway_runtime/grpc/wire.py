"""The little of protobuf's wire format that is read and written by hand."""

_BYTES = [bytes([value]) for value in range(0x80)]


def key(number: int) -> bytes:
    """Write what comes before a field that has a length."""
    return bytes([number << 3 | 2])


def varint(value: int) -> bytes:
    """Write a length."""
    if value < 0x80:
        return _BYTES[value]
    coded = bytearray()
    while value >= 0x80:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)


def field(start: bytes, content: bytes) -> bytes:
    """Write a field that has a length; ``start`` is its key."""
    return start + varint(len(content)) + content
