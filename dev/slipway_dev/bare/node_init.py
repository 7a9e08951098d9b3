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
from typing import Any

CGROUPS = "/sys/fs/cgroup"
RESTART_SECONDS = 1.0


def main(plan: dict[str, Any]) -> None:
    """Become the node, for ever."""
    socket.sethostname(plan["name"])
    mount("--make-rprivate", "/")
    mount_sys()
    for source, target in plan["binds"].items():
        mount("--bind", source, target)
    mount("-t", "tmpfs", "tmpfs", "/run")
    for folder in ("/run/netns", "/run/lock", "/run/containerd"):
        os.makedirs(folder)
    keep(plan["services"], plan["logs"], plan["socket"])


def mount(*args: str) -> None:
    """Mount something, or end with the reason in the log."""
    subprocess.run(["mount", *args], check=True)


def mount_sys() -> None:
    """Mount /sys and the cgroup hierarchies anew, as this namespace sees them."""
    subprocess.run(["umount", "-l", "-R", "/sys"], check=True)
    mount("-t", "sysfs", "sysfs", "/sys")
    with open("/proc/self/cgroup") as file:
        groups = [line.rstrip("\n").split(":")[1] for line in file]
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
    os.mkdir(f"{CGROUPS}/{name}")
    options = f"none,{controllers}" if name != controllers else controllers
    mount("-t", "cgroup", "-o", options, "cgroup", f"{CGROUPS}/{name}")
    for alias in name.split(",") if "," in name else ():
        os.symlink(name, f"{CGROUPS}/{alias}")


def delegate() -> None:
    """Move out of the v2 root group: a group with processes can't hand controllers down."""
    os.mkdir(f"{CGROUPS}/init")
    write(f"{CGROUPS}/init/cgroup.procs", str(os.getpid()))
    with open(f"{CGROUPS}/cgroup.controllers") as file:
        for controller in file.read().split():
            write(f"{CGROUPS}/cgroup.subtree_control", f"+{controller}")


def write(path: str, text: str) -> None:
    """Write to a kernel file."""
    with open(path, "w") as file:
        file.write(text)


def keep(services: dict[str, list[str]], logs: str, socket_path: str) -> None:
    """Start the services, reap every orphan, and start again what ends."""
    running = {}
    for name, command in services.items():
        running[start(logs, name, command)] = name
        while not os.path.exists(socket_path):  # containerd comes first; the rest need it
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
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (
            os.POSIX_SPAWN_OPEN,
            1,
            f"{logs}-{name}.log",
            os.O_WRONLY | os.O_CREAT | os.O_APPEND,
            0o644,
        ),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)


if __name__ == "__main__":
    with open(sys.argv[1]) as plan_file:
        main(json.load(plan_file))
