"""Long-running processes that outlive this one, found again by pid, start time and boot.

A pid alone is no identity: after a crash or a reboot it may be somebody else's. Nothing here
ever signals a process whose start time is not the recorded one.
"""

import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slipway_dev.packages import SYSTEM_PATH

TERM_SECONDS = 3.0
KILL_SECONDS = 10.0
ENVIRON = {"PATH": SYSTEM_PATH, "HOME": "/root"}  # no proxy, locale or setting of the caller's
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that can't be taken for another one.

    Attributes:
        pid: its number.
        start: clock ticks from boot to its start.
        boot: which boot that was.
    """

    pid: int
    start: int
    boot: str

    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        return _identify(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Signal the process if it is still there."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _identify(pid: int) -> Identity | None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # where it was our child, it must not stay as a zombie
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return Identity(pid, int(fields[19]), BOOT_ID.read_text().strip())


class Processes:
    """The processes of one state folder, by name."""

    def __init__(self, pids: Path, logs: Path) -> None:
        self._pids = pids
        self._logs = logs

    def log(self, name: str) -> Path:
        """The file that a process writes to."""
        return self._logs / f"{name}.log"

    def names(self) -> list[str]:
        """Every name that was started and not stopped, dead or alive."""
        return sorted(file.stem for file in self._pids.glob("*.json"))

    def find(self, name: str) -> Identity | None:
        """The running process of that name."""
        record = self._record(name)
        if record is None:
            return None
        identity = Identity(**record["identity"])
        return identity if identity.alive() else None

    def runs(self, name: str, command: Sequence[str]) -> bool:
        """Whether the process runs, and by this very command."""
        record = self._record(name)
        return (
            self.find(name) is not None and record is not None and record["command"] == [*command]
        )

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process in a session of its own, its output appended to its log."""
        log = str(self.log(name))
        pid = os.posix_spawnp(
            command[0],
            list(command),
            ENVIRON,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        identity = _identify(pid)
        if identity:
            text = json.dumps({"identity": asdict(identity), "command": list(command)}, indent=1)
            self._file(name).write_text(text)

    def stop(self, names: Iterable[str], first: signal.Signals = signal.SIGTERM) -> None:
        """Stop processes all at once: what is left after a few seconds is killed."""
        names = list(names)
        found = [identity for name in names if (identity := self.find(name))]
        end(found, first)
        for name in names:
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._pids / f"{name}.json"

    def _record(self, name: str) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads(self._file(name).read_text())
        except (FileNotFoundError, ValueError):  # cut short by a power failure
            return None
        return record


def end(found: Sequence[Identity], first: signal.Signals = signal.SIGTERM) -> None:
    """Signal processes and return when all are gone."""
    for number, patience in ((first, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        for identity in found:
            identity.send(number)
        limit = time.monotonic() + patience
        while any(identity.alive() for identity in found) and time.monotonic() < limit:
            time.sleep(0.02)


def identify_all(pids: Iterable[int]) -> list[Identity]:
    """Identities of the pids that are running now."""
    return [identity for pid in pids if (identity := _identify(pid))]
