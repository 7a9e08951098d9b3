"""Builds the Go programs of the cluster and of the tests, ahead of both: `make programs`.

That takes minutes of all CPUs, once, so it is begun while other things wait for the network. It
needs nothing but Python.
"""

import os
import sys

from slipway_dev.bare.binaries import ALL_MODULES, TEST_MODULES, Binaries
from slipway_dev.bare.cluster import BareCluster
from slipway_dev.cluster import find
from slipway_dev.errors import Failure


def main() -> None:
    """Build what is missing; a cluster that others provide has its programs."""
    ours = ALL_MODULES if isinstance(find(), BareCluster) else ()
    Binaries.of(os.environ).build((*ours, *TEST_MODULES))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
