"""Programs of dev/tools that only tests use.

python -m support.tools NAME ...    builds them, which takes longer than a test may
"""

import os
import sys
from pathlib import Path

from slipway_dev.bare.binaries import GATEWAY, GITOPS, GRPC, PACKAGING, Binaries, Module


def built(module: Module, program: str = "") -> Path:
    """Return where a program is, and build it when it is not there yet."""
    binaries = Binaries.of(os.environ)
    binaries.build((module,))
    return binaries.path(module, program)


if __name__ == "__main__":
    known = {module.name: module for module in (GATEWAY, GITOPS, GRPC, PACKAGING)}
    Binaries.of(os.environ).build([known[name] for name in sys.argv[1:]])
