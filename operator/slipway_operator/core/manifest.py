"""Manifests as values: the kinds there are, their digest, whether the live object has drifted.

What a manifest says belongs to ``render``.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from slipway_operator.core import names

Manifest = dict[str, Any]
Key = tuple[str, str]
"""Kind and name."""


class Kind(NamedTuple):
    """One resource of the Kubernetes API, and the path segment that it is served under."""

    api_version: str
    kind: str
    plural: str


MODEL = Kind(names.API_VERSION, names.KIND, names.PLURAL)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
RECORD = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SERVICE = Kind("v1", "Service", "services")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
SCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
POD = Kind("v1", "Pod", "pods")
NODE = Kind("v1", "Node", "nodes")
EVENT = Kind("events.k8s.io/v1", "Event", "events")

OWNED = (RECORD, SERVICE_ACCOUNT, CONFIG_MAP, DEPLOYMENT, SERVICE, SCALER, BUDGET, ROUTE)
"""The kinds that the operator creates for a model."""
OPTIONAL = frozenset({ROUTE})
"""Those of them that an API server may not know."""


_BY_NAME = {kind.kind: kind for kind in (MODEL, *OWNED)}


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """Tell of which of the operator's kinds an object is."""
    return _BY_NAME[manifest["kind"]]


def key(manifest: Mapping[str, Any]) -> Key:
    """Identify an object within its namespace: kind and name."""
    return manifest["kind"], manifest["metadata"]["name"]


def digest(value: Any) -> str:
    """Return the SHA-256 of ``value`` as canonical JSON, in hex."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


ATOMIC = frozenset({"selector", "nodeSelector", "labelSelector"})
"""Maps that are one value: a key more selects something else."""


def covers(live: Any, desired: Any) -> bool:
    """Say whether ``live`` holds all that ``desired`` asks for.

    The API server adds defaults to what was applied and drops what is empty, so a live object may
    hold more; what it holds otherwise is drift. Lists are compared element by element.
    """
    if live == desired:  # most of it is, and this is told without a walk
        return True
    match desired:
        case dict():
            return isinstance(live, dict) and all(
                _covers_key(name, live.get(name), wanted) for name, wanted in desired.items()
            )
        case list():
            return (
                isinstance(live, list)
                and len(live) == len(desired)
                and all(covers(a, b) for a, b in zip(live, desired, strict=True))
            )
        case _:
            return False


def _covers_key(name: str, live: Any, desired: Any) -> bool:
    if live is None and desired in ({}, [], None, ""):
        return True
    if name in ATOMIC:
        return covers(live, desired) and covers(desired, live)
    if name == "averageValue" and isinstance(live, str):
        return quantity(live) == quantity(desired)
    if name in {"requests", "limits"} and isinstance(live, dict) and isinstance(desired, dict):
        return {k: quantity(v) for k, v in live.items()}.items() >= {
            k: quantity(v) for k, v in desired.items()
        }.items()
    return covers(live, desired)


_BINARY = {s: Decimal(1024) ** i for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_DECIMAL = {
    s: Decimal(1000) ** i for i, s in zip((-3, -2, -1, 1, 2, 3, 4, 5, 6), "numkMGTPE", strict=True)
}
_SUFFIXES = _BINARY | _DECIMAL


def quantity(text: str | int) -> Decimal:
    """Read a Kubernetes quantity, such as ``500m``, ``64Mi`` or ``2``.

    Raises:
        ValueError: If it is none.
    """
    digits = str(text)
    suffix = next((s for s in sorted(_SUFFIXES, key=len, reverse=True) if digits.endswith(s)), "")
    try:
        return Decimal(digits.removesuffix(suffix)) * _SUFFIXES.get(suffix, Decimal(1))
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 64Mi or 2") from error
