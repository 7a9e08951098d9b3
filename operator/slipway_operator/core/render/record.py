"""What a revision is: the runtime's settings and the pod, as they are when the revision is born."""

from datetime import timedelta
from typing import Any

from slipway_operator.core.render import pod
from slipway_operator.core.spec import Spec


def record(model: str, spec: Spec, release_image: str) -> dict[str, Any]:
    """Build the record of the revision that ``spec`` asks for.

    ``release_image`` is the runtime of this operator's release: it stays with the revision, so that
    a new operator restarts no pod.
    """
    return {
        "settings": settings(spec),
        "template": pod.template(model, spec, spec.runtime.image or release_image),
    }


def settings(spec: Spec) -> dict[str, Any]:
    """Build the settings file of docs/contract.md."""
    model, runtime = spec.model, spec.runtime
    return {
        "schemaVersion": 1,
        "model": {
            "name": model.name,
            "version": model.version,
            "uri": model.uri,
            "sha256": model.sha256,
        },
        "session": {
            "intraOpNumThreads": runtime.session["intraOpNumThreads"],
            "graphOptimizationLevel": runtime.session["graphOptimizationLevel"],
            "configEntries": dict(runtime.session.get("configEntries", {})),
        },
        "limits": {
            "maxQueue": runtime.max_queue,
            "requestTimeoutSeconds": seconds(runtime.request_timeout),
            "maxRequestBytes": runtime.max_request_bytes,
        },
        "drainSeconds": seconds(spec.availability.drain),
    }


def seconds(duration: timedelta) -> int | float:
    """Count seconds, whole ones as an int: the API server stores 10.0 as 10."""
    count = duration.total_seconds()
    return int(count) if count.is_integer() else count
