"""Which revisions have pods while a rollout goes on.

=========  ========================================================================================
strategy   pods
=========  ========================================================================================
BlueGreen, of the aim and of what serves, at the same time. What serves keeps its pods until Service
Canary     and status both hold its successor: whoever dies between those writes finds it running.
           After that, and as long as nothing else begins, it keeps them for the rollback window.
Recreate   of one revision at a time, so that what does not fit twice can be served. The aim gets
           its pods once no other revision has any, those that are ending among them; nobody is
           served in between.
=========  ========================================================================================

A refused revision that does not serve has none: why it was refused stands in status.
"""

from datetime import timedelta

from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.rollout.good import Traffic, predecessor
from slipway_operator.core.spec import Spec, Strategy

NONE = timedelta()


def held(spec: Spec, base: Revision | None) -> bool:
    """Say whether a pause keeps the latest from taking over.

    Recreate is held before what serves is told to end; once it has been, waiting would only make
    the time longer in which nobody is served.
    """
    if not spec.rollout.paused or spec.promoted:
        return False
    stopped = base is not None and (base.workload is None or base.workload.wanted == 0)
    return spec.rollout.strategy is not Strategy.RECREATE or not stopped


def together(spec: Spec, seen: Observed, traffic: Traffic, aim: str) -> frozenset[str]:
    """Name the revisions that have pods at the same time; the latest only if it is aimed at."""
    wanted = {aim, traffic.track, traffic.good, seen.good, seen.track}
    return frozenset(r.fingerprint for r in seen.revisions if r.fingerprint in wanted)


def alone(seen: Observed, aim: str, holds: Revision | None) -> frozenset[str]:
    """Name the one revision that has pods, if any may: ``holds`` is what a pause keeps running."""
    if holds is not None:
        return frozenset({holds.fingerprint})
    others = [r for r in seen.revisions if r.fingerprint != aim]
    free = _crewed(seen.revision(aim)) or not any(_present(r, seen) for r in others)
    return frozenset({aim} if free else ())


def _crewed(revision: Revision | None) -> bool:
    return revision is not None and revision.workload is not None and revision.workload.wanted > 0


def _present(revision: Revision, seen: Observed) -> bool:
    """Say whether a revision has pods, or may have: nobody has looked."""
    workload = revision.workload
    if workload is None:
        return False
    counted = workload.wanted > 0 or workload.replicas > 0
    return counted or seen.present is None or revision.fingerprint in seen.present


def window(spec: Spec, seen: Observed, traffic: Traffic) -> dict[str, timedelta]:
    """Find the revision that keeps its pods though it has given up the traffic, and how long.

    Until status tells of the promotion, the one before is not known to have given it up.
    """
    latest = spec.fingerprint
    before = predecessor(latest, seen) if traffic.good == latest == seen.good else None
    if before is None or before.retired is None:
        return {}
    left = before.retired + spec.rollout.window - seen.now
    return {before.fingerprint: left} if left > NONE else {}
