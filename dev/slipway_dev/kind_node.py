"""A node that is a Docker container, with the switches of `slipway_dev.cluster.Node`."""

from dataclasses import dataclass

from slipway_dev import heartbeat
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.steps import run, until

READY_SECONDS = 120.0
# Docker's own plug gives a container another address when it goes in again, which its kubelet
# would not know of. So a cable is cut in the node's packet filter, which a restart clears.
WIRES = ("INPUT -i", "OUTPUT -o", "FORWARD -i", "FORWARD -o")
CUT = "iptables -w -C {wire} eth0 -j DROP 2>/dev/null || iptables -w -I {wire} eth0 -j DROP"
HEAL = "while iptables -w -D {wire} eth0 -j DROP 2>/dev/null; do :; done"


@dataclass(frozen=True, slots=True)
class KindNode:
    """One node of kind's cluster.

    Attributes:
        name: of the container, and of the Node.
        kubectl: asks whether it is Ready.
    """

    name: str
    kubectl: Kubectl

    def off(self) -> None:
        """Kill the container."""
        if self._runs():
            run(["docker", "kill", self.name])

    def on(self) -> None:
        """Start the container, and plug it in."""
        self.wait(self.start())

    def start(self) -> str:
        """Give power and network without waiting for Ready.

        Returns:
            The heartbeat after which another has to come; "" where one is as good as another.
        """
        before = "" if self._runs() else self._heartbeat()
        run(["docker", "start", self.name])
        self.heal()
        return before

    def wait(self, after: str) -> None:
        """Return when it is Ready, and has said so after a heartbeat seen before."""

        def heard() -> bool:
            return self._ready() and self._heartbeat() != after

        until(heard, f"node {self.name} Ready", READY_SECONDS, self._unready)

    def cut(self) -> None:
        """Drop whatever comes in or goes out."""
        self._wire(CUT)

    def heal(self) -> None:
        """Let it pass again."""
        self._wire(HEAL)

    def _wire(self, command: str) -> None:
        script = "\n".join(command.format(wire=wire) for wire in WIRES)
        run(["docker", "exec", self.name, "sh", "-c", script])

    def _runs(self) -> bool:
        return bool(run(["docker", "ps", "--quiet", f"--filter=name=^{self.name}$"]))

    def _ready(self) -> bool:
        try:
            return heartbeat.ready(self.kubectl, self.name)
        except Failure:  # the API server may be the node that starts
            return False

    def _heartbeat(self) -> str:
        try:
            return heartbeat.last(self.kubectl, self.name)
        except Failure:
            return ""

    def _unready(self) -> Failure:
        return Failure(
            f"waiting for node {self.name}",
            f"it is not Ready after {READY_SECONDS:.0f} s",
            remedy=f"`docker exec {self.name} journalctl -u kubelet` tells more; "
            "`down`, then `up` makes the cluster anew",
        )
