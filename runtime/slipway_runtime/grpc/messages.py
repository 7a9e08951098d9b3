"""The messages of all services, from their descriptors.

``descriptors.binpb`` is what protoc makes of ``protos/``. It goes into a pool of its own: programs
that know other versions of the same messages, as clients do, can live in the same process.
"""

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from slipway_runtime.errors import InvalidRequestError

__all__ = ["FILES", "POOL", "DecodeError", "message", "parse"]

FILES = descriptor_pb2.FileDescriptorSet.FromString(
    Path(__file__).with_name("descriptors.binpb").read_bytes()
)
POOL = descriptor_pool.DescriptorPool()
for _file in FILES.file:
    POOL.Add(_file)


@cache
def message(name: str) -> Any:
    """Find a message's class by its full name."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def parse(kind: Any, content: bytes) -> Any:
    """Read a message.

    Raises:
        InvalidRequestError: If the bytes are none of its kind.
    """
    try:
        return kind.FromString(content)
    except DecodeError:
        raise InvalidRequestError(
            f"the call's message of {len(content)} bytes is no {kind.DESCRIPTOR.full_name}"
        ) from None
