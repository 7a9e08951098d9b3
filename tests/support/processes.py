"""The processes of the local cluster, as its faults find them."""

import signal
from contextlib import suppress
from pathlib import Path

from slipway_dev.bare.cgroups import Cgroup
from slipway_dev.processes import end, identify_all

PASSING = (
    *("containerd-shim", "runc", "unshare"),
    *("bridge", "host-local", "loopback", "portmap", "iptables", "ip6tables", "conntrack"),
)
"""What runs a pod, begins one or joins it to the network, and ends with that."""


def processes_of(scope: str) -> dict[str, int]:
    """The daemons of one of our cgroups, by the name of their program."""
    found = {}
    for pid in Cgroup(scope).pids():
        with suppress(OSError):  # it ended meanwhile
            if "kubepods" not in Path(f"/proc/{pid}/cgroup").read_text():
                found[Path(f"/proc/{pid}/comm").read_text().strip()] = pid
    return {name: pid for name, pid in found.items() if not name.startswith(PASSING)}


def kill(pid: int) -> None:
    """Kill a process, and return when it has ended: a large one takes a moment to."""
    end(identify_all([pid]), signal.SIGKILL)
