"""Pid 1 of a node: its own mounts, then its services, each started again when it ends.

It runs in fresh mount, pid, UTS, IPC and cgroup namespaces and in the node's network namespace;
killing it is a power cut. Usage: `python -IS node_init.py FILE`, FILE as `slipway_dev.bare.node`
writes it. It imports nothing of this package, and little else: it lives as long as the node.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")
RESTART_SECONDS = 1.0


def main(plan: dict[str, Any]) -> None:
    """Become the node, for ever."""
    socket.sethostname(plan["name"])
    mount("--make-rprivate", "/")
    mount_sys()
    for source, target in plan["binds"].items():
        mount("--bind", source, target)
    mount("-t", "tmpfs", "tmpfs", "/run")
    for folder in ("netns", "lock", "containerd"):
        Path("/run", folder).mkdir()
    keep(plan["services"], plan["logs"], Path(plan["socket"]))


def mount(*args: str | Path) -> None:
    """Mount something, or end with the reason in the log."""
    subprocess.run(["mount", *args], check=True)


def mount_sys() -> None:
    """Mount /sys and the cgroup hierarchies anew, as this namespace sees them."""
    subprocess.run(["umount", "-l", "-R", "/sys"], check=True)
    mount("-t", "sysfs", "sysfs", "/sys")
    groups = [line.split(":")[1] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    if groups == [""]:
        mount("-t", "cgroup2", "cgroup2", CGROUPS)
        delegate()
        return
    mount("-t", "tmpfs", "tmpfs", CGROUPS)
    for controllers in filter(None, groups):
        mount_v1(controllers)


def mount_v1(controllers: str) -> None:
    """Mount one v1 hierarchy, with a link for each of several controllers."""
    name = controllers.removeprefix("name=")
    folder = CGROUPS / name
    folder.mkdir()
    options = f"none,{controllers}" if name != controllers else controllers
    mount("-t", "cgroup", "-o", options, "cgroup", folder)
    for alias in name.split(",") if "," in name else ():
        (CGROUPS / alias).symlink_to(name)


def delegate() -> None:
    """Move out of the v2 root group: a group with processes can't hand controllers down."""
    leaf = CGROUPS / "init"
    leaf.mkdir()
    (leaf / "cgroup.procs").write_text(str(os.getpid()))
    for controller in (CGROUPS / "cgroup.controllers").read_text().split():
        (CGROUPS / "cgroup.subtree_control").write_text(f"+{controller}")


def keep(services: dict[str, list[str]], logs: str, containerd: Path) -> None:
    """Start the services, reap every orphan, and start again what ends."""
    running = {}
    for name, command in services.items():
        running[start(logs, name, command)] = name
        while not containerd.exists():  # it is the first service, and the others need it
            time.sleep(0.05)
    while True:
        pid, status = os.wait()
        name = running.pop(pid, "")
        if not name:
            continue
        print(f"{name} ended with status {status}, starting it again", flush=True)
        time.sleep(RESTART_SECONDS)
        running[start(logs, name, services[name])] = name


def start(logs: str, name: str, command: list[str]) -> int:
    """Start one service, its output appended to its log."""
    log, flags = f"{logs}-{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
