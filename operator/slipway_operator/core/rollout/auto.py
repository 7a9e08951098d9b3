"""What the strategy Auto comes to: all traffic in one step, or bit by bit where that does not fit.

======================  ==============  ======================  ======================
who serves              pods with room  callers could hear both  acts as
======================  ==============  ======================  ======================
nobody, or the latest   any             any                     BlueGreen
another                 all, so far     any                     BlueGreen
another                 some            yes                     RollingUpdate
another                 some            no, or nobody knows     BlueGreen, which waits
another                 none            any                     BlueGreen, which waits
both, bit by bit        any             any                     RollingUpdate
======================  ==============  ======================  ======================

It never serves nobody: who wants that says Recreate.
"""

from dataclasses import replace
from typing import NamedTuple

from slipway_operator.core.contract import broken
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.rollout.good import last_good, running
from slipway_operator.core.spec import Spec, Strategy


class Choice(NamedTuple):
    """What a rollout acts by, and why; nothing is said where the user has chosen."""

    strategy: Strategy
    why: str = ""


def choose(spec: Spec, seen: Observed) -> Choice:
    """Choose a strategy, where that is left to Slipway."""
    if spec.rollout.strategy is not Strategy.AUTO:
        return Choice(spec.rollout.strategy)
    if seen.pooled:
        return Choice(Strategy.ROLLING_UPDATE, "not all pods of both revisions find room at a time")
    latest, base = seen.revision(spec.fingerprint), seen.revision(last_good(seen))
    if _returning(spec, seen) is not None:
        return Choice(Strategy.ROLLING_UPDATE, "not all pods of the one before find room again")
    if latest is None or base is None or base is latest or running(base) == 0:
        return Choice(Strategy.BLUE_GREEN, "no other revision serves")
    if not _cramped(latest, seen):
        return Choice(
            Strategy.BLUE_GREEN, "the pods of both revisions find room, as far as is known"
        )
    return _squeezed(base, latest)


def _returning(spec: Spec, seen: Observed) -> Revision | None:
    """Find what is to serve again in little room; it has served, so callers may hear it."""
    apart = {spec.fingerprint, last_good(seen)}
    others = (r for r in seen.revisions if r.fingerprint not in apart and r.ready > 0)
    return next((r for r in others if _cramped(r, seen)), None)


def _squeezed(base: Revision, latest: Revision) -> Choice:
    """Choose where not all pods of the latest find room."""
    found = f"{latest.ready} of its {running(latest)} pods find room beside those that serve"
    if latest.ready == 0:
        hint = "make room, or choose Recreate, which serves nobody for a while"
        return Choice(Strategy.BLUE_GREEN, f"{found}: {hint}")
    hindrance = _apart(base, latest)
    if hindrance is not None:
        return Choice(Strategy.BLUE_GREEN, f"{found}, and callers must not hear both: {hindrance}")
    return Choice(Strategy.ROLLING_UPDATE, f"{found}, and it takes and gives the same")


def acting(spec: Spec, choice: Choice, seen: Observed) -> Spec:
    """Put the choice in the place of Auto.

    To begin, whatever has found room is what there may be beyond; after that, one pod at a time.
    """
    if spec.rollout.strategy is not Strategy.AUTO:
        return spec
    coming = _returning(spec, seen) or seen.revision(spec.fingerprint)
    surge = 1 if coming is None or seen.pooled else max(1, coming.ready)
    return replace(spec, rollout=replace(spec.rollout, strategy=choice.strategy, surge=surge))


def _cramped(revision: Revision, seen: Observed) -> bool:
    """Say whether some of its pods can't be placed, or not even be made."""
    refused = revision.workload is not None and revision.workload.refusal is not None
    unplaced = (pod.unschedulable is not None for pod in seen.pods_of(revision.fingerprint))
    return refused or any(unplaced)


def _apart(base: Revision, latest: Revision) -> str | None:
    """Say why callers of the one must not be answered by the other; None where they may."""
    if base.signature is None or latest.signature is None:
        return "their inputs and outputs are not known yet"
    return "; ".join(broken(base.signature, latest.signature)) or None
