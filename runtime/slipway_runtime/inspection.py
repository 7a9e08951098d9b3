"""Looks at a model file before it is loaded, so that what is wrong has a name."""

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path

from slipway_runtime import onnx_file
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.onnx_file import Facts
from slipway_runtime.protobuf import MalformedError

MODEL_FILE = "model.onnx"
"""What `fetch` calls a model, and `serve` looks for."""

AGAIN = "Export the model again and compare its SHA-256 with the source's."


@dataclass(frozen=True, slots=True)
class Found:
    """A model file that is worth loading."""

    path: Path
    digest: str
    size: int
    facts: Facts


def inspect(path: Path, sha256: str | None) -> Found:
    """Check a model file's digest, completeness and external data.

    Raises:
        Fault: DigestMismatch, ModelInvalid or ExternalDataMissing.
    """
    try:
        digest = digest_of(path)
    except OSError as error:
        raise Fault(
            Reason.MODEL_INVALID,
            f"{path} can't be read: {error.strerror}.",
            "`slipway-runtime fetch` brings the model there; see its log.",
        ) from None
    check_digest(str(path), digest, sha256)
    facts = facts_of(path)
    missing = [name for name in facts.external if not (path.parent / name).is_file()]
    if missing:
        raise missing_data(str(path), missing)
    return Found(path, digest, path.stat().st_size, facts)


def digest_of(path: Path) -> str:
    """Compute a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(name: str, digest: str, expected: str | None, field: str = "spec.model") -> None:
    """Compare a file's digest with the one that it must have, which is ``field``'s ``sha256``.

    Raises:
        Fault: DigestMismatch.
    """
    if expected is not None and digest != expected:
        raise Fault(
            Reason.DIGEST_MISMATCH,
            f"{name} has SHA-256 {digest}, expected {expected}.",
            "The source has changed, or the digest in the spec is of another file: correct "
            f"{field}.sha256, or put the right file back.",
        )


def facts_of(path: Path) -> Facts:
    """Read what a model file says of itself.

    Raises:
        Fault: ModelInvalid, if it is incomplete, something else, or names files elsewhere.
    """
    size = path.stat().st_size
    try:
        facts = _facts(path) if size else Facts()
    except MalformedError as problem:
        raise Fault(
            Reason.MODEL_INVALID,
            f"{path} is not a complete ONNX file ({size} bytes): {problem}{_looks_like(path)}.",
            AGAIN,
        ) from None
    if not size:
        raise Fault(Reason.MODEL_INVALID, f"{path} is empty.", AGAIN)
    for location in facts.external:
        if onnx_file.unsafe(location):
            raise Fault(
                Reason.MODEL_INVALID,
                f"{path} keeps weights in {location!r}, which is outside of its own directory.",
                "Save the model with its external data beside it, under a relative path.",
            )
    return facts


def missing_data(name: str, missing: list[str]) -> Fault:
    """Say which weights are not where the model says."""
    return Fault(
        Reason.EXTERNAL_DATA_MISSING,
        f"{name} keeps weights in {', '.join(map(repr, missing))}, and there is no such file.",
        "Put the file beside the model, under the name that the model has for it.",
    )


def _facts(path: Path) -> Facts:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        return onnx_file.read(view)


def _looks_like(path: Path) -> str:
    """Recognise what is often found in a model's place."""
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if start.startswith(b"version https://git-lfs"):
        return "; it is a Git LFS pointer, not the file that it points to"
    if start[:1] == b"<":
        return "; it is a web page or XML"
    return ""
