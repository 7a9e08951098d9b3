"""Header blocks that come in several frames."""

from slipway_runtime.http2.frames import Code, ConnectionFault

MOST_BYTES = 32 << 10
"""Of a header block as it comes, in all its frames."""
MOST_FRAMES = 16


class Block:
    """One that HEADERS has begun and CONTINUATION goes on with."""

    __slots__ = ("_content", "_frames", "flags", "stream_id")

    def __init__(self, flags: int, stream_id: int, content: bytes) -> None:
        self.flags = flags
        self.stream_id = stream_id
        self._content = bytearray(content)
        self._frames = 0

    def go_on(self, stream_id: int, content: bytes) -> None:
        """Take one more frame.

        Raises:
            ConnectionFault: If it is another stream's, or one too many.
        """
        if stream_id != self.stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "CONTINUATION of another stream")
        self._content += content
        self._frames += 1
        if len(self._content) > MOST_BYTES or self._frames > MOST_FRAMES:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a header block is too long")

    def whole(self) -> bytes:
        """Return what came."""
        return bytes(self._content)
