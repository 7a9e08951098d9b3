"""The conditions of a ModelDeployment: one function each, from evidence to an answer.

Available asks "are users served?", Ready asks "is your last change what serves?". Reconciling and
Stalled follow kstatus, so that Flux and Argo CD understand them.
"""

from dataclasses import dataclass

from slipway_operator.core import rollout
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Observed
from slipway_operator.core.plan import Plan

DEADLINE = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True)
class Condition:
    """One answer; ``status`` is ``True``, ``False`` or ``Unknown``."""

    type: str
    status: str
    reason: str
    message: str


def conditions(seen: Observed, plan: Plan) -> list[Condition]:
    """Answer every question about a model."""
    done, stuck = ready(seen, plan), stalled(seen, plan)
    moving = done.status != "True" and stuck.status != "True"
    found = [
        available(seen, plan),
        done,
        progressing(done, stuck, moving=moving),
        fetched(seen, plan),
        stuck,
        reconciling(done, moving=moving),
    ]
    return found + ([scaling(seen)] if seen.scaler is not None else [])


def refused(seen: Observed, fault: Fault) -> list[Condition]:
    """Answer for a wish that can't be carried out; what is known of serving stays as it was."""
    serving = next((c for c in seen.conditions if c["type"] == "Available"), None)
    status, reason, message = (
        (serving["status"], serving["reason"], serving["message"])
        if serving
        else ("False", fault.reason, fault.message)
    )
    text = _sentence(fault)
    return [
        Condition("Available", status, reason, message),
        Condition("Ready", "False", fault.reason, text),
        Condition("Progressing", "False", fault.reason, text),
        Condition("Stalled", "True", fault.reason, text),
        Condition("Reconciling", "False", fault.reason, text),
    ]


def available(seen: Observed, plan: Plan) -> Condition:
    """Say whether requests are answered now."""
    if plan.unreachable is not None:
        return Condition("Available", "False", plan.unreachable.reason, _sentence(plan.unreachable))
    serving = seen.revision(plan.traffic.track)
    count = serving.ready if serving else 0
    if count > 0:
        text = f"{_pods(count)} of {_track(plan)} ready"
        return Condition("Available", "True", "Serving", text)
    fault = plan.serving_fault
    if fault is not None:
        return Condition("Available", "False", fault.reason, _sentence(fault))
    return Condition("Available", "False", "NoReadyPods", f"no pod of {_track(plan)} is ready")


def ready(seen: Observed, plan: Plan) -> Condition:
    """Say whether the last change is what serves, with all the pods it needs."""
    latest = seen.revision(plan.latest)
    count = latest.ready if latest else 0
    if plan.fault is not None:
        return Condition("Ready", "False", plan.fault.reason, _sentence(plan.fault))
    if plan.traffic.good == plan.latest and rollout.complete(latest, plan.needed):
        return Condition("Ready", "True", "Serving", f"revision {plan.latest} serves")
    reason = "ReplicasUnready" if plan.traffic.good == plan.latest else "RollingOut"
    text = f"revision {plan.latest}: {count} of {plan.needed} pods ready"
    return Condition("Ready", "False", reason, text)


def stalled(seen: Observed, plan: Plan) -> Condition:
    """Say whether somebody must act: a final fault, or no progress for too long."""
    latest = seen.revision(plan.latest)
    overdue = latest.workload.overdue if latest and latest.workload else None
    if plan.fault is not None and (plan.fault.final or overdue):
        return Condition("Stalled", "True", plan.fault.reason, _sentence(plan.fault))
    if overdue and not rollout.complete(latest, plan.needed):
        return Condition("Stalled", "True", DEADLINE, overdue)
    return Condition("Stalled", "False", "NotStalled", "nothing waits for a person")


def progressing(done: Condition, stuck: Condition, *, moving: bool) -> Condition:
    """Say whether the last change is on its way."""
    if moving:
        return Condition("Progressing", "True", done.reason, done.message)
    settled = "Complete" if done.status == "True" else stuck.reason
    text = done.message if done.status == "True" else stuck.message
    return Condition("Progressing", "False", settled, text)


def reconciling(done: Condition, *, moving: bool) -> Condition:
    """Say the same in kstatus's word."""
    if moving:
        return Condition("Reconciling", "True", done.reason, done.message)
    return Condition("Reconciling", "False", "Settled", "nothing is under way")


FETCH_REASONS = frozenset(
    {
        "SourceNotFound",
        "SourceForbidden",
        "SourceUnavailable",
        "DigestMismatch",
        "DiskFull",
        "UnsupportedUri",
    }
)


def fetched(seen: Observed, plan: Plan) -> Condition:
    """Say whether a pod of the latest revision has brought the model, and which it was."""
    latest = seen.revision(plan.latest)
    if latest is not None and latest.digest is not None:
        return Condition("ModelFetched", "True", "Fetched", f"sha256 {latest.digest}")
    if plan.fault is not None and plan.fault.reason in FETCH_REASONS:
        return Condition("ModelFetched", "False", plan.fault.reason, _sentence(plan.fault))
    text = f"no pod of revision {plan.latest} has fetched the model yet"
    return Condition("ModelFetched", "Unknown", "Pending", text)


def scaling(seen: Observed) -> Condition:
    """Pass on what the HPA says of itself."""
    scaler = seen.scaler
    if scaler is None or scaler.active is None:
        return Condition("ScalingActive", "Unknown", "Pending", "the HPA has not reported yet")
    status = "True" if scaler.active else "False"
    return Condition("ScalingActive", status, scaler.reason, scaler.message)


def _sentence(fault: Fault) -> str:
    where = "/".join(part for part in (fault.pod, fault.container) if part)
    parts = (f"{where}:" if where else "", fault.message, fault.hint)
    return " ".join(part for part in parts if part)


def _pods(count: int) -> str:
    return f"{count} pod{'s' if count != 1 else ''}"


def _track(plan: Plan) -> str:
    return f"revision {plan.traffic.track}"
