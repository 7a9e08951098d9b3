"""What must hold before anything is changed; each refusal names its remedy."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from slipway_dev.bare.addresses import PORTS
from slipway_dev.bare.binaries import Binaries, find_go
from slipway_dev.bare.folders import Folders
from slipway_dev.errors import Failure
from slipway_dev.packages import need
from slipway_dev.processes import Processes
from slipway_dev.steps import run

COMMANDS = (
    "host-local",
    "conntrack",
    "containerd",
    "ip",
    "iptables",
    "modprobe",
    "mount",
    "nft",
    "nsenter",
    "runc",
    "unshare",
)
GIB = 1 << 30
DISK_GIB = 5
BUILD_DISK_GIB = 12
PORT_SECONDS = 2.0


def check(folders: Folders, binaries: Binaries, processes: Processes) -> None:
    """Check the machine.

    Raises:
        Failure: something is missing that can't be installed from here.
    """
    check_machine(sys.platform, os.geteuid())
    need(*COMMANDS)
    if binaries.missing():
        find_go()
        check_disk(binaries.cache, BUILD_DISK_GIB)
    check_disk(folders.root, DISK_GIB)
    for name, ports in PORTS.items():
        if not processes.find(name):
            check_ports(name, ports)


def check_machine(platform: str, user: int) -> None:
    """Check that this is Linux, and that we are root."""
    if platform != "linux":
        raise Failure(
            "bringing up a cluster of processes",
            f"this is {platform}, and it needs Linux",
            remedy="install and start Docker: then the cluster is made by kind",
        )
    if user != 0:
        raise Failure(
            "bringing up a cluster of processes",
            f"user {user}, and it needs root (network namespaces, mounts, cgroups)",
            remedy="run as root, or start a Docker that this user may use",
        )


def check_disk(folder: Path, gib: float) -> None:
    """Check that the disk of a folder, which need not exist yet, has room."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free / GIB
    if free < gib:
        raise Failure(
            f"checking the disk of {folder}",
            f"{free:.1f} GiB are free, and it needs {gib:g}",
            remedy="free some, or choose another place with SLIPWAY_DEV_STATE (the cluster's data) "
            "or XDG_CACHE_HOME (built programs)",
        )


def check_ports(name: str, ports: Iterable[int]) -> None:
    """Check that nobody listens where one of our processes will.

    A process that was just killed may keep its port for a moment.
    """
    for port in ports:
        end = time.monotonic() + PORT_SECONDS
        while taken := _taken(port):
            if time.monotonic() > end:
                raise Failure(
                    f"checking port {port} for {name}",
                    f"{taken}. {_listener(port)}",
                    remedy="stop that process. If it is left from a cluster whose state folder is "
                    "gone, `python -m slipway_dev down` ends it",
                )
            time.sleep(0.05)


def _taken(port: int) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - closed again at once
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _listener(port: int) -> str:
    lines = run(["ss", "-Hltnp", f"sport = :{port}"]).splitlines()
    return f"Listening there: {lines[0]}" if lines else ""
