"""A control group of our own, in whichever hierarchies this machine has.

Every process that we start is in one. So `down` finds them all, even when the pid files are gone.
"""

import os
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
REMOVE_SECONDS = 10.0


def unified() -> bool:
    """Whether this machine has cgroup v2 only; a v2 tree beside v1 ones holds no controllers."""
    return (ROOT / "cgroup.controllers").exists()


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One group, the same name in every hierarchy.

    Attributes:
        name: a direct child of each hierarchy's root.
    """

    name: str

    def make(self) -> None:
        """Create it, with what a process needs to be allowed in."""
        if unified():
            _delegate(ROOT)
        for folder in self._folders():
            folder.mkdir(exist_ok=True)
            if (folder / "cpuset.cpus").exists() and not unified():
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (folder / file).write_text((folder.parent / file).read_text())

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Make a command join the group before it starts."""
        joins = [f"echo $$ > {shlex.quote(str(f / 'cgroup.procs'))}" for f in self._folders()]
        return ["sh", "-ec", "; ".join([*joins, 'exec "$@"']), "sh", *command]

    def pids(self) -> set[int]:
        """Every process in it and below."""
        return {
            int(line)
            for group in self._tree()
            if (group / "cgroup.procs").exists()
            for line in (group / "cgroup.procs").read_text().split()
        }

    def remove(self) -> None:
        """Remove it and what is below; the kernel needs a moment after the last process."""
        end = time.monotonic() + REMOVE_SECONDS
        while tree := self._tree():
            for group in tree:
                with suppress(OSError):
                    group.rmdir()
            if time.monotonic() > end:
                return
            time.sleep(0.05)

    def _folders(self) -> list[Path]:
        if unified():
            return [ROOT / self.name]
        hierarchies = [entry for entry in ROOT.iterdir() if (entry / "tasks").exists()]
        return [entry / self.name for entry in hierarchies if not entry.is_symlink()]

    def _tree(self) -> list[Path]:
        return [group for folder in self._folders() for group in _deepest_first(folder)]


HOST_CGROUP = Cgroup("slipway-host")


def _deepest_first(folder: Path) -> Iterator[Path]:
    for parent, _, _ in os.walk(folder, topdown=False):
        yield Path(parent)


def _delegate(group: Path) -> None:
    """Let the children of a v2 group have every controller that it has itself."""
    for controller in (group / "cgroup.controllers").read_text().split():
        with suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
