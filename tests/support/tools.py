"""Programs of dev/tools that only tests use; `make programs` builds them before."""

import os
from pathlib import Path

from slipway_dev.bare.binaries import Binaries, Module


def built(module: Module, program: str = "") -> Path:
    """Return where a program is, and build it when it is not there yet."""
    binaries = Binaries.of(os.environ)
    binaries.build((module,))
    return binaries.path(module, program)
