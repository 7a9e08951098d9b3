"""The layout of the bare cluster's state folder."""

from dataclasses import dataclass
from pathlib import Path

from slipway_dev.bare.addresses import ALL_NODES, NodeAddress


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything is.

    Attributes:
        root: the state folder.
    """

    root: Path

    @property
    def logs(self) -> Path:
        """A log for each process."""
        return self.root / "log"

    @property
    def pids(self) -> Path:
        """A record for each process."""
        return self.root / "pids"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def kubeconfigs(self) -> Path:
        """The components' credentials."""
        return self.root / "kubeconfigs"

    @property
    def kubeconfig(self) -> Path:
        """The user's credentials."""
        return self.root / "kubeconfig"

    @property
    def config(self) -> Path:
        """Rendered configuration files."""
        return self.root / "config"

    @property
    def audit_log(self) -> Path:
        """The API server's log of write requests."""
        return self.logs / "audit.log"

    @property
    def host_memory(self) -> Path:
        """How the host was before."""
        return self.root / "host-before.json"

    def node(self, node: NodeAddress) -> Path:
        """A node's disk."""
        return self.root / "nodes" / node.name

    def known_nodes(self) -> list[NodeAddress]:
        """The nodes that were ever made."""
        return [node for node in ALL_NODES if self.node(node).is_dir()]

    def make(self) -> None:
        """Create the folders; keys are nobody else's business."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.pids, self.config):
            folder.mkdir(exist_ok=True)
        for folder in (self.pki, self.kubeconfigs):
            folder.mkdir(exist_ok=True, mode=0o700)
