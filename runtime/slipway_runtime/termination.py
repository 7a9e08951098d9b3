"""The message that a container leaves behind, in the contract's words."""

from pathlib import Path
from typing import Any

import orjson

from slipway_runtime.errors import Fault, Reason

MOST_BYTES = 4096


def write(path: Path, content: bytes) -> None:
    """Leave the message where kubelet looks; without a kubelet there is no such file."""
    if path.exists():
        path.write_bytes(content)


def failed(fault: Fault, log: str = "") -> bytes:
    """Write why there is no model; ``log`` is what was logged last."""
    return _fitted({"reason": fault.reason, "message": fault.message, "hint": fault.hint,
                    "digest": None, "bytes": None, "log": log})  # fmt: skip


def fetched(message: str, digest: str, size: int) -> bytes:
    """Write which model is there."""
    return _fitted({"reason": Reason.FETCHED, "message": message, "hint": "",
                    "digest": digest, "bytes": size, "log": ""})  # fmt: skip


def _fitted(said: dict[str, Any]) -> bytes:
    """Shorten the log, then the message, until all of it fits."""
    while True:
        content = orjson.dumps({"schemaVersion": 1, **said})
        longest = "log" if said["log"] else "message"
        if len(content) <= MOST_BYTES or not said[longest]:
            return content
        said = {**said, longest: said[longest][: len(said[longest]) // 2]}
