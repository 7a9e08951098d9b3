"""Where a cluster keeps what it must remember."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from slipway_dev.steps import say

SYSTEM_STATE = Path("/var/lib/slipway-dev")


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of PKI, data, logs, kubeconfig and pids; `SLIPWAY_DEV_STATE` overrides it."""
    named = environ.get("SLIPWAY_DEV_STATE")
    if named:
        return Path(named).absolute()
    if os.geteuid() == 0:
        return SYSTEM_STATE
    return _xdg(environ, "XDG_STATE_HOME", ".local/state") / "slipway-dev"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of built binaries, shared by every checkout of this user."""
    return _xdg(environ, "XDG_CACHE_HOME", ".cache") / "slipway"


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """An XDG base folder."""
    return Path(environ.get(variable) or Path.home() / default)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder's lock: two commands at once would undo each other's work."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another slipway_dev command that works on {folder}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
