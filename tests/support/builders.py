"""Valid defaults, so that a test states only what it is about."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from slipway_operator.core.observed import Observed, Revision, Workload
from slipway_operator.core.spec import Spec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
URI = "https://models.example.org/fraud.onnx"
DIGEST = "9f" * 32

DEFAULTS: dict[str, Any] = {
    "suspend": False,
    "runtime": {
        "executionProviders": ["CPU"],
        "requireProvider": True,
        "batching": {"mode": "Auto", "maxBatchSize": 64, "maxQueueDelay": "0s"},
        "session": {"intraOpNumThreads": "Auto", "graphOptimizationLevel": "All"},
        "limits": {"maxQueue": 512, "requestTimeout": "10s", "maxRequestBytes": "64Mi"},
    },
    "resources": {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    },
    "rollout": {
        "progressDeadlineSeconds": 600,
        "strategy": "BlueGreen",
        "rollbackWindow": "0s",
        "paused": False,
    },
    "availability": {
        "disruptionBudget": {"maxUnavailable": 1},
        "drainSeconds": 10,
        "spread": "Preferred",
    },
}
"""What the CRD fills in."""

AUTOSCALING: dict[str, Any] = {
    "minReplicas": 2,
    "maxReplicas": 10,
    "metrics": [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 70},
            },
        }
    ],
}


def a_raw_spec(**changes: Any) -> dict[str, Any]:
    """Build ``.spec`` as the API server returns it: two replicas of a model over https."""
    return {"model": {"uri": URI}, **deepcopy(DEFAULTS), "replicas": 2, **changes}


def an_autoscaled_spec(**changes: Any) -> dict[str, Any]:
    """Build ``.spec`` with an HPA from 2 to 10 replicas."""
    raw = a_raw_spec(autoscaling=deepcopy(AUTOSCALING), **changes)
    del raw["replicas"]
    return raw


def a_spec(**changes: Any) -> Spec:
    """Parse ``a_raw_spec``."""
    return Spec.parse("fraud", a_raw_spec(**changes))


def a_model(name: str = "fraud", **spec: Any) -> dict[str, Any]:
    """Build a ModelDeployment that nobody has looked at."""
    return {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {
            "name": name,
            "namespace": "risk",
            "uid": f"uid-{name}",
            "generation": 1,
            "resourceVersion": "1",
        },
        "spec": a_raw_spec(**spec),
    }


def a_revision(fingerprint: str, number: int = 1, **workload: Any) -> Revision:
    """Build a revision whose two pods are ready."""
    healthy = Workload(wanted=2, replicas=2, ready=2)
    return Revision(
        fingerprint=fingerprint,
        number=number,
        record={},
        digest=DIGEST,
        workload=replace(healthy, **workload),
    )


def a_world(*revisions: Revision, **changes: Any) -> Observed:
    """Build what is seen of a model; without changes its Service and status name nothing."""
    return Observed(**{"generation": 1, "now": NOON, "revisions": revisions, **changes})
