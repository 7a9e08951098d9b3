"""What the process that reads a parquet file tells the server: batches of rows, or a problem.

Each message has its length before it.
"""

from collections.abc import Iterator

import msgspec
import numpy as np

from slipway_runtime.tensors import Array

LENGTH_BYTES = 8


class Part(msgspec.Struct, frozen=True):
    """Rows of one column; ``data`` are strings or, of any other dtype, its bytes."""

    column: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview | list[str]

    @classmethod
    def of(cls, column: str, array: Array) -> "Part":
        """Take an array."""
        if array.dtype.kind == "O":
            return cls(column, array.dtype.str, array.shape, array.ravel().tolist())
        flat = np.ascontiguousarray(array).reshape(-1)
        return cls(column, array.dtype.str, array.shape, flat.view(np.uint8).data)

    def array(self) -> Array:
        """Give it back."""
        if isinstance(self.data, list):
            flat = np.empty(len(self.data), object)
            flat[:] = self.data
            return flat.reshape(self.shape)
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)


class Batch(msgspec.Struct, frozen=True, tag=True):
    """Some rows of all columns."""

    parts: list[Part]


class Problem(msgspec.Struct, frozen=True, tag=True):
    """What is wrong with the file; nothing follows."""

    text: str


def packed(message: Batch | Problem) -> bytes:
    """Write a message."""
    content = msgspec.msgpack.encode(message)
    return len(content).to_bytes(LENGTH_BYTES, "little") + content


def unpacked(content: bytes) -> Iterator[Batch | Problem]:
    """Read all messages; the last may be cut, for want of memory, and is left out then."""
    rest = memoryview(content)
    while len(rest) >= LENGTH_BYTES:
        end = LENGTH_BYTES + int.from_bytes(rest[:LENGTH_BYTES], "little")
        if end > len(rest):
            return
        yield msgspec.msgpack.decode(rest[LENGTH_BYTES:end], type=Batch | Problem)
        rest = rest[end:]
