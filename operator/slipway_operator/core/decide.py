"""From a wish and a world to a plan."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from slipway_operator.core import rollout, scale
from slipway_operator.core.diagnose import Fault, diagnose, misled, together
from slipway_operator.core.manifest import Key
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.plan import Plan
from slipway_operator.core.rollout import Course, Phase, Traffic
from slipway_operator.core.spec import Spec, Strategy
from slipway_operator.core.standing import DEADLINE, UNTRUE, refused, standing

AT_ONCE = timedelta()
ROLLING = timedelta(seconds=2)
STALLED = timedelta(seconds=6)
WATCHED = timedelta(seconds=5)
"""A trial is looked at this often."""


def decide(spec: Spec, seen: Observed) -> Plan:
    """Decide what should be true next.

    The latest revision is among ``seen.revisions``, new or not. Pods are no watched kind, so a
    pass over a revision that is not well asks to be repeated.
    """
    choice = rollout.choose(spec, seen)
    spec = rollout.acting(spec, choice, seen)
    judged = standing(spec, seen)
    refusal = refused(spec, seen, judged)
    trusted = judged is None or judged.trusted
    course = rollout.advance(spec, seen, trusted=trusted, refused=refusal is not None)
    faults = (refusal, _stopped(course), _fault(seen, spec.fingerprint, course.needed))
    plan = Plan(
        latest=spec.fingerprint,
        choice=choice,
        course=course,
        keep=_keep(seen, course, spec.fingerprint),
        replicas=scale.counts(spec, seen, course),
        fault=together([fault for fault in faults if fault]),
        serving_fault=_fault(seen, course.traffic.track, 1),
        weight=_weight(spec, seen, course),
        recheck_after=None,
        standing=judged,
        refusal=refusal,
    )
    plan = replace(plan, lasting=_lasting(plan, seen))
    return replace(plan, recheck_after=_recheck(plan, seen))


def _weight(spec: Spec, seen: Observed, course: Course) -> int | None:
    """Choose the weight of the latest; what a gateway may still use stays until it has heard."""
    stays = seen.route is not None and seen.route.leaves
    return course.weight if spec.rollout.canary is not None or stays else None


def hindered(plan: Plan, seen: Observed, faults: Mapping[Key, Fault], service: Key) -> Plan:
    """Amend a plan by what could not be written, which goes before all else.

    A ``service`` that could not be written selects what it selected before.
    """
    lost = faults.get(service)
    firsts: dict[str, Fault] = {}
    for (kind, _), fault in faults.items():
        firsts.setdefault(kind, fault)
    known = [plan.fault] if plan.fault is not None else []
    return replace(
        plan,
        fault=together([*firsts.values(), *known]),
        course=_unmoved(plan, seen) if lost else plan.course,
        unreachable=lost if seen.track is None else None,
        recheck_after=STALLED,
    )


def suspended(plan: Plan, seen: Observed) -> Plan:
    """Amend a plan that is not carried out: the traffic stays where it is."""
    return replace(plan, course=_unmoved(plan, seen), suspended=True)


def _unmoved(plan: Plan, seen: Observed) -> Course:
    good, track = rollout.last_good(seen), seen.track or plan.traffic.track
    stays = Traffic(track=track, good=good, pooled=seen.pooled)
    return replace(plan.course, traffic=stays)


def _keep(seen: Observed, course: Course, latest: str) -> tuple[Revision, ...]:
    """Choose the revisions whose records stay: those in use, and a few to go back to."""
    used = course.active | {latest, course.aim, course.traffic.good}
    retired = [r for r in seen.revisions if r.fingerprint not in used]
    retired.sort(key=lambda r: r.number, reverse=True)
    kept = used | {r.fingerprint for r in retired[: rollout.HISTORY]}
    return tuple(r for r in seen.revisions if r.fingerprint in kept)


def _fault(seen: Observed, fingerprint: str, needed: int) -> Fault | None:
    revision = seen.revision(fingerprint)
    if revision is None:
        return None
    pods, well = seen.pods_of(fingerprint), rollout.complete(revision, needed)
    found = None if well else diagnose(revision.workload, pods)
    return together([fault for fault in (found, misled(pods)) if fault is not None])


def _stopped(course: Course) -> Fault | None:
    """Say why a trial goes no further."""
    why = course.trial.refusal
    return Fault(**why._asdict(), final=True) if why is not None else None


def _lasting(plan: Plan, seen: Observed) -> Fault | None:
    """Find why the latest revision must be given up for good, where nothing else will remember it.

    A revision that has served and whose pods all answer wrongly now gives way to the one before it.
    """
    if plan.refusal is not None:
        return None
    if (stopped := _stopped(plan.course)) is not None:
        return stopped
    if rollout.betrayed(seen, plan.latest) is not None:
        return plan.fault
    return _given_up(plan, seen) if plan.traffic.good not in {None, plan.latest} else None


def _given_up(plan: Plan, seen: Observed) -> Fault | None:
    """Find why a revision is given up while another serves; what it failed of goes with its pods.

    Pods that find themselves wrong are reason enough, and pods for which there is no room in time.
    Of any other fault the cause is given time to go, but with Recreate, where nobody is served
    until then, and with RollingUpdate, where it serves some callers.
    """
    fault, rolling = plan.fault, plan.course.rolling if plan.phase is Phase.ROLLING else None
    impatient = rolling is not None or plan.strategy is Strategy.RECREATE
    overdue = _overdue(seen, plan.latest) if rolling is None else LATE if rolling.late else None
    if fault is None:
        return Fault(reason=DEADLINE, message=overdue) if impatient and overdue else None
    late = overdue is not None and (impatient or fault.reason in NO_ROOM)
    return fault if late or fault.reason in UNTRUE or (impatient and fault.final) else None


def _overdue(seen: Observed, fingerprint: str) -> str | None:
    revision = seen.revision(fingerprint)
    return revision.workload.overdue if revision and revision.workload else None


def _recheck(plan: Plan, seen: Observed) -> timedelta | None:
    """Choose when to look again: as soon as any of the reasons for it wants."""
    if plan.lasting is not None or (plan.standing is not None and plan.standing.soon):
        return AT_ONCE
    serving = seen.revision(plan.traffic.good)
    watched = serving.interval if serving else None
    times = (_routine(plan, seen), plan.course.until, watched)
    return min((after for after in times if after is not None), default=None)


def _routine(plan: Plan, seen: Observed) -> timedelta | None:
    """Choose when to look again; a settled Deployment rings by itself when its counts change."""
    revision = seen.revision(plan.latest)
    well = rollout.complete(revision, plan.needed)
    settled = plan.traffic.good == plan.latest == seen.good == seen.track and not seen.pooled
    if settled and well and revision is not None and revision.digest is not None:
        pending = plan.standing is not None and not plan.standing.trusted
        return ROLLING if pending else STALLED if _blind(seen) else None
    if plan.phase in {Phase.SHADOW, Phase.CANARY}:
        return WATCHED
    waits = plan.phase in {Phase.PAUSED, Phase.ROLLED_BACK, Phase.REFUSED}
    known = plan.fault is not None and plan.fault.final
    calm = settled or waits or known or _overdue(seen, plan.latest)
    return STALLED if calm and plan.phase not in MOVING else ROLLING


NO_ROOM = frozenset({"Unschedulable", "QuotaExceeded"})
"""Why pods wait that there will never be, unless somebody else makes room."""

LATE = "no further pod has taken over within spec.rollout.progressDeadlineSeconds"

MOVING = frozenset({Phase.STOPPING, Phase.ROLLING, Phase.ROLLING_BACK})
"""Phases in which the next step waits for pods, whatever is wrong with the latest revision."""


def _blind(seen: Observed) -> bool:
    """Say whether an HPA without a reading is still given time: nothing rings when that is up."""
    told = any(c["type"] == "ScalingActive" and c["status"] == "False" for c in seen.conditions)
    return seen.scaler is not None and seen.scaler.active is False and not told
