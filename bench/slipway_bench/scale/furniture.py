"""What has to be there before the first ModelDeployment: namespaces, nodes, and somebody to ask."""

from collections.abc import Iterator

from slipway_bench.scale.fleet import NAMESPACES

HOME = "slipway-system"
NODES = 20
ROOM = {"cpu": "4k", "memory": "16Ti", "ephemeral-storage": "16Ti", "pods": "1000"}
RBAC = "rbac.authorization.k8s.io"

Object = dict[str, object]


def objects() -> Iterator[Object]:
    """List all of it."""
    for name in NAMESPACES:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    for number in range(NODES):
        yield _node(f"node-{number}")
    account = {"name": "bench", "namespace": HOME}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}
    yield _all_rights(account)


def _node(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"capacity": ROOM, "allocatable": ROOM},
    }


def _all_rights(account: dict[str, str]) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": account["name"]},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", **account}],
    }
