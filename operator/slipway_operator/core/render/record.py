"""What a revision is: the runtime's settings and the pod, as they are when the revision is born."""

from typing import Any

from slipway_operator.core.render import pod, verification
from slipway_operator.core.spec import Runtime, Spec
from slipway_operator.core.units import seconds


def record(model: str, spec: Spec, release_image: str) -> dict[str, Any]:
    """Build the record of the revision that ``spec`` asks for.

    ``release_image`` is the runtime of this operator's release: it stays with the revision, so that
    a new operator restarts no pod.
    """
    datasets = verification.inline(spec.verification)
    return {
        "settings": settings(spec),
        "template": pod.template(model, spec, spec.runtime.image or release_image),
        "progressDeadlineSeconds": seconds(spec.rollout.deadline),
        **({"datasets": datasets} if datasets else {}),
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
        **_chosen(runtime),
        **({"signature": spec.signature} if spec.signature else {}),
        **({"verification": verification.settings(wish)} if (wish := spec.verification) else {}),
    }


def _chosen(runtime: Runtime) -> dict[str, Any]:
    """Add what is not as it was before there was a choice: older runtimes know no other."""
    written = {
        "executionProviders": list(runtime.execution_providers),
        "requireProvider": runtime.require_provider,
        "batching": {
            "mode": runtime.batching.mode,
            "maxBatchSize": runtime.batching.max_batch_size,
            "maxQueueDelaySeconds": seconds(runtime.batching.max_queue_delay),
        },
    }
    return {key: value for key, value in written.items() if value != UNCHOSEN[key]}


UNCHOSEN: dict[str, Any] = {
    "executionProviders": ["CPU"],
    "requireProvider": True,
    "batching": {"mode": "Auto", "maxBatchSize": 64, "maxQueueDelaySeconds": 0},
}
"""What the runtime does when its settings do not say."""
