"""Pods that were well: their node is gone, or they no longer answer."""

from slipway_operator.core import names
from slipway_operator.core.diagnose.fault import Fault, of_container, of_pod
from slipway_operator.core.pods import Pod


def stranded(pod: Pod) -> bool:
    """Say whether all that is known of a pod is from before its node fell silent."""
    return not pod.host.ready if pod.host is not None else pod.orphaned


def node_gone(pod: Pod) -> Fault | None:
    """Find a pod whose node does not report any more."""
    if not stranded(pod):
        return None
    text = f": {pod.host.text}" if pod.host is not None and pod.host.text else ""
    return of_pod(
        pod,
        "NodeGone",
        f"node {pod.node} is not ready{text}",
        "See what became of the node. Kubernetes starts the pod elsewhere after five minutes; "
        f"`kubectl delete pod {pod.name}` does it at once.",
    )


def not_answering(pod: Pod) -> Fault | None:
    """Find a server that was ready, still runs, and is ready no more."""
    container = pod.container(names.SERVE)
    if container is None or not container.running or not pod.lapsed or pod.ready:
        return None
    said = (n.text for n in reversed(pod.notes) if n.text.startswith("Readiness probe"))
    probe = next(said, "its readiness probe fails")
    return of_container(
        pod,
        container,
        "ReadinessLost",
        f"it was ready and is not any more: {probe.strip()}",
        "Look at its log and at its node; if it stays so, the kubelet restarts it.",
    )
