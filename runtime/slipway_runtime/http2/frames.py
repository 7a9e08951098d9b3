"""HTTP/2 frames as bytes (RFC 9113, section 4 and 6). Nothing here has a state."""

import struct
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What every client's connection begins with."""

HEAD = struct.Struct(">BHBBI")
"""Length in two parts, type, flags, stream."""
HEAD_SIZE = HEAD.size
WORD = struct.Struct(">I")
SETTING = struct.Struct(">HI")

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

LARGEST_WINDOW = LARGEST_STREAM = (1 << 31) - 1
DEFAULT_WINDOW = 65535
SMALLEST_FRAME, LARGEST_FRAME = 1 << 14, (1 << 24) - 1
"""The bounds that SETTINGS_MAX_FRAME_SIZE may have; the first is also its default."""


class Code(IntEnum):
    """Error codes of RST_STREAM and GOAWAY."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """What SETTINGS can change."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ConnectionFault(Exception):  # noqa: N818 - a fault, as everywhere in Slipway
    """The connection can't go on."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class StreamFault(Exception):  # noqa: N818
    """One stream can't go on; the others can."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def head(size: int, kind: int, flags: int, stream: int) -> bytes:
    """Write the nine bytes in front of a payload of this size."""
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream)


def settings(values: dict[Setting, int]) -> bytes:
    """Write a SETTINGS frame."""
    pairs = b"".join(SETTING.pack(key, value) for key, value in values.items())
    return frame(SETTINGS, 0, 0, pairs)


def reset(stream: int, code: Code) -> bytes:
    """Write an RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, WORD.pack(code))


def window_update(stream: int, size: int) -> bytes:
    """Write a WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, WORD.pack(size))


def go_away(last: int, code: Code, message: str = "") -> bytes:
    """Write a GOAWAY frame: streams after ``last`` were not looked at."""
    return frame(GOAWAY, 0, 0, WORD.pack(last) + WORD.pack(code) + message.encode()[:200])


def unpadded(flags: int, payload: bytes) -> bytes:
    """Strip the padding of DATA and HEADERS.

    Raises:
        ConnectionFault: If there is more padding than payload.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(Code.PROTOCOL_ERROR, "there is more padding than payload")
    return payload[1 : len(payload) - payload[0]]


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Read what the other side asks for; settings that are not known are in it, too.

    Raises:
        ConnectionFault: If a value is not allowed.
    """
    if len(payload) % SETTING.size:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS is not a list of settings")
    pairs: list[tuple[int, int]] = list(SETTING.iter_unpack(payload))
    for key, value in pairs:
        if key == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"ENABLE_PUSH is {value}")
        if key == Setting.INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, f"INITIAL_WINDOW_SIZE is {value}")
        if key == Setting.MAX_FRAME_SIZE and not SMALLEST_FRAME <= value <= LARGEST_FRAME:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"MAX_FRAME_SIZE is {value}")
    return pairs
