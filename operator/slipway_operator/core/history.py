"""The last rollouts, as status keeps them: what came of each, by which numbers, and when.

=====================  ==================================================  ===========
stable revision        the latest                                          result
=====================  ==================================================  ===========
is the latest by now   serves                                              Promoted
is another by now      any                                                 RolledBack
is another             may not serve                                       RolledBack
is nothing             may not serve, and there is nothing to go back to   Refused
any                    is another than the one that was under way          Superseded
=====================  ==================================================  ===========

Each is written once: a rollout is known by its revision and its begin.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from slipway_operator.core import names
from slipway_operator.core.observed import Observed
from slipway_operator.core.plan import Plan
from slipway_operator.core.reading import Reading
from slipway_operator.core.rollout import SETTLED, Phase
from slipway_operator.core.units import written

KEPT = 10
MESSAGE_LIMIT = 1024

Entry = Mapping[str, Any]


def began(seen: Observed, plan: Plan, now: datetime) -> datetime:
    """Tell when the rollout began that status tells of."""
    was = seen.rollout
    if was is None or was.began is None or was.fingerprint != plan.latest:
        return now
    return now if was.phase in SETTLED and not plan.phase.settled else was.began


def rollouts(name: str, seen: Observed, plan: Plan, now: datetime) -> list[Entry]:
    """List the rollouts that have ended, the latest first."""
    if plan.suspended:
        return list(seen.past)
    over = [entry | _ending(name, seen, plan, now) for entry in _ended(name, seen, plan, now)]
    return [*over, *seen.past][:KEPT]


def fresh(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Entry]:
    """List what has ended between two statuses."""
    return [entry for entry in new.get("rollouts", ()) if entry not in old.get("rollouts", ())]


def lasted(entry: Entry) -> float:
    """Count the seconds from begin to end."""
    start, end = (datetime.fromisoformat(entry[key]) for key in ("startedTime", "finishedTime"))
    return (end - start).total_seconds()


def _ended(name: str, seen: Observed, plan: Plan, now: datetime) -> Iterator[dict[str, Any]]:
    """List what has ended with this pass, but for what is the same of all."""
    was, result = seen.rollout, _result(seen, plan)
    entry = {
        "revision": names.revision(name, plan.latest),
        "result": result,
        "startedTime": written(began(seen, plan, now)),
    }
    if result is not None and not any(past.items() >= entry.items() for past in seen.past[:1]):
        yield entry | (_why(plan) if result != "Promoted" else {}) | _numbers(plan)
    if was is not None and was.fingerprint != plan.latest and was.phase not in SETTLED:
        lost = {"revision": names.revision(name, was.fingerprint), "result": "Superseded"}
        yield lost | {"startedTime": written(was.began or now)}


def _result(seen: Observed, plan: Plan) -> str | None:
    """Say what came of the latest revision; None while nothing has."""
    stable = plan.traffic.good
    if stable == plan.latest:
        return "Promoted" if stable != seen.good else None
    if plan.phase is Phase.REFUSED:
        return "Refused"
    moved = stable is not None and stable != seen.good
    return "RolledBack" if moved or plan.rolled_back else None


def _ending(name: str, seen: Observed, plan: Plan, now: datetime) -> dict[str, Any]:
    """Say what is the same of all that ended with this pass: who serves after it, and the time."""
    found = {"strategy": plan.strategy.value, "finishedTime": written(now)}
    if plan.traffic.good is not None:
        found["stableRevision"] = names.revision(name, plan.traffic.good)
    if seen.good is not None and seen.good != plan.traffic.good:
        found["previousRevision"] = names.revision(name, seen.good)
    return found


def _why(plan: Plan) -> dict[str, Any]:
    if plan.fault is None:
        return {}
    return {"reason": plan.fault.reason, "message": plan.fault.message[:MESSAGE_LIMIT]}


def _readings(readings: Mapping[str, Reading]) -> dict[str, Any]:
    said = [
        {"name": name, "value": f"{reading.value:.6g}"}
        for name, reading in readings.items()
        if reading.value is not None
    ]
    return {"queries": said} if said else {}


def _numbers(plan: Plan) -> dict[str, Any]:
    """Write what a trial was judged by."""
    mirror, share = plan.course.trial.mirror, plan.course.trial.share
    found: dict[str, Any] = {}
    if mirror is not None:
        found["shadow"] = mirror.numbers()
    if share is not None and (of := share.answered) is not None:
        numbers = {"requests": of.answered, "refused": of.refused, "failed": of.failed}
        if share.slow is not None:
            numbers |= {"slow": share.slow, "timed": of.timed}
        if share.copying is not None:
            numbers |= {"copies": share.copies.requests, "agreed": share.copies.agreed}
        found["canary"] = {"passedSteps": share.passed, **numbers, **_readings(share.readings)}
    return found
