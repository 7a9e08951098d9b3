"""The pod that fetches and serves a model: restricted, spread, probed, drained before it ends."""

from collections.abc import Mapping
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from slipway_operator.core import names
from slipway_operator.core.render import verification
from slipway_operator.core.spec import Spec, Spread

PRE_STOP_SECONDS = 2
"""Head start for the news that a pod is ending, before the server changes its behaviour."""
EXIT_SECONDS = 5

PASSED_ON = ("nodeSelector", "tolerations", "priorityClassName", "imagePullSecrets")
"""Fields of spec.template that are the pod's own, word for word."""


def template(model: str, spec: Spec, image: str) -> dict[str, Any]:
    """Build the pod template of the revision that ``spec`` asks for."""
    extra = spec.template.get("metadata", {})
    own = {names.REVISION_LABEL: spec.fingerprint, names.TRACK_LABEL: spec.fingerprint}
    metadata = {"labels": {**extra.get("labels", {}), **names.labels(model), **own}}
    if extra.get("annotations"):
        metadata["annotations"] = extra["annotations"]
    passed = {k: spec.template[k] for k in PASSED_ON if spec.template.get(k)}
    return {
        "metadata": metadata,
        "spec": {
            "serviceAccountName": spec.template.get("serviceAccountName", model),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace_seconds(spec),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": names.USER_ID,
                "runAsGroup": names.USER_ID,
                "fsGroup": names.USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **placement(model, spec),
            "initContainers": [fetch(spec, image)],
            "containers": [serve(spec, image)],
            "volumes": volumes(model, spec),
            **passed,
        },
    }


def grace_seconds(spec: Spec) -> int:
    """Count what an orderly end takes: head start, drain, the longest request, and the exit."""
    request = ceil(spec.runtime.request_timeout.total_seconds())
    drain = ceil(spec.availability.drain.total_seconds())
    return PRE_STOP_SECONDS + drain + request + EXIT_SECONDS


def fetch(spec: Spec, image: str) -> dict[str, Any]:
    """Build the init container that brings the model."""
    source = {"name": "source", "mountPath": names.SOURCE_FOLDER, "readOnly": True}
    return container(names.FETCH, spec, image) | {
        "volumeMounts": [*mounts(read_only=False), *([source] if _source(spec) else [])]
    }


def serve(spec: Spec, image: str) -> dict[str, Any]:
    """Build the container that answers predictions."""
    return container(names.SERVE, spec, image) | {
        "volumeMounts": [*mounts(read_only=True), *verification.mounts(spec.verification)],
        "ports": [
            {"name": "http", "containerPort": names.REST_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": names.GRPC_PORT, "protocol": "TCP"},
            {"name": "admin", "containerPort": names.ADMIN_PORT, "protocol": "TCP"},
        ],
        "startupProbe": probe(
            "/started",
            "admin",
            period=1,
            timeout=1,
            failures=ceil(spec.rollout.deadline.total_seconds()),
        ),
        "readinessProbe": probe("/v2/health/ready", "http", period=2, failures=2),
        "livenessProbe": probe("/v2/health/live", "http", period=10, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
    }


def container(name: str, spec: Spec, image: str) -> dict[str, Any]:
    """Build what both containers have in common."""
    return {
        "name": name,
        "image": image,
        "command": ["slipway-runtime", name],
        "env": [
            *({"name": e["name"], "value": e["value"]} for e in spec.template.get("env", ())),
            {"name": "ORT_DISABLE_TELEMETRY", "value": "1"},
        ],
        "resources": {k: _needed(name, v) for k, v in spec.resources.items() if v},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _needed(container: str, amounts: Mapping[str, Any]) -> dict[str, Any]:
    """Leave devices, which have a domain in their name, to the container that computes."""
    return {k: v for k, v in amounts.items() if container == names.SERVE or "/" not in k}


def mounts(*, read_only: bool) -> list[dict[str, Any]]:
    """Build the mounts of docs/contract.md; ``read_only`` is for the models' folder."""
    models = {"name": "models", "mountPath": names.MODELS_FOLDER}
    return [
        {"name": "settings", "mountPath": names.SETTINGS_FOLDER, "readOnly": True},
        models | {"readOnly": True} if read_only else models,
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the pod
    ]


def volumes(model: str, spec: Spec) -> list[dict[str, Any]]:
    """Build the volumes behind the mounts."""
    settings = {"name": names.revision(model, spec.fingerprint)}
    source = _source(spec)
    return [
        {"name": "settings", "configMap": settings},
        {"name": "models", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        *([{"name": "source", **source}] if source else []),
        *verification.volumes(spec.verification),
    ]


def _source(spec: Spec) -> dict[str, Any] | None:
    """Build the volume that the model comes from, where it is one.

    A ConfigMap is optional for the kubelet: without it the pod still starts and `fetch` says
    plainly what is missing.
    """
    uri = urlsplit(spec.model.uri)
    match uri.scheme:
        case "pvc":
            return {"persistentVolumeClaim": {"claimName": uri.netloc, "readOnly": True}}
        case "configmap":
            return {"configMap": {"name": uri.netloc, "optional": True}}
        case _:
            return None


def probe(path: str, port: str, *, period: int, failures: int, timeout: int = 5) -> dict[str, Any]:
    """Build an HTTP probe; ``period`` and ``timeout`` in seconds."""
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def placement(model: str, spec: Spec) -> dict[str, Any]:
    """Put a revision's pods on different nodes and zones, unless the user places them.

    A drained or dead node must not count as an empty one, hence ``nodeTaintsPolicy``. Zones are no
    second constraint: of nodes that lack the label of one, the scheduler would disregard both.
    """
    affinity = spec.template.get("affinity", {})
    if theirs := spec.template.get("topologySpreadConstraints"):
        return {"topologySpreadConstraints": theirs, **({"affinity": affinity} if affinity else {})}
    required = spec.availability.spread is Spread.REQUIRED
    peers = {"matchLabels": {names.MODEL_LABEL: model, names.REVISION_LABEL: spec.fingerprint}}
    nodes = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule" if required else "ScheduleAnyway",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": peers,
    }
    zones = {"topologyKey": "topology.kubernetes.io/zone", "labelSelector": peers}
    preferred = [{"weight": 100, "podAffinityTerm": zones}]
    apart = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    return {"topologySpreadConstraints": [nodes], "affinity": {**apart, **affinity}}
