"""One revision replaces another bit by bit: both serve meanwhile, and no pod is missed.

The pods of both are in one *pool*, a label by which the Service selects them for this time; it is
named after the revision that served before. A pod of the new one joins it once it is ready, and its
revision trusted; then one of the old ones may go. There are never fewer in it than serve otherwise,
and never more pods than these and the surge. When the new one has all of its own, the Service
selects it alone.

Whoever is aimed at, the pool goes on until that one has all its pods: going back is the same, the
other way round, and a third revision replaces both. A revision that is neither aimed at nor has a
pod in the pool has none.

=================================  ============  ==================  ===========================
new revision                       Service       pods of the others  pods of the new one
=================================  ============  ==================  ===========================
gets its first pods ready          the old one   all                 the surge
is trusted, and not held: labels   the old one   all                 the surge
all who serve have the label       the pool      all                 the surge
is in the pool, and status knows   the pool      what is missing     what the others leave
is held after that                 the pool      as they are         as they are
has all                            the new one   none                all
=================================  ============  ==================  ===========================

How many serve stands in status before the first of them goes: with an HPA, which rests meanwhile,
nothing else would tell afterwards. So does since when no further pod has joined: a Deployment does
not say that it is late once it has had all its pods.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.rollout.good import last_good, proven, running, wanted
from slipway_operator.core.spec import Autoscaled, Spec, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """Where it is: of ``replicas`` pods that serve all the time, ``joined`` are of the aim.

    ``counts`` is how many pods each revision is to have, ``members`` whose ready pods serve.
    ``first`` says whether the aim has its first ones ready, ``begun`` whether pods may get the
    label, ``pooled`` whether the Service selects by it, ``done`` whether the aim has all that it
    needs. ``updated`` is the most that have joined, ``since`` when that was, None while it is held
    or goes back; ``late`` says that this is too long ago.
    """

    replicas: int
    joined: int
    counts: Mapping[str, int]
    members: frozenset[str]
    first: bool
    begun: bool
    pooled: bool
    done: bool
    updated: int
    since: datetime | None
    late: bool


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


def roll(spec: Spec, seen: Observed, aim: str, *, joining: bool, held: bool) -> Rolling:
    """Move on; ``joining`` says that pods of the aim may serve, ``held`` that no more shall."""
    whole, revision = _whole(spec, seen), seen.revision(aim)
    pool, served = seen.track if seen.pooled else last_good(seen), _served(seen, aim)
    members = served | {aim} if joining else served
    first = proven(revision, needed(spec, seen))
    begun = seen.pooled or (joining and first and not held)
    here = [p for p in seen.pods if p.fingerprint in members and p.ready and not p.leaving]
    joined = len([p for p in here if p.fingerprint == aim and p.pool == pool])
    joined = joined if seen.pooled else 0
    known = seen.pooled and seen.rollout is not None and seen.rollout.replicas is not None
    missing = max(whole - joined, 0) if known and not held else None
    onward = aim == spec.fingerprint and not held
    updated, since = _progress(seen, aim, joined)
    own = running(revision) if seen.pooled and held else max(_size(spec, seen, aim, whole), joined)
    return Rolling(
        replicas=whole,
        joined=joined,
        counts={**_others(seen, aim, served, missing), aim: own},
        members=members,
        first=first,
        begun=begun,
        pooled=seen.pooled or (begun and bool(here) and all(p.pool == pool for p in here)),
        done=joining and not held and proven(revision, whole),
        updated=updated,
        since=since if onward else None,
        late=seen.pooled and onward and seen.now - since > spec.rollout.deadline,
    )


def _served(seen: Observed, aim: str) -> frozenset[str]:
    """Name the others whose pods take the traffic: what served before, and who has joined it."""
    if not seen.pooled:
        return frozenset({last_good(seen) or aim}) - {aim}
    labelled = {p.fingerprint for p in seen.pods if p.pool == seen.track}
    return frozenset({seen.track or aim, *labelled}) - {aim}


def _progress(seen: Observed, aim: str, joined: int) -> tuple[int, datetime]:
    """Tell how many have joined at most, and since when no further one has."""
    known = seen.progress(aim)
    before = known.updated if known is not None and known.updated is not None else -1
    if known is None or known.moved is None or joined > before:
        return max(joined, before), seen.now
    return before, known.moved


def _others(
    seen: Observed, aim: str, served: frozenset[str], missing: int | None
) -> dict[str, int]:
    """Leave those who serve as many pods as are missing, or all that they have where it is None."""
    others = [r for r in seen.revisions if r.fingerprint != aim and running(r) > 0]
    members = [r for r in others if r.fingerprint in served]
    members.sort(key=lambda r: (r.fingerprint != last_good(seen), -r.number))
    all_ = {r.fingerprint: running(r) for r in members}
    return {r.fingerprint: 0 for r in others} | (
        all_ if missing is None else _left(members, missing)
    )


def _left(members: Sequence[Revision], missing: int) -> dict[str, int]:
    """Divide what is missing, first among the pods that are ready; none gets more than it has."""
    found: dict[str, int] = {}
    for revision in members:
        found[revision.fingerprint] = min(revision.ready, running(revision), missing)
        missing -= found[revision.fingerprint]
    for revision in members:
        more = min(running(revision) - found[revision.fingerprint], missing)
        found[revision.fingerprint] += more
        missing -= more
    return found


def _size(spec: Spec, seen: Observed, aim: str, whole: int) -> int:
    """Count the pods that the aim is to have next; in a pool none waits for room in vain."""
    revision = seen.revision(aim)
    there = sum(_there(other) for other in seen.revisions if other.fingerprint != aim)
    room = whole + _surge(spec, whole) - there
    ready, asked = revision.ready if revision else 0, running(revision)
    return max(ready, 0 if seen.pooled else asked, min(whole, max(1, room)))


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
