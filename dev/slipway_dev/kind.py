"""A cluster that kind makes of Docker containers: the choice where Docker answers."""

import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from slipway_dev.bare.addons import await_readings, metrics_server
from slipway_dev.errors import Failure
from slipway_dev.kind_config import config
from slipway_dev.kind_node import KindNode
from slipway_dev.kind_programs import bring_kubectl, find_kind, find_kubectl
from slipway_dev.kubectl import Kubectl
from slipway_dev.state import alone, state_folder
from slipway_dev.steps import run, say, step

NAME = "slipway"
CONTROL_PLANE = f"{NAME}-control-plane"
DEFAULT_NODES = 2
DOCKER_SECONDS = 10
METRICS_IMAGE = "registry.k8s.io/metrics-server/metrics-server:v0.7.2"


def docker_answers(environ: Mapping[str, str]) -> bool:
    """Whether a Docker engine answers."""
    docker = shutil.which("docker", path=environ.get("PATH"))
    if not docker:
        return False
    try:
        asked = subprocess.run(
            [docker, "version", "--format={{.Server.Version}}"],
            env=environ,
            capture_output=True,
            timeout=DOCKER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def not_created(failure: Failure, logs: Path) -> Failure:
    """Say why kind made no cluster.

    Args:
        failure: what kind said.
        logs: the folder that `kind export logs` wrote.
    """
    found = str(failure)
    log = next(map(_telling, sorted(logs.glob("*/kubelet.log"))), None)
    if log:
        remedy = f"all logs of the nodes are in {logs}; they themselves are gone. `up` tries again"
    elif "failed to pull image" in found:
        remedy = "name a node image that can be pulled, or is there, in SLIPWAY_KIND_IMAGE"
    else:
        remedy = "no node has run, so this is all that there is to read. `up` tries again"
    return Failure("creating a cluster with kind", found, log=log, remedy=remedy)


def _telling(kubelet: Path) -> Path:
    """The kubelet's log; what the node printed, where it ended before Docker could ask for that."""
    ended = "is not running" in kubelet.read_text(errors="replace")
    return kubelet.with_name("serial.log") if ended else kubelet


class KindCluster:
    """kind's cluster; see `slipway_dev.cluster.Cluster` for what its members mean."""

    audit_log = None
    context = f"kind-{NAME}"
    registry = "localhost:5000"  # only a name here: images are loaded into the nodes, not pulled

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._state = state_folder(environ)
        self._node_image = environ.get("SLIPWAY_KIND_IMAGE", "")
        self.kubeconfig = self._state / "kind.kubeconfig"
        self._own_kubectl = self._state / "kind.kubectl"
        self._made = self._state / "kind.made"

    @property
    def kubectl(self) -> Path:
        """The user's, else the nodes'."""
        return find_kubectl(self._environ, self._own_kubectl)

    def up(self, nodes: int | None = None) -> None:
        """Have kind make it, or start what stands still, and give it metrics."""
        kubectl = self.kubectl
        with alone(self._state):
            found = self._nodes()
            if not found:
                self._create(nodes or DEFAULT_NODES)
            bring_kubectl(kubectl, self._own_kubectl, CONTROL_PLANE)
            if found:
                self._repair(found, nodes)
            self._measure()
        say(f"up; export KUBECONFIG={self.kubeconfig}")

    def down(self, *, purge: bool = False) -> None:
        """Have kind delete it, whose data goes with it."""
        with alone(self._state):
            if self._nodes():
                self._delete()
            if purge:
                self._forget()
        say("down")

    def status(self) -> str:
        """Its nodes."""
        return self.run("get", "nodes", "-o", "wide") if self._nodes() else "not up"

    def load_image(self, image: str, archive: Path | None = None) -> None:
        """Copy it into every node."""
        what = ["image-archive", str(archive)] if archive else ["docker-image", image]
        self._kind("load", *what)

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl."""
        return self._bound().run(*args, stdin=stdin)

    def node(self, name: str) -> KindNode:
        """One of the containers."""
        found = self._nodes()
        if name not in found:
            raise Failure(f"looking for node {name}", f"there are {', '.join(found) or 'none'}")
        return self._node(name)

    def _node(self, name: str) -> KindNode:
        return KindNode(name, self._bound())

    def _bound(self) -> Kubectl:
        return Kubectl(self.kubectl, self.kubeconfig, self.context)

    def _kind(self, *args: str, stdin: str | None = None) -> str:
        return run([find_kind(self._environ), *args, f"--name={NAME}"], stdin=stdin)

    def _nodes(self) -> list[str]:
        """The containers, also those that stand still; none where there is no cluster.

        Raises:
            Failure: somebody else made it.
        """
        found = self._kind("get", "nodes").split()
        if found and not self._made.exists():
            raise Failure(
                "looking for our cluster among kind's",
                f"one is named {NAME}, but {self._made} does not say that it was made from here",
                remedy=f"`kind delete cluster --name {NAME}` if nobody needs it; or name the "
                "folder that it was made from in SLIPWAY_DEV_STATE",
            )
        return found

    def _create(self, nodes: int) -> None:
        options = ["--config=-", "--wait=120s", "--retain"]  # or the logs were gone with the nodes
        if self._node_image:
            options.append(f"--image={self._node_image}")
        self._made.touch()
        try:
            with step("kind creates the cluster"):
                self._kind("create", "cluster", *options, self._written(), stdin=config(nodes))
        except Failure as failure:
            logs = self._state / "kind"
            shutil.rmtree(logs, ignore_errors=True)  # an older failure's would mislead
            with suppress(Failure):
                self._kind("export", "logs", str(logs))
            self._delete()
            raise not_created(failure, logs) from failure

    def _repair(self, names: list[str], nodes: int | None) -> None:
        """Start the nodes that stand still, and wait until all are Ready."""
        workers = len(names) - 1
        if nodes and nodes > workers:
            raise Failure(
                f"having {nodes} nodes",
                f"the cluster has {workers}, and kind adds none to it",
                remedy=f"`down`, then `up --nodes {nodes}`",
            )
        started = {node: node.start() for node in map(self._node, names)}
        self._kind("export", "kubeconfig", self._written())
        for node, before in started.items():
            node.wait(before)

    def _measure(self) -> None:
        """Have metrics-server run, and the API server reach it."""
        self.run("apply", "--server-side", "-f", "-", stdin=metrics_server(METRICS_IMAGE))
        remedy = (
            f"where the nodes can't pull {METRICS_IMAGE}, have docker get it from elsewhere under "
            "this name, then `load-image` it and `up` again"
        )
        await_readings(self._bound(), len(self._nodes()), remedy)

    def _forget(self) -> None:
        """Remove what is ours of a folder where a cluster of processes may live, too."""
        shutil.rmtree(self._state / "kind", ignore_errors=True)
        for file in (*self._state.glob("kind.*"), *self._state.glob("*-evidence.log")):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            self._state.rmdir()

    def _delete(self) -> None:
        self._kind("delete", "cluster", self._written())
        self._made.unlink(missing_ok=True)

    def _written(self) -> str:
        """Where kind writes how its cluster is reached: never into the user's own file."""
        return f"--kubeconfig={self.kubeconfig}"
