"""What the control plane hears from a node."""

from slipway_dev.kubectl import Kubectl

READY_PATH = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'


def ready(kubectl: Kubectl, node: str) -> bool:
    """Whether the node is Ready; for some seconds true of a dead one, too."""
    return kubectl.run("get", "node", node, READY_PATH) == "True"


def last(kubectl: Kubectl, node: str) -> str:
    """When its kubelet last renewed its Lease; "" before the first time."""
    lease = ("get", "lease", node, "--namespace=kube-node-lease", "--ignore-not-found")
    return kubectl.run(*lease, "-o=jsonpath={.spec.renewTime}")
