"""Makes `.venv` from the lock file: `python3 -m slipway_dev.venv`, before anything is installed."""

import importlib.util
import sys
from pathlib import Path

from slipway_dev.errors import Failure
from slipway_dev.steps import run, step

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv"
LOCK = ROOT / "locks" / "dev.txt"
REMEDY = "check that `pip download pip` works here, and run the command again"


def make() -> None:
    """Create the environment where it is missing, and bring it to what the lock file says."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        _need_ensurepip()
        run([sys.executable, "-m", "venv", FOLDER])
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
    with step(f"install what {LOCK.relative_to(ROOT)} names into .venv"):
        run([*pip, "--require-hashes", "--requirement", LOCK], remedy=REMEDY)
    run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], remedy=REMEDY)


def _need_ensurepip() -> None:
    """Debian ships Python without it, and its own message ends in a stack trace."""
    if importlib.util.find_spec("ensurepip") is None:
        raise Failure(
            "making a virtual environment",
            f"{sys.executable} has no ensurepip",
            remedy="on Debian, as root: apt-get install python3-venv",
        )


if __name__ == "__main__":
    try:
        make()
    except Failure as failure:
        sys.exit(str(failure))
