"""Passes of the operator over one ModelDeployment in a cluster of memory."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slipway_operator.core.spec import Spec
from slipway_operator.ports import Ref
from slipway_operator.reconcile import reconcile
from support.builders import DIGEST, a_model
from support.fakes import FakeCluster, a_fake_world

REF = Ref("risk", "fraud")
NEW_URI = {"uri": "https://models.example.org/other.onnx", "sha256": DIGEST}


def a_cluster(**spec: Any) -> FakeCluster:
    """Build a cluster with a ModelDeployment that nobody has looked at."""
    cluster = FakeCluster()
    cluster.add(a_model(**spec))
    return cluster


async def one_pass(cluster: FakeCluster, **said: Mapping[str, Any]) -> timedelta | None:
    """Reconcile once; ``said`` is what each pod address answers when it is asked."""
    return await reconcile(REF, a_fake_world(cluster, **said))


async def settle(cluster: FakeCluster) -> None:
    """Pass again and again while pods come up at once, as on an idle cluster."""
    for _ in range(6):
        await one_pass(cluster)
        cluster.make_all_ready()


def change(cluster: FakeCluster, **spec: Any) -> str:
    """Change the spec as a user would; return the name of the revision it asks for."""
    model = cluster.get("ModelDeployment", "fraud")
    model["spec"] |= spec
    model["metadata"]["generation"] += 1
    return f"fraud-{Spec.parse('fraud', model['spec']).fingerprint}"


def condition(cluster: FakeCluster, kind: str) -> dict[str, Any]:
    """Get a condition that must be there."""
    found = cluster.get("ModelDeployment", "fraud")["status"]["conditions"]
    return next(c for c in found if c["type"] == kind)


def selected(cluster: FakeCluster) -> str:
    """Name the revision that the Service selects."""
    return f"fraud-{cluster.get('Service', 'fraud')['spec']['selector']['slipway.dev/track']}"


def a_pod(revision: str, suffix: str = "x", **status: Any) -> dict[str, Any]:
    """Build a pod of a revision."""
    labels = {"slipway.dev/revision": revision.rpartition("-")[2]}
    return {"metadata": {"name": f"{revision}-{suffix}", "labels": labels}, "status": status}
