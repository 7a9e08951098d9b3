"""How requests reach the pods, how many pods there are, and how few there may be."""

from slipway_operator.core import names
from slipway_operator.core.manifest import BUDGET, DEPLOYMENT, ROUTE, SCALER, SERVICE, Manifest
from slipway_operator.core.render.owner import Owner
from slipway_operator.core.route import Route
from slipway_operator.core.spec import Autoscaled, Availability, Fixed

HTTP = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}
H2C = "kubernetes.io/h2c"
"""Tells gateways and meshes that what is behind the port is HTTP/2 without TLS."""


def service(owner: Owner, selector: dict[str, str]) -> Manifest:
    """Build the Service in front of the pods that take the traffic, or of nobody."""
    return owner.child(
        SERVICE,
        owner.name,
        spec={
            "type": "ClusterIP",
            "selector": selector,
            "ports": [
                HTTP,
                {
                    "name": "grpc",
                    "port": names.GRPC_PORT,
                    "protocol": "TCP",
                    "targetPort": "grpc",
                    "appProtocol": H2C,
                },
            ],
        },
    )


def aside(owner: Owner, fingerprint: str) -> Manifest:
    """Build the Service of a revision that gets copies of requests, and no caller's.

    It selects all its pods, those of a canary as well that take callers' requests meanwhile.
    """
    return owner.child(
        SERVICE,
        names.revision(owner.name, fingerprint),
        labels={names.REVISION_LABEL: fingerprint},
        spec={
            "type": "ClusterIP",
            "selector": {names.MODEL_LABEL: owner.name, names.REVISION_LABEL: fingerprint},
            "ports": [HTTP],
        },
    )


def canary(owner: Owner, selector: dict[str, str]) -> Manifest:
    """Build the Service of what gateways give a share to.

    While there is no canary it selects what serves: a gateway that has not heard yet of the last
    weight goes on reaching somebody who answers.
    """
    return owner.child(
        SERVICE,
        names.canary(owner.name),
        spec={"type": "ClusterIP", "selector": selector, "ports": [HTTP]},
    )


def route(owner: Owner, wish: Route, model: str, weight: int | None) -> Manifest:
    """Build the HTTPRoute to a model, of whose requests a canary gets ``weight`` percent.

    Without a weight there is no Service for one.
    """
    backends = [(owner.name, 100 - (weight or 0))]
    backends += [(names.canary(owner.name), weight)] if weight is not None else []
    return owner.child(
        ROUTE,
        owner.name,
        spec={
            "parentRefs": [dict(parent) for parent in wish.parents],
            "hostnames": list(wish.hostnames),
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": names.model_path(model)}}],
                    "backendRefs": [
                        {"name": name, "port": HTTP["port"], "weight": share}
                        for name, share in backends
                    ],
                }
            ],
        },
    )


def scaler(owner: Owner, scale: Autoscaled, fingerprint: str, least: int) -> Manifest:
    """Build the HPA of a revision, which may grow but not fall below ``least`` pods.

    What gateways give to a canary is missing here, and may come back at any time.
    """
    behavior = {"behavior": dict(scale.behavior)} if scale.behavior else {}
    return owner.child(
        SCALER,
        owner.name,
        spec={
            "scaleTargetRef": {
                "apiVersion": DEPLOYMENT.api_version,
                "kind": DEPLOYMENT.kind,
                "name": names.revision(owner.name, fingerprint),
            },
            "minReplicas": min(max(scale.low, least), scale.high),
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


def budget(
    owner: Owner, name: str, availability: Availability, selector: dict[str, str]
) -> Manifest:
    """Build a PodDisruptionBudget; pods that are not ready never block a drain."""
    return owner.child(
        BUDGET,
        name,
        spec={
            "selector": {"matchLabels": selector},
            "maxUnavailable": availability.max_unavailable,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )
