"""Commands that come as Debian packages."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from slipway_dev.errors import Failure
from slipway_dev.steps import run, step, succeeds

PACKAGES = {
    "host-local": "containernetworking-plugins",
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "modprobe": "kmod",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "unshare": "util-linux",
}
CNI_FOLDER = Path("/usr/lib/cni")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def need(*commands: str) -> None:
    """Make sure that commands are there, installing their packages where that is possible.

    Raises:
        Failure: some are missing and can't be installed from here.
    """
    missing = [command for command in commands if not _there(command)]
    if missing:
        install(missing, sorted({PACKAGES[command] for command in missing}), _there)


def install(wanted: list[str], packages: list[str], there: Callable[[str], bool]) -> None:
    """Install the packages that have what is wanted.

    Args:
        wanted: what is missing.
        packages: what Debian calls them.
        there: whether one of what was missing is there now.

    Raises:
        Failure: that is not possible here, or does not bring it.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failure(
            "looking for " + ", ".join(wanted),
            "not on this machine, and only root on Debian or Ubuntu can have them installed",
            remedy="install what Debian packages as " + " ".join(packages),
        )
    with step("installing " + " ".join(packages)):
        _install(packages)
    still = [each for each in wanted if not there(each)]
    if still:
        raise Failure("installing " + " ".join(packages), f"still no {', '.join(still)}")


def unpacked(package: str, cache: Path) -> Path:
    """Return the folder with a package's files; it is not installed, so that nothing of it starts.

    Raises:
        Failure: there is no such package, or no apt.
    """
    folder = cache / "deb" / package
    if not folder.is_dir():
        with step(f"unpacking {package}"):
            _unpack(package, folder)
    return folder


def _unpack(package: str, folder: Path) -> None:
    download, partial = folder.with_suffix(".download"), folder.with_suffix(".partial")
    for each in (download, partial):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    if not succeeds(["apt-cache", "show", package]):
        run(["apt-get", "update"], remedy="run it as root, on Debian or Ubuntu")
    run(["apt-get", "download", package], cwd=download, remedy="see what it says by hand")
    [archive] = download.iterdir()
    run(["dpkg-deb", "--extract", archive, partial])
    shutil.rmtree(download)
    partial.rename(folder)


def _there(command: str) -> bool:
    return bool(shutil.which(command, path=f"{SYSTEM_PATH}:{CNI_FOLDER}"))


def _install(packages: list[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    remedy = "see what `apt-get install` of them says by hand"
    run(["apt-get", "update"], environ=quiet, remedy=remedy)
    run(
        ["apt-get", "install", "-y", "--no-install-recommends", *packages],
        environ=quiet,
        remedy=remedy,
    )
