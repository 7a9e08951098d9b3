"""The control plane and the registry: processes on the host, started in the order of need."""

from collections.abc import Iterable
from dataclasses import dataclass

from slipway_dev.bare.cgroups import HOST_CGROUP
from slipway_dev.bare.commands import Commands
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.processes import Processes
from slipway_dev.steps import until

FIRST = ("etcd", "kube-apiserver", "registry", "registry-local")
THEN = ("kube-controller-manager", "kube-scheduler", "kube-proxy")
STOP_ORDER = ((*THEN, "registry", "registry-local"), ("kube-apiserver",), ("etcd",))
READY_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What runs on the host.

    Attributes:
        commands: how each process is run.
        processes: the records of what runs.
        kubectl: asks whether the API server answers.
    """

    commands: Commands
    processes: Processes
    kubectl: Kubectl

    def start(self) -> None:
        """Start what does not run; the rest needs the API server and waits for it.

        Raises:
            Failure: something ended, or the API server does not get ready.
        """
        HOST_CGROUP.make()
        self._keep(FIRST)
        if not self._answers():
            until(self._answers, "API server ready", READY_SECONDS, self._unready)
        self._keep(THEN)

    def check(self) -> None:
        """Look whether all still run: a process that dislikes its flags ends soon.

        Raises:
            Failure: one does not.
        """
        self._check((*FIRST, *THEN))

    def stop(self) -> None:
        """Stop all, etcd last."""
        for names in STOP_ORDER:
            self.processes.stop(names)

    def _keep(self, names: Iterable[str]) -> None:
        commands = self.commands.all()
        for name in names:
            command = HOST_CGROUP.wrap(commands[name])
            if not self.processes.runs(name, command):
                self.processes.stop([name])
                self.processes.start(name, command)

    def _check(self, names: Iterable[str]) -> None:
        for name in names:
            if not self.processes.find(name):
                log = self.processes.log(name)
                raise Failure(f"starting {name}", "it ended soon after", log=log)

    def _answers(self) -> bool:
        self._check(FIRST)
        return self.kubectl.works("get", "--raw=/readyz", "--request-timeout=2s")

    def _unready(self) -> Failure:
        return Failure(
            "waiting for the API server",
            f"/readyz did not say ok within {READY_SECONDS:.0f} s",
            log=self.processes.log("kube-apiserver"),
            remedy="if the state is from another version or damaged, `down --purge` and `up` again",
        )
