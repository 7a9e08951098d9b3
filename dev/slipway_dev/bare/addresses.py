"""Every address and port, all fixed: there is one bare cluster per machine.

The ranges are those of RFC 2544 (benchmarking), which belong to nobody's network.
"""

from dataclasses import dataclass

BRIDGE = "slip0"
HOST = "198.19.128.1"
NODE_NETWORK = "198.19.128.0/24"
SERVICES = "198.19.0.0/17"
API_SERVICE = "198.19.0.1"
API_NAME = "kubernetes.default.svc.cluster.local"
DNS = "198.19.0.10"
PODS = "198.18.0.0/16"
EVERYTHING = "198.18.0.0/15"
MAX_NODES = 16

API_PORT = 6443
ETCD_PORT = 12379
ETCD_PEER_PORT = 12380
REGISTRY_PORT = 5000
REGISTRY = f"localhost:{REGISTRY_PORT}"

PORTS = {
    "etcd": (ETCD_PORT, ETCD_PEER_PORT),
    "kube-apiserver": (API_PORT,),
    "kube-controller-manager": (10257,),
    "kube-scheduler": (10259,),
    "kube-proxy": (10249, 10256),
    "registry": (REGISTRY_PORT,),
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a control plane listens.

    Attributes:
        host: the API server's address.
        api: its port.
        etcd: the port of its store, on 127.0.0.1.
        etcd_peer: the port for the other members of the store, of which there are none.
    """

    host: str = HOST
    api: int = API_PORT
    etcd: int = ETCD_PORT
    etcd_peer: int = ETCD_PEER_PORT


BARE = Endpoints()
"""Those of the one cluster of a machine."""


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """What a node's number makes of it: n1, n2 and so on.

    Attributes:
        number: from 1 to `MAX_NODES`.
    """

    number: int

    @property
    def name(self) -> str:
        """The Node's name."""
        return f"n{self.number}"

    @property
    def scope(self) -> str:
        """The name of its network namespace and its cgroup."""
        return f"slipway-{self.name}"

    @property
    def link(self) -> str:
        """The host's end of its cable."""
        return f"slip-{self.name}"

    @property
    def ip(self) -> str:
        """The node's address on the bridge."""
        return f"198.19.128.{10 + self.number}"

    @property
    def pods(self) -> str:
        """The network of its pods."""
        return f"198.18.{self.number}.0/24"

    @property
    def zone(self) -> str:
        """Its topology zone; each node is one of its own."""
        return f"z{self.number}"


ALL_NODES = tuple(NodeAddress(number) for number in range(1, MAX_NODES + 1))
