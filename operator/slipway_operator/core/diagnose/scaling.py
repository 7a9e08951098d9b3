"""What keeps an HPA from doing its work."""

from slipway_operator.core.diagnose.fault import Fault
from slipway_operator.core.observed import Scaler


def without_metrics(scaler: Scaler) -> Fault | None:
    """Find an HPA that does not know the load."""
    if not scaler.reason.startswith(("FailedGet", "InvalidMetric")):
        return None
    return Fault(
        reason="MetricsUnavailable",
        message=scaler.message,
        hint="The number of pods stays as it is. See whether the cluster has a metrics server that "
        "works: `kubectl top pods`.",
    )


def at_most(scaler: Scaler) -> Fault | None:
    """Find an HPA that would have more pods than it may."""
    if not scaler.active or scaler.capped is None:
        return None
    return Fault(
        reason="AtMaxReplicas",
        message=scaler.capped,
        hint="Raise spec.autoscaling.maxReplicas, or give each pod more in spec.resources.",
    )
