"""Switches shadowing on and off, as a file says that comes and goes while the server runs."""

import asyncio
from pathlib import Path
from typing import Any

from slipway_runtime import logs
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.shadow.findings import Finding, Tally
from slipway_runtime.shadow.sender import Sender
from slipway_runtime.shadow.wanted import InvalidFileError, Wanted, parse

LOOK_SECONDS = 2.0

Stamp = tuple[int, int, int]
"""By which a file is known from the one that was there before: another inode, time or size."""


class Watch:
    """To be made, and called, on the event loop, once there is a model."""

    def __init__(self, path: Path, plane: DataPlane) -> None:
        self._path = path
        self._plane = plane
        self._loop = asyncio.get_running_loop()
        self._stamp: Stamp | None = None
        self._tally: Tally | None = None
        self._sender: Sender | None = None
        plane.shadow = self
        self._look()

    def close(self) -> None:
        """Stop at once."""
        self._timer.cancel()
        self._stop()

    def describe(self) -> dict[str, Any] | None:
        """Write ``shadow`` of the contract's ``/status``."""
        return self._tally.describe() if self._tally else None

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._stop()
            if stamp:
                self._read()

    def _read(self) -> None:
        try:
            self._start(parse(self._path.read_bytes()))
        except (OSError, InvalidFileError) as problem:
            logs.warning("shadowing is not possible", file=str(self._path), problem=str(problem))

    def _start(self, wanted: Wanted) -> None:
        if self._tally is None or self._tally.revision != wanted.revision:
            self._tally = Tally(wanted.revision)
        signature = self._plane.model().signature
        self._sender = Sender(wanted, self._plane.name, signature, self._told)
        self._plane.overhear = self._sender.overhear
        logs.info("shadowing", revision=wanted.revision, url=wanted.url, percent=wanted.percent)

    def _stop(self) -> None:
        if self._sender:
            self._plane.overhear = None
            self._sender.close()
            self._sender = None
            logs.info("shadowing ended")

    def _told(self, finding: Finding) -> None:
        if self._tally:
            self._tally.add(finding)
        self._plane.metrics.copied(finding.result)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
