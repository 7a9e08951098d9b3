"""One revision replaces another bit by bit: both serve meanwhile, and no pod is missed.

The pods of both are in one *pool*, a label by which the Service selects them for this time; it is
named after the revision that served before. A pod of the new one joins it once it is ready, and its
revision trusted; then one of the old ones may go. There are never fewer in it than serve otherwise,
and never more pods than these and the surge. When the new one has all of its own, the Service
selects it alone.

Whoever is aimed at, the pool goes on until that one has all its pods: going back is the same, the
other way round, and a third revision replaces both.

============================  ============  ==================  ===========================
new revision                  Service       pods of the others  pods of the new one
============================  ============  ==================  ===========================
gets its first pods ready     the old one   all                 the surge
is trusted, and not held      the pool      all                 the surge
is in the pool, status knows  the pool      what is missing     what the others leave
is held after that            the pool      as they are         as they are
has all                       the new one   none                all
============================  ============  ==================  ===========================

How many serve stands in status before the first of them goes: with an HPA, which rests meanwhile,
nothing else would tell afterwards.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.rollout.good import last_good, proven, running, wanted
from slipway_operator.core.spec import Autoscaled, Spec, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """Where it is: of ``replicas`` pods that serve all the time, ``joined`` are of the aim.

    ``counts`` is how many pods each revision is to have, ``first`` whether the aim has its first
    ones ready, ``joining`` whether these may serve, ``begun`` whether the Service selects the pool,
    or may. ``done`` says that the aim has all that it needs.
    """

    replicas: int
    joined: int
    counts: Mapping[str, int]
    first: bool
    joining: bool
    begun: bool
    done: bool


def planned(spec: Spec, seen: Observed, base: Revision | None) -> bool:
    """Say whether pods are, or are to be, replaced bit by bit."""
    chosen = spec.rollout.strategy is Strategy.ROLLING_UPDATE
    return seen.pooled or (chosen and running(base) > 0)


def strays(spec: Spec, seen: Observed) -> bool:
    """Say whether the latest would come into a pool that its strategy does not know.

    Then that which served before has to serve alone again first.
    """
    known = spec.rollout.strategy is Strategy.ROLLING_UPDATE or not seen.pooled
    within = any(pod.pool == seen.track for pod in seen.pods_of(spec.fingerprint))
    return not known and not within


def needed(spec: Spec, seen: Observed) -> int:
    """Count the pods that it takes to begin."""
    whole = _whole(spec, seen)
    return min(whole, _surge(spec, whole))


def _size(spec: Spec, seen: Observed, aim: str) -> int:
    """Count the pods that the aim is to have next: those that wait for room in vain are not."""
    whole, revision = _whole(spec, seen), seen.revision(aim)
    there = sum(_there(other) for other in _others(seen, aim))
    room = whole + _surge(spec, whole) - there
    return max(revision.ready if revision else 0, min(whole, max(1, room)))


def roll(spec: Spec, seen: Observed, aim: str, *, ready: bool, held: bool) -> Rolling:
    """Move on; ``ready`` says that pods of the aim may serve, ``held`` that nothing may change."""
    whole, revision = _whole(spec, seen), seen.revision(aim)
    first = proven(revision, needed(spec, seen))
    here = (p for p in seen.pods_of(aim) if p.ready and not p.leaving and p.pool == seen.track)
    joined = len(list(here)) if ready and seen.pooled else 0
    known = seen.pooled and seen.rollout is not None and seen.rollout.replicas is not None
    missing = whole - joined if known else whole
    begun, own = seen.pooled or (ready and first), _size(spec, seen, aim)
    if held or not begun:
        own = running(revision) if seen.pooled else max(own, running(revision))
    return Rolling(
        replicas=whole,
        joined=joined,
        counts={aim: own, **dict(_left(_others(seen, aim), missing))},
        first=first,
        joining=ready,
        begun=begun,
        done=ready and proven(revision, whole),
    )


def _left(others: Iterable[Revision], missing: int) -> Iterator[tuple[str, int]]:
    """Leave the others as many pods as are missing; none of them gets more than it has."""
    for revision in others:
        count = min(running(revision), max(missing, 0))
        yield revision.fingerprint, count
        missing -= count


def _others(seen: Observed, aim: str) -> list[Revision]:
    """List who else has pods, that which served first."""
    found = [r for r in seen.revisions if r.fingerprint != aim and running(r) > 0]
    return sorted(found, key=lambda r: (r.fingerprint != last_good(seen), -r.number))


def _there(revision: Revision) -> int:
    """Count the pods that take room, those among them that are told to go but have not begun."""
    return max(running(revision), revision.workload.replicas if revision.workload else 0)


def _whole(spec: Spec, seen: Observed) -> int:
    """Count the pods that serve all the time."""
    known = seen.rollout.replicas if seen.rollout is not None and seen.pooled else None
    if isinstance(spec.scale, Autoscaled) and known is not None:
        return known
    return wanted(spec.scale, seen.revision(last_good(seen)))


def _surge(spec: Spec, whole: int) -> int:
    """Count the pods that there may be beyond those that serve."""
    surge = spec.rollout.surge
    return surge if isinstance(surge, int) else ceil(whole * int(surge[:-1]) / 100)
