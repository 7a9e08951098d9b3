"""The base image where none can be pulled: a minimal Debian with Python, made by debootstrap."""

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

from slipway_dev.engines import Engine
from slipway_dev.errors import Failure
from slipway_dev.packages import need
from slipway_dev.state import cache_folder
from slipway_dev.steps import run, step

SUITE = "bookworm"
PACKAGES = ("python3", "ca-certificates")
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
RECIPE = sha256(repr((SUITE, PACKAGES, UNUSED)).encode()).hexdigest()[:12]
IMAGE = f"localhost/slipway-base:{RECIPE}"


def ensure(engine: Engine) -> str:
    """Name the base image, making it first where it is missing."""
    if not engine.has(IMAGE):
        tree = _tree()
        with step("import the base image"), tempfile.TemporaryDirectory() as folder:
            containerfile = Path(folder, "Containerfile")
            containerfile.write_text(f"FROM scratch\nADD {tree.name} /\n")
            engine.build(IMAGE, containerfile, tree.parent)
    return IMAGE


def _tree() -> Path:
    """The root file system as a tar file, kept in the cache: it takes most of a minute to make."""
    file = cache_folder() / "base" / f"{RECIPE}.tar"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with step(f"make a minimal Debian {SUITE}"), tempfile.TemporaryDirectory() as folder:
            root = Path(folder, "root")
            _debootstrap(root)
            partial = file.with_suffix(".partial")
            run(["tar", "--numeric-owner", "-C", root, "-cf", partial, "."])
            partial.rename(file)
    return file


def _debootstrap(root: Path) -> None:
    need("debootstrap")
    options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
    run(["debootstrap", *options, SUITE, root, _mirror()])
    for path in UNUSED:
        shutil.rmtree(root / path)
        (root / path).mkdir()


def _mirror() -> str:
    """Where this host's apt finds the suite."""
    sources = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {SUITE}"])
    if not sources.strip():
        raise Failure(
            f"finding a mirror of Debian {SUITE}",
            "this host's apt has no source for it",
            remedy="name a base image with Python 3.11 in SLIPWAY_BASE_IMAGE",
        )
    return sources.split()[0]
