"""The conditions of a ModelDeployment: one function each, from evidence to an answer.

Available asks "are users served?", Ready asks "is your last change what serves?". Reconciling and
Stalled follow kstatus, so that Flux and Argo CD understand them.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from slipway_operator.core import names, rollout, tried
from slipway_operator.core.condition import Condition, sentence
from slipway_operator.core.diagnose import Fault, hinders
from slipway_operator.core.observed import Observed, Scaler
from slipway_operator.core.plan import Plan
from slipway_operator.core.rollout import Phase
from slipway_operator.core.route import Routed
from slipway_operator.core.spec import Strategy
from slipway_operator.core.standing import DEADLINE, ROLLED_BACK
from slipway_operator.core.verified import verified

UPGRADE = "RuntimeCurrent"
ROUTED = "RouteAccepted"
INSTALL = "Install its CRDs and a gateway, or give the operator its rights, or remove spec.route."


def conditions(seen: Observed, plan: Plan, now: datetime) -> list[Condition]:
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
    found += [verified(plan, plan.standing)] if plan.standing is not None else []
    found += [scaling(seen, now)] if seen.scaler is not None else []
    found += [route_accepted(seen.route)] if seen.route is not None else []
    found += [runtime_current(seen, plan, stuck)] if seen.release is not None else []
    return [at_rest(condition) for condition in found] if plan.suspended else found


def refused(seen: Observed, fault: Fault) -> list[Condition]:
    """Answer for a wish that can't be carried out; what is known of serving stays as it was."""
    serving = next((c for c in seen.conditions if c["type"] == "Available"), None)
    status, reason, message = (
        (serving["status"], serving["reason"], serving["message"])
        if serving
        else ("False", fault.reason, fault.message)
    )
    text = sentence(fault)
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
        return Condition("Available", "False", plan.unreachable.reason, sentence(plan.unreachable))
    count = sum(r.ready for r in seen.revisions if r.fingerprint in plan.course.serving)
    if count > 0:
        text = f"{_pods(count)} of {_track(plan)} ready"
        return Condition("Available", "True", "Serving", text)
    fault = plan.fault if plan.traffic.track == names.NOBODY else plan.serving_fault
    if fault is not None:
        return Condition("Available", "False", fault.reason, sentence(fault))
    if plan.traffic.track == names.NOBODY or _between(plan):
        return Condition("Available", "False", *_waits(seen, plan))
    return Condition("Available", "False", "NoReadyPods", f"no pod of {_track(plan)} is ready")


def _between(plan: Plan) -> bool:
    """Say whether nobody is served because the spec has it so, for as long as this takes."""
    waits = plan.phase in {Phase.PREPARING, Phase.VERIFYING} or plan.phase in RETURNING
    return plan.strategy is Strategy.RECREATE and waits


RETURNING = frozenset({Phase.STOPPING, Phase.ROLLING_BACK})
"""Phases in which, after a refusal, what is to serve again has not all of its pods."""


def ready(seen: Observed, plan: Plan) -> Condition:
    """Say whether the last change is what serves, with all the pods it needs."""
    latest = seen.revision(plan.latest)
    if plan.fault is not None:
        return Condition("Ready", "False", *_why(plan, plan.fault))
    alone = plan.traffic.good == plan.latest and not plan.traffic.pooled
    if alone and rollout.complete(latest, plan.needed):
        return Condition("Ready", "True", "Serving", f"revision {plan.latest} serves")
    return Condition("Ready", "False", *_waits(seen, plan))


def _waits(seen: Observed, plan: Plan) -> tuple[str, str]:
    """Give reason and message for what the last change waits for."""
    latest, who = seen.revision(plan.latest), f"revision {plan.latest}"
    match plan.phase:
        case Phase.VERIFYING if plan.standing is not None:
            return "Verifying", plan.standing.message
        case Phase.PAUSED:
            return "Paused", f"{who} waits until spec.rollout.paused is false, or promote names it"
        case Phase.SHADOW | Phase.CANARY | Phase.ROLLING:
            return plan.phase.value, f"{who} {tried.told(plan.course)}"
        case Phase.STOPPING:
            return "Recreating", f"revision {plan.course.aim} starts when all other pods have ended"
        case Phase.ROLLING_BACK:
            text = f"revision {plan.course.aim} takes over again when its pods are ready"
            return "RollingBack", text
        case _:
            reason = "ReplicasUnready" if plan.traffic.good == plan.latest else "RollingOut"
            count = latest.ready if latest else 0
            return reason, f"{who}: {count} of {plan.needed} pods ready"


def stalled(seen: Observed, plan: Plan) -> Condition:
    """Say whether somebody must act: a final fault, or no progress for too long."""
    latest = seen.revision(plan.latest)
    overdue = latest.workload.overdue if latest and latest.workload else None
    if plan.fault is not None and (plan.fault.final or overdue):
        return Condition("Stalled", "True", *_why(plan, plan.fault))
    if overdue and not rollout.complete(latest, plan.needed):
        return Condition("Stalled", "True", DEADLINE, overdue)
    return Condition("Stalled", "False", "NotStalled", "nothing waits for a person")


def _why(plan: Plan, fault: Fault) -> tuple[str, str]:
    """Give reason and message for a fault of the latest revision, and say who serves instead."""
    if not plan.rolled_back:
        return fault.reason, sentence(fault)
    how = "is to serve again" if plan.phase in RETURNING else "serves"
    text = f"revision {plan.traffic.good} {how}; {plan.latest} is refused"
    return ROLLED_BACK, f"{text}, {fault.reason}: {sentence(fault)}"


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
        "ConfigMapMissing",
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
        return Condition("ModelFetched", "False", plan.fault.reason, sentence(plan.fault))
    text = f"no pod of revision {plan.latest} has fetched the model yet"
    return Condition("ModelFetched", "Unknown", "Pending", text)


FIRST_READING = timedelta(seconds=60)
"""How long an HPA has no reading after the first pods: the metrics server asks now and then."""


def scaling(seen: Observed, now: datetime) -> Condition:
    """Pass on what the HPA says of itself, and what it means."""
    scaler = seen.scaler
    if scaler is None or scaler.active is None or _early(seen, scaler, now):
        return Condition("ScalingActive", "Unknown", "Pending", "the HPA has no reading yet")
    status = "True" if scaler.active else "False"
    fault = hinders(scaler)
    if fault is not None:
        return Condition("ScalingActive", status, fault.reason, sentence(fault))
    return Condition("ScalingActive", status, scaler.reason, scaler.message)


def route_accepted(route: Routed) -> Condition:
    """Say whether the gateways that the spec names bring callers to the model."""
    if not route.installed:
        text = f"the cluster has no Gateway API that the operator may use. {INSTALL}"
        return Condition(ROUTED, "False", "GatewayApiMissing", text)
    bad = next((answer for answer in route.answers if answer.accepted is False), None)
    if bad is not None:
        text = f"{bad.parent} does not take the route: {bad.message or bad.reason}"
        return Condition(ROUTED, "False", bad.reason, text)
    silent = [answer.parent for answer in route.answers if answer.accepted is None]
    if silent:
        text = (
            f"{' and '.join(silent)} has not answered: is there such a Gateway, and its controller?"
        )
        return Condition(ROUTED, "Unknown", "Pending", text)
    takers = " and ".join(answer.parent for answer in route.answers)
    return Condition(ROUTED, "True", "Accepted", f"{takers} brings callers to the model")


def runtime_current(seen: Observed, plan: Plan, stuck: Condition) -> Condition:
    """Say whether the model runs on the operator's runtime, as it is to by its upgradePolicy."""
    latest = seen.revision(plan.latest)
    if latest is None or latest.image != seen.release:
        text = f"{seen.release} is taken up in its turn: one ModelDeployment is upgraded at a time"
        return Condition(UPGRADE, "False", "Waiting", text)
    if plan.traffic.good == plan.latest:
        return Condition(UPGRADE, "True", "UpToDate", f"{seen.release} serves")
    if stuck.status == "True":
        return Condition(UPGRADE, "False", stuck.reason, stuck.message)
    return Condition(UPGRADE, "False", "RollingOut", f"{seen.release} is being rolled out")


SUSPENDED = "spec.suspend is true: the operator changes nothing"
WOULD_CHANGE = frozenset(
    {
        *("Serving", "RollingOut", "ReplicasUnready", "Waiting"),
        *("Verifying", "Paused", "Shadow", "Canary", "Rolling", "Recreating", "RollingBack"),
    }
)


def at_rest(condition: Condition) -> Condition:
    """Say the same of a suspended model: it may be served or have its faults, nothing moves."""
    match condition.type:
        case "Progressing" | "Reconciling":
            return Condition(condition.type, "False", "Suspended", SUSPENDED)
        case "Ready" | "RuntimeCurrent" if condition.reason in WOULD_CHANGE:
            text = f"{SUSPENDED}; {condition.message}"
            return replace(condition, reason="Suspended", message=text)
        case _:
            return condition


def _early(seen: Observed, scaler: Scaler, now: datetime) -> bool:
    """Say whether an HPA without a reading has not had the time for one."""
    was = next((c["status"] for c in seen.conditions if c["type"] == "ScalingActive"), "Unknown")
    fresh = scaler.since is not None and now - scaler.since < FIRST_READING
    return not scaler.active and was == "Unknown" and fresh


def _pods(count: int) -> str:
    return f"{count} pod{'s' if count != 1 else ''}"


def _track(plan: Plan) -> str:
    many = len(plan.course.serving) > 1
    return f"revision{'s' if many else ''} {' and '.join(sorted(plan.course.serving))}"
