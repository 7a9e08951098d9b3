"""The bare-host cluster: `up` is the list of its steps, each of which does only what is missing."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from slipway_dev import engines, oci
from slipway_dev.bare import addons, host, network, pki, preflight
from slipway_dev.bare.addresses import ALL_NODES, MAX_NODES, REGISTRY, NodeAddress
from slipway_dev.bare.binaries import KUBERNETES, PAUSE, Binaries
from slipway_dev.bare.cgroups import HOST_CGROUP
from slipway_dev.bare.commands import Commands
from slipway_dev.bare.control_plane import FIRST, THEN, ControlPlane
from slipway_dev.bare.folders import Folders
from slipway_dev.bare.node import BareNode, manifest
from slipway_dev.bare.node_disk import NodeDisk
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.processes import Processes, end, identify_all
from slipway_dev.state import alone, state_folder
from slipway_dev.steps import say

DEFAULT_NODES = 2


class BareCluster:
    """Processes on this host; see `slipway_dev.cluster.Cluster` for what its members mean."""

    registry = REGISTRY
    context = pki.CONTEXT

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._folders = Folders(state_folder(environ))
        self._binaries = Binaries.of(environ)
        self._processes = Processes(self._folders.pids, self._folders.logs)
        self._kubectl = Kubectl(self.kubectl, self.kubeconfig)
        commands = Commands(self._folders, self._binaries)
        self._control_plane = ControlPlane(commands, self._processes, self._kubectl)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self._folders.kubeconfig

    @property
    def kubectl(self) -> Path:
        """Built with the rest of Kubernetes."""
        return self._binaries.path(KUBERNETES, "kubectl")

    @property
    def audit_log(self) -> Path | None:
        """Always known."""
        return self._folders.audit_log

    def up(self, nodes: int | None = None) -> None:
        """Bring up what is missing."""
        wanted = self._wanted(nodes)
        with alone(self._folders.root):
            preflight.check(self._folders, self._binaries, self._processes)
            self._binaries.build()
            self._folders.make()
            host.change(self._folders.host_memory)
            network.make_bridge()
            pki.write(self._folders, self._binaries)
            self._control_plane.start()
            addons.push_images(self._binaries)
            self._start_nodes(wanted)
            self._control_plane.check()
            addons.apply(self._kubectl, len(wanted))
        say(f"up: {len(wanted)} nodes; export KUBECONFIG={self.kubeconfig}")

    def down(self, *, purge: bool = False) -> None:
        """Stop and remove all of it."""
        preflight.check_machine(sys.platform, os.geteuid())
        with alone(self._folders.root):
            for address in ALL_NODES:
                self._node(address).kill()
            self._control_plane.stop()
            end(identify_all(HOST_CGROUP.pids()))
            HOST_CGROUP.remove()
            network.remove()
            host.forget_rules()
            host.unmount_below(self._folders.root)
            host.restore(self._folders.host_memory)
            if purge:
                shutil.rmtree(self._folders.root)
        say("down" + ("" if purge else f"; data and logs stay in {self._folders.root}"))

    def status(self) -> str:
        """A line for each process and each node."""
        names = [*FIRST, *THEN, *(n.name for n in self._folders.known_nodes())]
        lines = []
        for name in names:
            found = self._processes.find(name)
            state = f"pid {found.pid}" if found else "not running"
            lines.append(f"{name:24} {state:14} {self._processes.log(name)}")
        if self._processes.find("kube-apiserver"):
            lines += ["", self.run("get", "nodes", "-o", "wide")]
        return "\n".join(lines)

    def load_image(self, image: str, archive: Path | None = None) -> None:
        """Push it to the local registry."""
        if archive:
            oci.push_archive(image, archive)
        else:
            engines.push(image)
        say(f"the nodes can pull {image}")

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl."""
        if not self.kubeconfig.exists():
            raise Failure(
                "running kubectl",
                "there is no cluster yet",
                remedy="run `python -m slipway_dev up`",
            )
        return self._kubectl.run(*args, stdin=stdin)

    def node(self, name: str) -> BareNode:
        """One of the nodes that were brought up."""
        known = {address.name: address for address in self._folders.known_nodes()}
        if name not in known:
            raise Failure(f"looking for node {name}", f"there are {', '.join(known) or 'none'}")
        return self._node(known[name])

    def _wanted(self, nodes: int | None) -> list[NodeAddress]:
        if nodes is not None and not 1 <= nodes <= MAX_NODES:
            raise Failure("choosing nodes", f"{nodes}, expected 1 to {MAX_NODES}")
        known = self._folders.known_nodes()
        count = max(len(known), nodes or (0 if known else DEFAULT_NODES))
        return [*ALL_NODES[:count]]

    def _start_nodes(self, wanted: list[NodeAddress]) -> None:
        """Start all nodes before waiting for the first."""
        objects = "---\n".join(map(manifest, wanted))
        self.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=objects)
        nodes = [self._node(address) for address in wanted]
        before = {node.name: node.heartbeat() for node in nodes}
        started = {node.name: node.start() for node in nodes}
        for node in nodes:
            if started[node.name] or not node.ready():
                node.wait(before[node.name])

    def _node(self, address: NodeAddress) -> BareNode:
        disk = NodeDisk(address, self._folders, self._binaries, addons.image(PAUSE))
        return BareNode(disk, self._processes, self._kubectl)
