"""kind and kubectl: those that the user has, else ones that are brought here."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from slipway_dev.bare.binaries import KIND, Binaries
from slipway_dev.errors import Failure
from slipway_dev.steps import run

IN_NODE = "/usr/bin/kubectl"


def find_kind(environ: Mapping[str, str]) -> Path:
    """Find kind on the PATH, else build it.

    Raises:
        Failure: there is none, and no Go that builds one.
    """
    on_path = shutil.which("kind", path=environ.get("PATH"))
    if on_path:
        return Path(on_path)
    binaries = Binaries.of(environ)
    try:
        binaries.build((KIND,))
    except Failure as failure:
        remedy = "install kind 0.30 or newer, or the Go that builds it"
        raise Failure(
            "bringing kind, which is not on the PATH,", str(failure), remedy=remedy
        ) from failure
    return binaries.path(KIND)


def find_kubectl(environ: Mapping[str, str], copy: Path) -> Path:
    """Find kubectl on the PATH, else say where the copy of a node's is, or will be.

    Raises:
        Failure: there is none, and a node's does not run here.
    """
    on_path = shutil.which("kubectl", path=environ.get("PATH"))
    if on_path:
        return Path(on_path)
    if sys.platform != "linux":
        raise Failure("looking for kubectl", "not on the PATH", remedy="install kubectl")
    return copy


def bring_kubectl(wanted: Path, copy: Path, node: str) -> None:
    """Copy a node's kubectl to where `find_kubectl` said, which is of the cluster's version."""
    if wanted == copy:
        run(["docker", "cp", f"{node}:{IN_NODE}", str(copy)])
