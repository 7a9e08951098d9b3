"""The pod that fetches and serves a model: restricted, spread, probed, drained before it ends."""

from math import ceil
from typing import Any
from urllib.parse import urlsplit

from slipway_operator.core import names
from slipway_operator.core.spec import Spec, Spread

PRE_STOP_SECONDS = 2
"""Head start for the news that a pod is ending, before the server changes its behaviour."""
EXIT_SECONDS = 5
STARTUP_SECONDS = 600

PASSED_ON = ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets")
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
            "topologySpreadConstraints": spec.template.get("topologySpreadConstraints")
            or spread(model, spec),
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
        "volumeMounts": mounts(read_only=True),
        "ports": [
            {"name": "http", "containerPort": names.REST_PORT, "protocol": "TCP"},
            {"name": "admin", "containerPort": names.ADMIN_PORT, "protocol": "TCP"},
        ],
        "startupProbe": probe("/started", "admin", period=1, failures=STARTUP_SECONDS),
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
        "resources": {k: dict(v) for k, v in spec.resources.items() if v},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


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


def probe(path: str, port: str, *, period: int, failures: int) -> dict[str, Any]:
    """Build an HTTP probe; ``period`` in seconds."""
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def spread(model: str, spec: Spec) -> list[dict[str, Any]]:
    """Build constraints that put a revision's pods on different nodes and zones.

    A drained or dead node must not count as an empty one, hence ``nodeTaintsPolicy``.
    """
    required = spec.availability.spread is Spread.REQUIRED
    selector = {"matchLabels": {names.MODEL_LABEL: model, names.REVISION_LABEL: spec.fingerprint}}
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": when,
            "nodeTaintsPolicy": "Honor",
            "labelSelector": selector,
        }
        for key, when in (
            ("kubernetes.io/hostname", "DoNotSchedule" if required else "ScheduleAnyway"),
            ("topology.kubernetes.io/zone", "ScheduleAnyway"),
        )
    ]
