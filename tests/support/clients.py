"""Clients of others, in an environment of their own: `make .venv-clients/.ready` makes it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = Path(sys.prefix).parent / ".venv-clients" / "bin"
SCRIPTS = Path(__file__).parents[1] / "clients"
PATIENCE = 120.0


def command(name: str) -> str:
    """Return the path of a program of that environment."""
    path = ENVIRONMENT / name
    assert path.exists(), f"{path} is missing: `make .venv-clients/.ready` makes it"
    return str(path)


def said_by(script: str, *arguments: str) -> Any:
    """Run a script of `tests/clients`, and return what it prints, which is JSON."""
    done = subprocess.run(
        [command("python"), str(SCRIPTS / script), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
