"""A cluster that kind makes of Docker containers: the choice where Docker answers."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from slipway_dev.bare.addons import metrics_server
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.state import alone, state_folder
from slipway_dev.steps import run, say, step

NAME = "slipway"
DEFAULT_NODES = 2
DOCKER_SECONDS = 10
METRICS_IMAGE = "registry.k8s.io/metrics-server/metrics-server:v0.7.2"


def kind_answers(environ: Mapping[str, str]) -> bool:
    """Whether kind is installed and a Docker engine answers."""
    kind, docker = (shutil.which(name, path=environ.get("PATH")) for name in ("kind", "docker"))
    if not (kind and docker):
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


def config(nodes: int) -> str:
    """The configuration of a control plane and some workers."""
    roles = ["control-plane", *["worker"] * nodes]
    lines = "\n".join(f"- role: {role}" for role in roles)
    return f"kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n{lines}\n"


class KindCluster:
    """kind's cluster; see `slipway_dev.cluster.Cluster` for what its members mean."""

    audit_log = None
    context = f"kind-{NAME}"
    kubectl = Path("kubectl")
    registry = "localhost:5000"  # only a name here: images are loaded into the nodes, not pulled

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._state = state_folder(environ)
        self.kubeconfig = self._state / "kind.kubeconfig"
        self._kubectl = Kubectl(self.kubectl, self.kubeconfig, self.context)

    def up(self, nodes: int | None = None) -> None:
        """Have kind make it, and give it metrics."""
        if not shutil.which("kubectl"):
            raise Failure("looking for kubectl", "not on the PATH", remedy="install kubectl")
        with alone(self._state):
            if not self._exists():
                with step("kind creates the cluster"):
                    self._create(nodes or DEFAULT_NODES)
            where = f"--kubeconfig={self.kubeconfig}"
            run(["kind", "export", "kubeconfig", f"--name={NAME}", where])
            self.run("apply", "--server-side", "-f", "-", stdin=metrics_server(METRICS_IMAGE))
            rollout = ["rollout", "status", "--timeout=180s", "deployment/metrics-server"]
            with step("metrics-server ready"):
                self.run("--namespace=kube-system", *rollout)
        say(f"up; export KUBECONFIG={self.kubeconfig}")

    def down(self, *, purge: bool = False) -> None:
        """Have kind delete it, whose data goes with it."""
        if self._exists():
            run(["kind", "delete", "cluster", f"--name={NAME}", f"--kubeconfig={self.kubeconfig}"])
        if purge:
            shutil.rmtree(self._state, ignore_errors=True)
        say("down")

    def status(self) -> str:
        """Its nodes."""
        return self.run("get", "nodes", "-o", "wide") if self._exists() else "not up"

    def load_image(self, image: str, archive: Path | None = None) -> None:
        """Copy it into every node."""
        what = ["image-archive", str(archive)] if archive else ["docker-image", image]
        run(["kind", "load", *what, f"--name={NAME}"])

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl."""
        return self._kubectl.run(*args, stdin=stdin)

    def node(self, name: str) -> "KindNode":
        """One of the containers."""
        found = run(["kind", "get", "nodes", f"--name={NAME}"]).split()
        if name not in found:
            raise Failure(f"looking for node {name}", f"there are {', '.join(found) or 'none'}")
        return KindNode(name, self._kubectl)

    def _exists(self) -> bool:
        return NAME in run(["kind", "get", "clusters"]).split()

    def _create(self, nodes: int) -> None:
        name, where = f"--name={NAME}", f"--kubeconfig={self.kubeconfig}"
        command = ["kind", "create", "cluster", name, where, "--config=-", "--wait=120s"]
        run(command, stdin=config(nodes), remedy="`kind export logs` tells more")


class KindNode:
    """A node that is a Docker container."""

    def __init__(self, name: str, kubectl: Kubectl) -> None:
        self._name = name
        self._kubectl = kubectl

    def off(self) -> None:
        """Kill the container."""
        if run(["docker", "ps", "--quiet", f"--filter=name=^{self._name}$"]):
            run(["docker", "kill", self._name])

    def on(self) -> None:
        """Start the container and plug it in."""
        run(["docker", "start", self._name])
        self.heal()
        self._kubectl.run("wait", "--for=condition=Ready", "--timeout=120s", f"node/{self._name}")

    def cut(self) -> None:
        """Take the container off kind's network."""
        if self._plugged():
            run(["docker", "network", "disconnect", "kind", self._name])

    def heal(self) -> None:
        """Put it on again."""
        if not self._plugged():
            run(["docker", "network", "connect", "kind", self._name])

    def _plugged(self) -> bool:
        networks = "--format={{json .NetworkSettings.Networks}}"
        return '"kind"' in run(["docker", "inspect", networks, self._name])
