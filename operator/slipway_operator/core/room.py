"""How much room the nodes have for one more pod: the scheduler says what lacks, not how much."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from slipway_operator.core.manifest import quantity
from slipway_operator.core.pods import requests

Node = Mapping[str, Any]
Spec = Mapping[str, Any]

ENDED = frozenset({"Succeeded", "Failed"})
REPELS = frozenset({"NoSchedule", "NoExecute"})


def room(
    spec: Spec, nodes: Iterable[Node], pods: Iterable[Mapping[str, Any]]
) -> dict[str, Decimal]:
    """Find the most of each resource that is free on any one node which would take the pod.

    ``spec`` is the pod's; ``pods`` are those of all nodes. Affinity is not looked at.
    """
    used = _used(pods)
    most: dict[str, Decimal] = {}
    for node in nodes:
        if not welcomes(node, spec):
            continue
        taken = used.get(node["metadata"]["name"], {})
        for name, amount in node.get("status", {}).get("allocatable", {}).items():
            free = quantity(amount) - taken.get(name, Decimal(0))
            most[name] = max(free, most.get(name, Decimal(0)))
    return most


def welcomes(node: Node, spec: Spec) -> bool:
    """Say whether a node's labels and taints let a pod in."""
    labels = node["metadata"].get("labels", {})
    if not spec.get("nodeSelector", {}).items() <= labels.items():
        return False
    taints = [t for t in node.get("spec", {}).get("taints", ()) if t["effect"] in REPELS]
    return all(_tolerated(taint, spec.get("tolerations", ())) for taint in taints)


def _tolerated(taint: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        t.get("effect") in {None, "", taint["effect"]}
        and t.get("key") in {None, "", taint["key"]}
        and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", ""))
        for t in tolerations
    )


def _used(pods: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Decimal]]:
    used: dict[str, dict[str, Decimal]] = {}
    for pod in pods:
        node = pod.get("spec", {}).get("nodeName")
        if node is None or pod.get("status", {}).get("phase") in ENDED:
            continue
        taken = used.setdefault(node, {})
        for name, amount in (requests(pod["spec"]) | {"pods": Decimal(1)}).items():
            taken[name] = taken.get(name, Decimal(0)) + amount
    return used


def amount(name: str, value: Decimal) -> str:
    """Write an amount of a resource for people: bytes as MiB or GiB, anything else as a number."""
    if not name.startswith(("memory", "ephemeral-storage", "hugepages-")):
        return f"{value.normalize():f}"
    mebibytes = value / 2**20
    return f"{mebibytes:.0f}Mi" if mebibytes < 1024 else f"{mebibytes / 1024:.1f}Gi"
