"""From a plan and a world to the status that people and pipelines read.

A fixed point: an unchanged world gives an unchanged status, since each needless write wakes every
watcher, this operator included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from slipway_operator.core import history, names
from slipway_operator.core.condition import Condition
from slipway_operator.core.conditions import conditions, refused
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.plan import Plan
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.rollout import Mirror, Phase, Role, Share
from slipway_operator.core.units import written

Status = dict[str, Any]


def report(owner: tuple[str, str], seen: Observed, plan: Plan, now: datetime) -> Status:
    """Build the whole status; ``owner`` is the object's namespace and name."""
    namespace, name = owner
    shown = seen.revision(plan.traffic.track) or seen.revision(plan.latest)
    serving = (r.workload for r in seen.revisions if r.fingerprint in plan.course.serving)
    workloads = [workload for workload in serving if workload is not None]
    labels = plan.traffic.selector(name)
    status: Status = {
        "observedGeneration": seen.generation,
        "url": names.model_url(namespace, name, shown.model) if shown else "",
        "replicas": sum(workload.replicas for workload in workloads),
        "readyReplicas": sum(workload.ready for workload in workloads),
        "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
        "latestRevision": names.revision(name, plan.latest),
        "revisions": [
            _revision(name, replace(r, retired=_retired(r, seen, plan, now)), plan)
            for r in plan.keep
        ],
        "conditions": stamp(seen, conditions(seen, plan, now), now),
    }
    if plan.traffic.good is not None:
        status["stableRevision"] = names.revision(name, plan.traffic.good)
    if plan.phase is not Phase.COMPLETE or plan.course.until is not None:
        status["rollout"] = _rollout(name, plan, history.began(seen, plan, now))
    if past := history.rollouts(name, seen, plan, now):
        status["rollouts"] = past
    return status


def _rollout(name: str, plan: Plan, began: datetime) -> dict[str, Any]:
    """Say where a rollout is; at rest there is none."""
    found: dict[str, Any] = {
        "revision": names.revision(name, plan.latest),
        "strategy": plan.strategy.value,
        "phase": plan.phase.value,
        "startedTime": written(began),
    }
    if plan.choice.why:
        found["message"] = plan.choice.why[: history.MESSAGE_LIMIT]
    trial = plan.course.trial
    if trial.mirror is not None and plan.course.tried:
        found["shadow"] = _shadow(trial.mirror)
    if trial.share is not None and plan.course.tried:
        found["canary"] = _canary(trial.share)
    rolling = plan.course.rolling
    if rolling is not None and plan.traffic.pooled:
        since = {"progressTime": written(rolling.since)} if rolling.since else {}
        numbers = {"replicas": rolling.replicas, "updatedReplicas": rolling.updated}
        found["rollingUpdate"] = {**numbers, **since}
    return found


def _shadow(mirror: Mirror) -> dict[str, Any]:
    times = {"startedTime": mirror.since, "finishedTime": mirror.ended}
    known = {key: written(time) for key, time in times.items() if time is not None}
    return {
        "percent": mirror.wish.percent,
        **known,
        **(mirror.numbers() if mirror.ended else {}),
    }


def _canary(share: Share) -> dict[str, Any]:
    return {
        "passedSteps": share.passed,
        "weight": share.weight,
        "actualWeight": share.percent,
        "weightedBy": "HTTPRoute" if share.weighed else "Pods",
        "pods": share.pods,
        **({"startedTime": written(share.since)} if share.since else {}),
    }


def _retired(revision: Revision, seen: Observed, plan: Plan, now: datetime) -> datetime | None:
    """Tell when a revision gave up the traffic: in this pass, if status has it as the good one."""
    if revision.fingerprint == plan.traffic.good:
        return None
    return now if revision.fingerprint == seen.good else revision.retired


def report_refusal(seen: Observed, old: Mapping[str, Any], fault: Fault, now: datetime) -> Status:
    """Build the status of a wish that can't be carried out; what serves goes on serving."""
    kept = {k: v for k, v in old.items() if k != "conditions"}
    found = refused(seen, fault)
    return {
        **kept,
        "observedGeneration": seen.generation,
        "conditions": stamp(seen, found, now),
    }


def stamp(seen: Observed, found: Sequence[Condition], now: datetime) -> list[Mapping[str, Any]]:
    """Write conditions out, keeping the old time of each unless its status flipped."""
    return [_stamp(seen, condition, now) for condition in found]


def _stamp(seen: Observed, condition: Condition, now: datetime) -> Mapping[str, Any]:
    was = next((c for c in seen.conditions if c["type"] == condition.type), None)
    same = was is not None and was["status"] == condition.status
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message[:MESSAGE_LIMIT],
        "observedGeneration": seen.generation,
        "lastTransitionTime": was["lastTransitionTime"] if same and was else written(now),
    }


MESSAGE_LIMIT = 4096


def _revision(name: str, revision: Revision, plan: Plan) -> dict[str, Any]:
    role = plan.traffic.role(revision.fingerprint, plan.latest)
    workload = revision.workload
    entry: dict[str, Any] = {
        "name": names.revision(name, revision.fingerprint),
        "role": role.value,
        "image": revision.image,
        "replicas": workload.replicas if workload else 0,
        "readyReplicas": workload.ready if workload else 0,
    }
    if revision.digest is not None:
        entry["digest"] = revision.digest
    if revision.verdict is not None:
        entry["verification"] = revision.verdict.write()
    if revision.signature is not None:
        entry["signature"] = revision.signature.write()
    if revision.retired is not None:
        entry["retiredTime"] = written(revision.retired)
    if revision.retry is not None:
        entry["retry"] = revision.retry
    entry |= _refusal(revision, plan)
    fault = _fault(revision, role, plan)
    if fault is not None:
        entry["failure"] = _failure(fault)
    if fault is not None and fault.others:
        entry["otherFailures"] = [_failure(other) for other in fault.others]
    return entry


def _refusal(revision: Revision, plan: Plan) -> dict[str, Any]:
    """Write down why a revision may not serve again, once that is known."""
    found, why = revision.refusal, plan.lasting
    if found is None and why is not None and revision.fingerprint == plan.latest:
        found = Refusal(why.reason, why.message[:MESSAGE_LIMIT], why.hint[:MESSAGE_LIMIT], why.pod)
    return {"refusal": found.write()} if found is not None else {}


def _fault(revision: Revision, role: Role, plan: Plan) -> Fault | None:
    if revision.fingerprint == plan.latest:
        return plan.fault
    return plan.serving_fault if role is Role.STABLE else None


def _failure(fault: Fault) -> dict[str, Any]:
    entry: dict[str, Any] = {"reason": fault.reason, "message": fault.message[:MESSAGE_LIMIT]}
    optional = {
        "hint": fault.hint[:MESSAGE_LIMIT] or None,
        "pod": fault.pod,
        "container": fault.container,
        "exitCode": fault.exit_code,
        "logTail": fault.log or None,
    }
    return entry | {k: v for k, v in optional.items() if v is not None}
