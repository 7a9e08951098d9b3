"""A node: its disk, its network, its namespaces, and the switches of `slipway_dev.cluster.Node`."""

import json
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from slipway_dev.bare import network, node_init, pki, templates
from slipway_dev.bare.addresses import DNS, HOST, REGISTRY, REGISTRY_PORT, NodeAddress
from slipway_dev.bare.binaries import KUBERNETES, Binaries
from slipway_dev.bare.cgroups import Cgroup
from slipway_dev.bare.control_plane import proxy_command
from slipway_dev.bare.folders import Folders
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.processes import Processes, end, identify_all
from slipway_dev.steps import until

SOCKET = "/run/containerd/containerd.sock"
READY_SECONDS = 60.0
READY_PATH = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
PODS_MEMORY_GIB = 8
BINDS = {
    "kubelet": "/var/lib/kubelet",
    "containerd": "/var/lib/containerd",
    "cni-state": "/var/lib/cni",
    "pods": "/var/log/pods",
    "containers": "/var/log/containers",
}


@dataclass(frozen=True, slots=True)
class BareNode:
    """One node of the bare cluster.

    Attributes:
        address: its number, and all that follows from it.
        folders: the state.
        binaries: the programs.
        processes: the records of what runs.
        kubectl: makes its Node object and asks whether it is Ready.
        pause: the image that holds each pod's namespaces.
    """

    address: NodeAddress
    folders: Folders
    binaries: Binaries
    processes: Processes
    kubectl: Kubectl
    pause: str

    @property
    def name(self) -> str:
        """The Node's name, which is its process's too."""
        return self.address.name

    @property
    def disk(self) -> Path:
        """The folder that holds all that it keeps."""
        return self.folders.node(self.address)

    def start(self) -> bool:
        """Start it without waiting for Ready; False when it had power already."""
        network.make_cable(self.address)
        plan = self._write_config()
        init = Path(shutil.copy(node_init.__file__, self.disk))
        command = self._cgroup.wrap(_in_namespaces(self.address, init, plan))
        if self.processes.runs(self.name, command):
            return False
        self.kill()
        self._cgroup.make()
        self.processes.start(self.name, command)
        return True

    def ready(self) -> bool:
        """Whether the control plane hears from it; for some seconds true of a dead one, too.

        Raises:
            Failure: the node's pid 1 has ended.
        """
        if not self.runs():
            raise Failure(f"starting node {self.name}", "it ended", log=self._log())
        return self.kubectl.run("get", "node", self.name, READY_PATH) == "True"

    def heartbeat(self) -> str:
        """When its kubelet last renewed its Lease; "" before the first time."""
        lease = ("get", "lease", self.name, "--namespace=kube-node-lease", "--ignore-not-found")
        return self.kubectl.run(*lease, "-o=jsonpath={.spec.renewTime}")

    def wait(self, after: str) -> None:
        """Return when it is Ready, and has said so after a heartbeat seen before."""

        def heard() -> bool:
            return self.ready() and self.heartbeat() != after

        until(heard, f"node {self.name} Ready", READY_SECONDS, self._unready)

    def off(self) -> None:
        """Cut the power."""
        network.unplug(self.address)
        self.kill()

    def on(self) -> None:
        """Give power and network again."""
        before = self.heartbeat()
        self.start()
        self.wait(before)

    def cut(self) -> None:
        """Unplug the network."""
        network.unplug(self.address)

    def heal(self) -> None:
        """Plug the network in again."""
        network.plug(self.address)

    def runs(self) -> bool:
        """Whether it has power."""
        return self.processes.find(self.name) is not None

    def kill(self) -> None:
        """End every process of it; what a reboot clears goes too.

        A kubelet spends 3 s on each dead container whose cgroup it finds when it starts.
        """
        self.processes.stop([self.name], first=signal.SIGKILL)
        end(identify_all(self._cgroup.pids()), first=signal.SIGKILL)
        self._cgroup.remove()

    @property
    def _cgroup(self) -> Cgroup:
        return Cgroup(self.address.scope)

    def _log(self, service: str = "") -> Path:
        return self.processes.log(f"{self.name}-{service}" if service else self.name)

    def _unready(self) -> Failure:
        return Failure(
            f"waiting for node {self.name}",
            f"it is not Ready after {READY_SECONDS:.0f} s",
            log=self._log("kubelet"),
            remedy=f"look at {self._log('containerd')} too, then `up` again",
        )

    def _write_config(self) -> Path:
        """Write the node's configuration files, and return the one that its pid 1 reads."""
        for folder in BINDS:
            (self.disk / folder).mkdir(parents=True, exist_ok=True)
        values = {"disk": self.disk, "socket": SOCKET}
        write = templates.write
        write(self.disk / "containerd.toml", "containerd.toml", pause=self.pause, **values)
        write(self.disk / "cni/10-slipway.conflist", "cni.json", pods=self.address.pods)
        for name in ("_default", REGISTRY):  # whatever an image is called, the answer is local
            hosts = self.disk / "certs.d" / name / "hosts.toml"
            write(hosts, "hosts.toml", host=HOST, port=REGISTRY_PORT)
        kubelet = self.disk / "kubelet.yaml"
        write(kubelet, "kubelet.yaml", **self._kubelet_values())
        plan = self.disk / "plan.json"
        plan.write_text(json.dumps(self._plan(kubelet), indent=1))
        return plan

    def _kubelet_values(self) -> dict[str, str]:
        ca = str(self.folders.pki / "ca.crt")
        return {"ca": ca, "dns": DNS, "socket": SOCKET, "reserved": f"{reserved_mib()}Mi"}

    def _plan(self, kubelet: Path) -> dict[str, object]:
        credentials = pki.node_kubeconfig(self.folders, self.binaries, self.address)
        return {
            "name": self.name,
            "binds": {str(self.disk / folder): target for folder, target in BINDS.items()},
            "logs": str(self.folders.logs / self.name),
            "socket": SOCKET,
            "services": {
                "containerd": ["containerd", f"--config={self.disk / 'containerd.toml'}"],
                "kubelet": [
                    str(self.binaries.path(KUBERNETES, "kubelet")),
                    f"--config={kubelet}",
                    f"--kubeconfig={credentials}",
                    f"--node-ip={self.address.ip}",
                    f"--hostname-override={self.name}",
                ],
                "kube-proxy": proxy_command(self.folders, self.binaries, self.name),
            },
        }


def manifest(address: NodeAddress) -> str:
    """The Node object, made before its kubelet starts, which then adopts it."""
    return templates.render("node.yaml", name=address.name, pods=address.pods, zone=address.zone)


def reserved_mib() -> int:
    """Memory that a node leaves to the machine: all but 8 GiB, and at least half."""
    meminfo = Path("/proc/meminfo").read_text()
    total = int(meminfo.split()[1]) // 1024
    return max(total - PODS_MEMORY_GIB * 1024, total // 2)


def _in_namespaces(address: NodeAddress, init: Path, plan: Path) -> list[str]:
    """The command of a node's pid 1: `ip netns exec` would hide the cgroups, nsenter does not.

    It names nothing of a checkout or a venv: `up` from another one must find the same command.
    """
    unshare = "unshare --mount --pid --uts --ipc --cgroup --fork --kill-child=KILL --mount-proc"
    return [
        "nsenter",
        f"--net=/run/netns/{address.scope}",
        *unshare.split(),
        str(Path(sys.executable).resolve()),
        "-IS",
        str(init),
        str(plan),
    ]
