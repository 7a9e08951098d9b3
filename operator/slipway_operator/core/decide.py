"""From a wish and a world to a plan."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from slipway_operator.core import rollout
from slipway_operator.core.diagnose import Fault, diagnose
from slipway_operator.core.manifest import SERVICE
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.plan import Plan
from slipway_operator.core.rollout import Traffic
from slipway_operator.core.spec import Autoscaled, Fixed, Spec

ROLLING = timedelta(seconds=2)
STALLED = timedelta(seconds=15)


def decide(spec: Spec, seen: Observed) -> Plan:
    """Decide what should be true next.

    The latest revision is among ``seen.revisions``, new or not. Pods are no watched kind, so a
    pass over a revision that is not well asks to be repeated.
    """
    latest, good = spec.fingerprint, rollout.last_good(seen)
    traffic = rollout.route(latest, seen, spec.scale)
    base = None if good == latest else seen.revision(good)
    needed = rollout.wanted(spec.scale, base)
    active = _active(latest, traffic, seen)
    fault = _fault(seen, latest, needed)
    settled = traffic.good == latest == seen.good == seen.track
    return Plan(
        latest=latest,
        traffic=traffic,
        keep=_keep(seen, active),
        active=active,
        replicas=_replicas(spec.scale, seen, traffic, active, needed),
        needed=needed,
        fault=fault,
        serving_fault=_fault(seen, traffic.track, 1),
        recheck_after=_recheck(seen, latest, needed, fault, settled=settled),
    )


def hindered(plan: Plan, seen: Observed, faults: Mapping[str, Fault]) -> Plan:
    """Amend a plan by what could not be written: the first fault of each kind of object.

    A Service that could not be written selects what it selected before.
    """
    first, lost = next(iter(faults.values())), faults.get(SERVICE.kind)
    stays = Traffic(track=seen.track or plan.traffic.track, good=rollout.last_good(seen))
    return replace(
        plan,
        fault=first,
        traffic=stays if lost else plan.traffic,
        unreachable=lost if seen.track is None else None,
        recheck_after=STALLED,
    )


def _active(latest: str, traffic: Traffic, seen: Observed) -> frozenset[str]:
    """Name the revisions that have pods.

    The old good one stays until Service and status both hold its successor: whoever dies between
    those writes finds it still running.
    """
    held = {latest, traffic.track, traffic.good, seen.good, seen.track}
    return frozenset(r.fingerprint for r in seen.revisions if r.fingerprint in held)


def _keep(seen: Observed, active: frozenset[str]) -> tuple[Revision, ...]:
    retired = [r for r in seen.revisions if r.fingerprint not in active]
    retired.sort(key=lambda r: r.number, reverse=True)
    kept = active | {r.fingerprint for r in retired[: rollout.HISTORY]}
    return tuple(r for r in seen.revisions if r.fingerprint in kept)


def _replicas(
    scale: Fixed | Autoscaled,
    seen: Observed,
    traffic: Traffic,
    active: frozenset[str],
    needed: int,
) -> dict[str, int]:
    """Choose the counts to write; a revision that its HPA holds is left out."""
    counts = {
        r.fingerprint: 0 for r in seen.revisions if r.workload and r.fingerprint not in active
    }
    for revision in seen.revisions:
        if revision.fingerprint not in active:
            continue
        has = revision.workload.wanted if revision.workload else 0
        match scale:
            case Fixed(replicas):
                counts[revision.fingerprint] = replicas
            case Autoscaled() if revision.fingerprint == traffic.track and has > 0:
                pass
            case Autoscaled() if has < needed:
                counts[revision.fingerprint] = needed
            case Autoscaled():
                pass
    return counts


def _fault(seen: Observed, fingerprint: str, needed: int) -> Fault | None:
    revision = seen.revision(fingerprint)
    if revision is None or rollout.complete(revision, needed):
        return None
    return diagnose(revision.workload, seen.pods_of(fingerprint))


def _recheck(
    seen: Observed, latest: str, needed: int, fault: Fault | None, *, settled: bool
) -> timedelta | None:
    """Choose when to look again; a settled Deployment rings by itself when its counts change."""
    revision = seen.revision(latest)
    well = rollout.complete(revision, needed)
    if settled and well and revision is not None and revision.digest is not None:
        return None
    overdue = revision and revision.workload and revision.workload.overdue
    return STALLED if settled or overdue or (fault and fault.final) else ROLLING
