"""A control plane of the bench's own, on 127.0.0.1: real, but for the kubelets, which KWOK plays.

It runs as processes with a folder of its own, so that it can be stopped and gone on with.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway_bench import usage
from slipway_bench.scale import furniture
from slipway_bench.scale.access import Access
from slipway_bench.scale.furniture import HOME
from slipway_bench.servers import free_ports
from slipway_dev.bare import pki
from slipway_dev.bare.addresses import Endpoints
from slipway_dev.bare.binaries import ETCD, KUBERNETES, KWOK, Binaries
from slipway_dev.bare.commands import Commands
from slipway_dev.bare.folders import Folders
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.processes import Processes
from slipway_dev.steps import step, until

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests" / "overlays" / "cluster"
HERE = Path(__file__).parent
CRD = "modeldeployments.slipway.dev"
READY_SECONDS = 90.0
UNHURRIED = ("--kube-api-qps=1000", "--kube-api-burst=2000")
SERVERS = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok")


class Plane:
    """One API server with all that makes Deployments into pods."""

    def __init__(self, folder: Path, binaries: Binaries) -> None:
        self._folders = Folders(folder)
        self._binaries = binaries
        self._processes = Processes(self._folders.pids, self._folders.logs)
        self._kubectl = Kubectl(binaries.path(KUBERNETES, "kubectl"), self._folders.kubeconfig)

    @property
    def audit_log(self) -> Path:
        """Where every request of the operator and of the bench is written down."""
        return self._folders.audit_log

    def remove(self) -> None:
        """Forget all that was."""
        shutil.rmtree(self._folders.root, ignore_errors=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it while the context lasts; its data stays."""
        self._binaries.build((ETCD, KUBERNETES, KWOK))
        self._folders.make()
        commands = self._commands()
        self._stop()  # what a bench that was killed has left
        try:
            self._start(SERVERS, commands)
            until(self._answers, "API server ready", READY_SECONDS, self._silent)
            self._install()
            self._start(CONTROLLERS, commands)
            yield
        finally:
            self._stop()

    def _stop(self) -> None:
        """Stop what runs, the store last."""
        for names in (CONTROLLERS, ("kube-apiserver",), ("etcd",)):
            self._processes.stop(names)

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time that each of its processes has used so far."""
        found = {name: self._processes.find(name) for name in (*SERVERS, *CONTROLLERS)}
        return {name: usage.cpu_seconds([each.pid]) for name, each in found.items() if each}

    def access(self, account: str) -> Access:
        """Let somebody in by a token of a service account of the operator's namespace."""
        token = self._kubectl.run("-n", HOME, "create", "token", account, "--duration=24h")
        url = f"https://127.0.0.1:{self._ports()[0]}"
        return Access(url, self._folders.pki / "ca.crt", token.strip())

    def _ports(self) -> list[int]:
        """Choose ports once: certificates and kubeconfigs name them."""
        file = self._folders.root / "ports.json"
        if not file.exists():
            file.write_text(json.dumps(free_ports(5)))
        ports: list[int] = json.loads(file.read_text())
        return ports

    def _commands(self) -> dict[str, list[str]]:
        """Run what the local cluster runs, and let no controller be slower than it could be."""
        api, etcd, peer, controllers, scheduler = self._ports()
        at = Endpoints("127.0.0.1", api, etcd, peer)
        pki.write(self._folders, self._binaries, at)
        found = Commands(self._folders, self._binaries, at).all()
        own = {
            "etcd": (),
            "kube-apiserver": (
                f"--audit-policy-file={HERE / 'audit-policy.yaml'}",
                "--audit-log-maxsize=4000",
                "--endpoint-reconciler-type=none",
            ),
            "kube-controller-manager": (
                f"--secure-port={controllers}",
                "--node-monitor-grace-period=60s",
                *UNHURRIED,
            ),
            "kube-scheduler": (f"--secure-port={scheduler}", *UNHURRIED),
        }
        commands = {name: [*found[name], *flags] for name, flags in own.items()}
        return commands | {"kwok": self._kwok()}

    def _kwok(self) -> list[str]:
        admin = pki.kubeconfig(self._folders, self._binaries, "kwok", "system:masters")
        return [
            str(self._binaries.path(KWOK)),
            f"--kubeconfig={admin}",
            f"--config={HERE / 'stages.yaml'}",
            "--manage-all-nodes",
            "--cidr=10.64.0.0/14",
            "--node-lease-duration-seconds=40",
        ]

    def _start(self, names: tuple[str, ...], commands: dict[str, list[str]]) -> None:
        for name in names:
            self._processes.start(name, commands[name])

    def _answers(self) -> bool:
        for name in SERVERS:
            if not self._processes.find(name):
                raise Failure(f"starting {name}", "it ended", log=self._processes.log(name))
        return self._kubectl.works("get", "--raw=/readyz", "--request-timeout=2s")

    def _silent(self) -> Failure:
        return Failure(
            "waiting for the API server", "no answer", log=self._processes.log("kube-apiserver")
        )

    def _install(self) -> None:
        """Install what a user installs, but no pod of the operator; it runs beside."""
        objects = "\n---\n".join(map(json.dumps, furniture.objects()))
        with step("install nodes, CRD, rights and namespaces"):
            self._apply("--kustomize", str(MANIFESTS))
            self._kubectl.run("-n", HOME, "scale", "deployment/slipway-operator", "--replicas=0")
            self._apply("--filename=-", stdin=objects)
            self._kubectl.run("wait", "--for=condition=Established", f"crd/{CRD}")

    def _apply(self, *what: str, stdin: str | None = None) -> None:
        self._kubectl.run("apply", "--server-side", *what, stdin=stdin)
