"""The message that a container leaves behind, in the contract's words."""

from pathlib import Path

import orjson

from slipway_runtime.errors import Fault, Reason

MOST_BYTES = 4096


def write(path: Path, content: bytes) -> None:
    """Leave the message where kubelet looks; without a kubelet there is no such file."""
    if path.exists():
        path.write_bytes(content)


def failed(fault: Fault) -> bytes:
    """Write why there is no model."""
    return _fitted(fault.reason, fault.message, fault.hint, None, None)


def fetched(message: str, digest: str, size: int) -> bytes:
    """Write which model is there."""
    return _fitted(Reason.FETCHED, message, "", digest, size)


def _fitted(reason: Reason, message: str, hint: str, digest: str | None, size: int | None) -> bytes:
    """Shorten the message until all of it fits."""
    while True:
        content = orjson.dumps(
            {
                "schemaVersion": 1,
                "reason": reason,
                "message": message,
                "hint": hint,
                "digest": digest,
                "bytes": size,
            }
        )
        if len(content) <= MOST_BYTES or not message:
            return content
        message = message[: len(message) // 2]
