"""A node's disk: its configuration, and the command that turns it into a running node."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from slipway_dev import timings
from slipway_dev.bare import node_init, pki, templates
from slipway_dev.bare.addresses import DNS, HOST, REGISTRY, REGISTRY_PORT, NodeAddress
from slipway_dev.bare.binaries import KUBERNETES, Binaries
from slipway_dev.bare.cgroups import Cgroup
from slipway_dev.bare.commands import proxy_command
from slipway_dev.bare.folders import Folders

SOCKET = "/run/containerd/containerd.sock"
PODS_MEMORY_GIB = 8
BINDS = {
    "kubelet": "/var/lib/kubelet",
    "containerd": "/var/lib/containerd",
    "cni-state": "/var/lib/cni",
    "pods": "/var/log/pods",
    "containers": "/var/log/containers",
}


@dataclass(frozen=True, slots=True)
class NodeDisk:
    """What a node keeps when it is off.

    Attributes:
        address: its number, and all that follows from it.
        folders: the state.
        binaries: the programs.
        pause: the image that holds each pod's namespaces.
    """

    address: NodeAddress
    folders: Folders
    binaries: Binaries
    pause: str

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.folders.node(self.address)

    def write(self) -> list[str]:
        """Write the configuration, and return the command of the node's pid 1.

        It names nothing of a checkout or a venv: `up` from another one must find it unchanged.
        """
        for folder in BINDS:
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self._write_containerd()
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps(self._plan(self._write_kubelet()), indent=1))
        init = Path(shutil.copy(node_init.__file__, self.folder))
        return _in_namespaces(self.address, Path(sys.executable).resolve(), init, plan)

    def _write_containerd(self) -> None:
        """Let containerd take every image from the local registry, whatever it is called."""
        places = {"disk": self.folder, "socket": SOCKET}
        target = self.folder / "containerd.toml"
        templates.write(target, "containerd.toml", pause=self.pause, **places)
        network = self.folder / "cni" / "10-slipway.conflist"
        templates.write(network, "cni.json", pods=self.address.pods)
        for name in ("_default", REGISTRY):
            hosts = self.folder / "certs.d" / name / "hosts.toml"
            templates.write(hosts, "hosts.toml", host=HOST, port=REGISTRY_PORT)

    def _write_kubelet(self) -> Path:
        return templates.write(
            self.folder / "kubelet.yaml",
            "kubelet.yaml",
            ca=self.folders.pki / "ca.crt",
            dns=DNS,
            lease=timings.NODE_LEASE_SECONDS,
            reserved=f"{reserved_mib()}Mi",
            socket=SOCKET,
        )

    def _plan(self, kubelet: Path) -> dict[str, object]:
        """What `node_init` reads."""
        name = self.address.name
        credentials = pki.node_kubeconfig(self.folders, self.binaries, self.address)
        return {
            "name": name,
            "binds": {str(self.folder / source): target for source, target in BINDS.items()},
            "logs": str(self.folders.logs / name),
            "socket": SOCKET,
            "services": {
                "containerd": ["containerd", f"--config={self.folder / 'containerd.toml'}"],
                "kubelet": [
                    str(self.binaries.path(KUBERNETES, "kubelet")),
                    f"--config={kubelet}",
                    f"--kubeconfig={credentials}",
                    f"--node-ip={self.address.ip}",
                    f"--hostname-override={name}",
                ],
                "kube-proxy": proxy_command(self.folders, self.binaries, name),
            },
        }


def reserved_mib() -> int:
    """Memory that a node leaves to the machine: all but 8 GiB, and at least half."""
    meminfo = Path("/proc/meminfo").read_text()
    total = int(meminfo.split()[1]) // 1024
    return max(total - PODS_MEMORY_GIB * 1024, total // 2)


def _in_namespaces(address: NodeAddress, *python: Path) -> list[str]:
    """Run Python as pid 1 of a node.

    `ip netns exec` would hide the cgroups, nsenter does not. Pid 1 joins the node's cgroup and only
    then makes it the root of what it sees: the unshare outside must not be in it, for a v2 group
    with processes of its own hands no controllers down.
    """
    outer = "unshare --mount --pid --uts --ipc --fork --kill-child=KILL --mount-proc"
    program, *rest = map(str, python)
    pid1 = Cgroup(address.scope).wrap(["unshare", "--cgroup", program, "-IS", *rest])
    return ["nsenter", f"--net=/run/netns/{address.scope}", *outer.split(), *pid1]
