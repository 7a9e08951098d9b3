"""Makes virtual environments from lock files, before anything is installed.

python3 -m slipway_dev.venv            .venv: all that developers need
python3 -m slipway_dev.venv clients    .venv-clients: clients of others, for the tests
python3 -m slipway_dev.venv fuzz       .venv-fuzz: a fuzzer, and what the runtime needs
python3 -m slipway_dev.venv peer-NAME  .venv-peer-NAME: a server that ours is measured beside
"""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from slipway_dev import packages
from slipway_dev.errors import Failure
from slipway_dev.steps import run, step

ROOT = Path(__file__).parents[2]
REMEDY = "check that `pip download pip` works here, and run the command again"


@dataclass(frozen=True)
class Environment:
    """A folder of the checkout, and the lock files that it is made from; with Slipway, or not."""

    folder: str
    locks: tuple[str, ...]
    slipway: bool
    options: tuple[str, ...] = ()


def _peer(name: str) -> Environment:
    return Environment(f".venv-{name}", (name,), slipway=False, options=("--no-deps",))


ENVIRONMENTS = {
    "dev": Environment(".venv", ("dev",), slipway=True),
    "clients": Environment(".venv-clients", ("clients",), slipway=False, options=("--no-compile",)),
    "fuzz": Environment(".venv-fuzz", ("runtime", "fuzz"), slipway=False),
    **{name: _peer(name) for name in ("peer-kserve", "peer-mlserver", "peer-triton")},
}


def make(environment: Environment) -> None:
    """Create an environment where it is missing, and bring it to what the lock files say."""
    python = ROOT / environment.folder / "bin" / "python"
    if not python.exists():
        if not _there("ensurepip"):  # Debian ships Python without it
            packages.install(["ensurepip"], ["python3-venv"], _there)
        run([sys.executable, "-m", "venv", ROOT / environment.folder])
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", *environment.options]
    for lock in environment.locks:
        path = ROOT / "locks" / f"{lock}.txt"
        with step(f"install what {path.relative_to(ROOT)} names into {environment.folder}"):
            run([*pip, "--require-hashes", "--requirement", path], remedy=REMEDY)
    if environment.slipway:
        run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], remedy=REMEDY)


def _there(module: str) -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec(module) is not None


if __name__ == "__main__":
    try:
        make(ENVIRONMENTS[sys.argv[1] if len(sys.argv) > 1 else "dev"])
    except Failure as failure:
        sys.exit(str(failure))
