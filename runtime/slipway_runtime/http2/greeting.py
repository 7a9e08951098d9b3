"""How a connection begins: what the client must say, and what we promise to keep to."""

from enum import Enum, auto

from slipway_runtime.http2 import frames, heads
from slipway_runtime.http2.frames import PREFACE, Code, ConnectionFault, Setting
from slipway_runtime.http2.streams import STREAM_WINDOW

CONNECTION_WINDOW = 16 << 20
FRAME_SIZE = frames.SMALLEST_FRAME
MOST_STREAMS = 1024

SETTINGS = frames.settings(
    {
        Setting.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
        Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        Setting.MAX_FRAME_SIZE: FRAME_SIZE,
        Setting.MAX_HEADER_LIST_SIZE: heads.MOST_BYTES,
    }
) + frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
HTTP1 = (b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"PATC")
HTTP1_ANSWER = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\n"
    b"connection: close\r\ncontent-length: 58\r\n\r\n"
    b"This port speaks gRPC over HTTP/2; REST has another port.\n"
)


class Greeting(Enum):
    """What a client has said so far."""

    WHOLE = auto()
    PART = auto()
    HTTP1 = auto()


def heard(data: bytes) -> Greeting:
    """Judge what a connection begins with.

    Raises:
        ConnectionFault: If it is neither HTTP/2 nor HTTP/1.
    """
    if data.startswith(PREFACE):
        return Greeting.WHOLE
    if PREFACE.startswith(data):
        return Greeting.PART
    if data[:4] in HTTP1:
        return Greeting.HTTP1
    raise ConnectionFault(Code.PROTOCOL_ERROR, "this is not HTTP/2")
