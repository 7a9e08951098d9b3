"""Programs of dev/tools that only tests use.

python -m support.tools    builds them, which takes longer than a test may
"""

import os
from pathlib import Path

from slipway_dev.bare.binaries import GATEWAY, GITOPS, GRPC, PACKAGING, Binaries, Module


def built(module: Module, program: str = "") -> Path:
    """Return where a program is, and build it when it is not there yet."""
    binaries = Binaries.of(os.environ)
    binaries.build((module,))
    return binaries.path(module, program)


if __name__ == "__main__":
    Binaries.of(os.environ).build((GRPC, GITOPS, PACKAGING, GATEWAY))
