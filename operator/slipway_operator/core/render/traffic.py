"""How requests reach the pods, how many pods there are, and how few there may be."""

from slipway_operator.core import names
from slipway_operator.core.manifest import BUDGET, DEPLOYMENT, SCALER, SERVICE, Manifest
from slipway_operator.core.render.owner import Owner
from slipway_operator.core.spec import Autoscaled, Availability, Fixed


def service(owner: Owner, track: str) -> Manifest:
    """Build the Service in front of the one revision that takes the traffic."""
    return owner.child(
        SERVICE,
        owner.name,
        spec={
            "type": "ClusterIP",
            "selector": names.serving(owner.name, track),
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
        },
    )


def scaler(owner: Owner, scale: Autoscaled, track: str) -> Manifest:
    """Build the HPA; it scales the revision that takes the traffic."""
    behavior = {"behavior": dict(scale.behavior)} if scale.behavior else {}
    return owner.child(
        SCALER,
        owner.name,
        spec={
            "scaleTargetRef": {
                "apiVersion": DEPLOYMENT.api_version,
                "kind": DEPLOYMENT.kind,
                "name": names.revision(owner.name, track),
            },
            "minReplicas": scale.low,
            "maxReplicas": scale.high,
            "metrics": [dict(metric) for metric in scale.metrics],
            **behavior,
        },
    )


def several(scale: Fixed | Autoscaled) -> bool:
    """Say whether there can be more than one pod, so that a budget can be kept."""
    match scale:
        case Fixed(replicas):
            return replicas > 1
        case Autoscaled(high=high):
            return high > 1


def budget(owner: Owner, availability: Availability, track: str) -> Manifest:
    """Build the PodDisruptionBudget; pods that are not ready never block a drain."""
    return owner.child(
        BUDGET,
        owner.name,
        spec={
            "selector": {"matchLabels": names.serving(owner.name, track)},
            "maxUnavailable": availability.max_unavailable,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )
