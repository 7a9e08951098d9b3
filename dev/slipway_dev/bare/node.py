"""A node: a disk, a cable and some namespaces, with the switches of `slipway_dev.cluster.Node`."""

import signal
from dataclasses import dataclass
from pathlib import Path

from slipway_dev import heartbeat
from slipway_dev.bare import network, templates
from slipway_dev.bare.addresses import NodeAddress
from slipway_dev.bare.cgroups import HOST_CGROUP, Cgroup
from slipway_dev.bare.node_disk import NodeDisk
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.processes import Processes, end, identify_all
from slipway_dev.steps import until

READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BareNode:
    """One node of the bare cluster.

    Attributes:
        disk: its address, and what it keeps when it is off.
        processes: the records of what runs.
        kubectl: asks whether it is Ready.
    """

    disk: NodeDisk
    processes: Processes
    kubectl: Kubectl

    @property
    def address(self) -> NodeAddress:
        """Its number, and all that follows from it."""
        return self.disk.address

    @property
    def name(self) -> str:
        """The Node's name, which is its process's too."""
        return self.address.name

    def start(self) -> bool:
        """Start it without waiting for Ready; False when it had power already."""
        network.make_cable(self.address)
        command = HOST_CGROUP.wrap(self.disk.write())
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
        return heartbeat.ready(self.kubectl, self.name)

    def heartbeat(self) -> str:
        """When its kubelet last renewed its Lease; "" before the first time."""
        return heartbeat.last(self.kubectl, self.name)

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


def manifest(address: NodeAddress) -> str:
    """The Node object, made before its kubelet starts, which then adopts it."""
    return templates.render("node.yaml", name=address.name, pods=address.pods, zone=address.zone)
