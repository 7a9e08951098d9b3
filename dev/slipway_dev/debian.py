"""A minimal Debian as an image, made by debootstrap from this host's own apt sources.

For machines that reach no registry, but do reach Debian's packages.
"""

import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from slipway_dev.engines import Engine
from slipway_dev.errors import Failure
from slipway_dev.packages import need
from slipway_dev.state import cache_folder
from slipway_dev.steps import run, step

SUITE = "bookworm"
UNUSED = (
    "boot",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
)


def recipe(packages: Sequence[str]) -> str:
    """Name what makes one Debian differ from another."""
    return sha256(repr((SUITE, tuple(packages), UNUSED)).encode()).hexdigest()[:12]


def ensure(engine: Engine, image: str, packages: Sequence[str], remedy: str) -> None:
    """Make an image of Debian's minimum and some packages, where it is missing.

    Args:
        engine: builds it.
        image: its name.
        packages: what it has on top.
        remedy: what to do where debootstrap, or a source of packages, is missing.
    """
    if engine.has(image):
        return
    tree = _tree(packages, remedy)
    with step(f"import {image}"), tempfile.TemporaryDirectory() as folder:
        containerfile = Path(folder, "Containerfile")
        containerfile.write_text(f"FROM scratch\nADD {tree.name} /\n")
        engine.build(image, containerfile, tree.parent)


def _tree(packages: Sequence[str], remedy: str) -> Path:
    """The root file system as a tar file, kept in the cache: it takes most of a minute to make."""
    file = cache_folder() / "base" / recipe(packages) / "root.tar"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with step(f"make a minimal Debian {SUITE}"), tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "root")
            _debootstrap(root, packages, remedy)
            partial = file.with_suffix(".partial")
            run(["tar", "--numeric-owner", "-C", root, "-cf", partial, "."])
            partial.rename(file)
    return file


def _debootstrap(root: Path, packages: Sequence[str], remedy: str) -> None:
    try:
        need("debootstrap")
    except Failure as failure:
        raise Failure("making a minimal Debian", str(failure), remedy=remedy) from failure
    options = ["--variant=minbase", f"--include={','.join(packages)}"]
    run(["debootstrap", *options, SUITE, root, _mirror(remedy)])
    for path in UNUSED:
        shutil.rmtree(root / path)
        (root / path).mkdir()


def _mirror(remedy: str) -> str:
    """Where this host's apt finds the suite."""
    sources = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {SUITE}"])
    if not sources.strip():
        raise Failure(
            f"finding a mirror of Debian {SUITE}",
            "this host's apt has no source for it",
            remedy=remedy,
        )
    return sources.split()[0]
