"""The ModelDeployments that are made, changed, damaged and removed, each the work of a user."""

from collections.abc import Coroutine
from typing import Any

from slipway_bench.scale.access import MERGE, Client

NAMESPACES = [f"bench-{number}" for number in range(10)]
CHILDREN = frozenset(
    {"serviceaccounts", "controllerrevisions", "configmaps", "deployments", "services"}
)
"""What each of them consists of: one replica, so neither budget nor HPA."""

Work = Coroutine[Any, Any, Any]
Object = dict[str, Any]

GROUP = "/apis/slipway.dev/v1alpha1"


def place(number: int) -> tuple[str, str]:
    """Name the namespace and the name of the model of a number."""
    return NAMESPACES[number % len(NAMESPACES)], f"m{number:05d}"


def _path(number: int) -> str:
    namespace, name = place(number)
    return f"{GROUP}/namespaces/{namespace}/modeldeployments/{name}"


def create(client: Client, number: int) -> Work:
    """Make one."""
    namespace, name = place(number)
    body = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"uri": _uri(1)}, "replicas": 1},
    }
    return client.send("POST", f"{GROUP}/namespaces/{namespace}/modeldeployments", body)


def scale(client: Client, number: int, replicas: int) -> Work:
    """Change how many pods it has: two objects are written for it, or one deleted."""
    return client.send("PATCH", _path(number), {"spec": {"replicas": replicas}}, MERGE)


def revise(client: Client, number: int, version: int) -> Work:
    """Give it another model, which is a new revision."""
    return client.send("PATCH", _path(number), {"spec": {"model": {"uri": _uri(version)}}}, MERGE)


async def replace(client: Client, number: int) -> None:
    """Delete it, and make it again at once."""
    await client.send("DELETE", _path(number))
    await create(client, number)


def _uri(version: int) -> str:
    return f"https://models.example.org/m/{version}/model.onnx"


async def child(client: Client, number: int, resource: str) -> str:
    """Find the path of one of its children; of several revisions' it is the last one's."""
    namespace, name = place(number)
    where = f"{ROOTS[resource]}/namespaces/{namespace}/{resource}"
    found = await client.send("GET", f"{where}?labelSelector=slipway.dev/model={name}")
    last = max(found["items"], key=lambda item: str(item["metadata"]["creationTimestamp"]))
    return f"{where}/{last['metadata']['name']}"


ROOTS = {
    "serviceaccounts": "/api/v1",
    "configmaps": "/api/v1",
    "services": "/api/v1",
    "controllerrevisions": "/apis/apps/v1",
    "deployments": "/apis/apps/v1",
}

EDITS: dict[str, Object] = {
    "configmaps": {"data": {"settings.json": "{}"}},
    "services": {"spec": {"selector": {"slipway.dev/track": "nobody"}}},
    "deployments": {"spec": {"progressDeadlineSeconds": 77}},
    "serviceaccounts": {"metadata": {"labels": {"slipway.dev/model": "other"}}},
    "controllerrevisions": {"metadata": {"labels": {"slipway.dev/model": "other"}}},
}
"""A change by hand that has to be undone, of each kind of child.

All else that can be edited of a ControllerRevision is its number, which nothing else knows.
"""


async def census(client: Client) -> dict[tuple[str, str], bool]:
    """Tell of each that there is, by namespace and name, whether its status says it is Ready."""
    found: dict[tuple[str, str], bool] = {}
    token = ""
    while True:
        page = await client.send("GET", f"{GROUP}/modeldeployments?limit=500{token}")
        for item in page["items"]:
            metadata = item["metadata"]
            found[metadata["namespace"], metadata["name"]] = _is_ready(item)
        if not page["metadata"].get("continue"):
            return found
        token = f"&continue={page['metadata']['continue']}"


def _is_ready(model: Object) -> bool:
    conditions = model.get("status", {}).get("conditions", ())
    observed = model.get("status", {}).get("observedGeneration")
    told = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return told and observed == model["metadata"]["generation"]
