"""A file that is either complete or not there."""

import errno
import hashlib
import os
from pathlib import Path
from time import monotonic
from typing import Self

from slipway_runtime import logs
from slipway_runtime.errors import Fault, Reason

PROGRESS_SECONDS = 10.0


class Sink:
    """Takes bytes under a temporary name, beside the final one, and counts and hashes them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.part = path.with_name(f".{path.name}.part")
        self.size = 0
        self.expected: int | None = None
        self._hash = hashlib.sha256()
        self._told = monotonic()

    def __enter__(self) -> Self:
        with _DiskFaults(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("wb", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.part.unlink(missing_ok=True)

    @property
    def digest(self) -> str:
        """The SHA-256 of what has come."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append.

        Raises:
            Fault: DiskFull.
        """
        rest = memoryview(chunk)
        with _DiskFaults(self._path):
            while rest:
                rest = rest[self._file.write(rest) :]
        self._hash.update(chunk)
        self.size += len(chunk)
        if monotonic() - self._told > PROGRESS_SECONDS:
            self._told = monotonic()
            logs.info("fetching", file=self._path.name, bytes=self.size, of=self.expected)

    def restart(self) -> None:
        """Forget what has come."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def commit(self) -> None:
        """Make the file appear under its name, whole even after a power cut."""
        with _DiskFaults(self._path):
            os.fsync(self._file.fileno())
            self.part.rename(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


class _DiskFaults:
    """Turns errors of the target directory into faults."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise Fault(
                Reason.DISK_FULL,
                f"{self._path} can't be written: {error.strerror}.",
                "The model has to fit onto the node's disk, and into "
                "spec.resources.limits[ephemeral-storage] if that is set.",
            ) from error
