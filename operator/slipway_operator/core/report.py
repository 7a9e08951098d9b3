"""From a plan and a world to the status that people and pipelines read.

A fixed point: an unchanged world gives an unchanged status, since each needless write wakes every
watcher, this operator included.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from slipway_operator.core import names
from slipway_operator.core.conditions import Condition, conditions, refused
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.plan import Plan
from slipway_operator.core.rollout import Role

Status = dict[str, Any]


def report(owner: tuple[str, str], seen: Observed, plan: Plan, now: datetime) -> Status:
    """Build the whole status; ``owner`` is the object's namespace and name."""
    namespace, name = owner
    serving = seen.revision(plan.traffic.track)
    workload = serving.workload if serving else None
    labels = names.serving(name, plan.traffic.track)
    status: Status = {
        "observedGeneration": seen.generation,
        "url": names.model_url(namespace, name, _model_name(serving)) if serving else "",
        "replicas": workload.replicas if workload else 0,
        "readyReplicas": workload.ready if workload else 0,
        "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
        "latestRevision": names.revision(name, plan.latest),
        "revisions": [_revision(name, revision, plan) for revision in plan.keep],
        "conditions": stamp(seen, conditions(seen, plan), now),
    }
    if plan.traffic.good is not None:
        status["stableRevision"] = names.revision(name, plan.traffic.good)
    return status


def _model_name(revision: Revision) -> str:
    """Look up under which name a revision answers; a candidate may have another."""
    return str(revision.record["settings"]["model"]["name"])


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
        "lastTransitionTime": was["lastTransitionTime"]
        if same and was
        else now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


MESSAGE_LIMIT = 4096


def _revision(name: str, revision: Revision, plan: Plan) -> dict[str, Any]:
    role = plan.traffic.role(revision.fingerprint, plan.latest)
    workload = revision.workload
    entry: dict[str, Any] = {
        "name": names.revision(name, revision.fingerprint),
        "role": role.value,
        "image": revision.record["template"]["spec"]["containers"][0]["image"],
        "replicas": workload.replicas if workload else 0,
        "readyReplicas": workload.ready if workload else 0,
    }
    if revision.digest is not None:
        entry["digest"] = revision.digest
    fault = _fault(revision, role, plan)
    return entry | ({"failure": _failure(fault)} if fault else {})


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
    }
    return entry | {k: v for k, v in optional.items() if v is not None}
