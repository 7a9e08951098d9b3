"""How many pods each revision has, as far as that is ours to say."""

from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.rollout import Course
from slipway_operator.core.spec import Autoscaled, Fixed, Spec


def counts(spec: Spec, seen: Observed, course: Course) -> dict[str, int]:
    """Choose the counts to write; a revision that its HPA holds is left out."""
    found = {
        r.fingerprint: count
        for r in seen.revisions
        if (count := _count(r, spec, course)) is not None
    }
    if found.get(spec.fingerprint) and spec.model.sha256 is None:
        found[spec.fingerprint] = _held(seen.revision(spec.fingerprint), found[spec.fingerprint])
    return found


def _count(revision: Revision, spec: Spec, course: Course) -> int | None:
    if revision.fingerprint not in course.active:
        return 0 if revision.workload else None
    if course.rolling is not None and course.rolling.begun:
        return course.rolling.counts[revision.fingerprint]
    has = revision.workload.wanted if revision.workload else 0
    replaced = course.aim == course.traffic.good and revision.fingerprint != course.aim
    if replaced and not spec.rollout.window:
        return has
    match spec.scale:
        case Fixed(replicas):
            return course.needed if revision.fingerprint == course.aim else replicas
        case Autoscaled() if revision.fingerprint == course.traffic.track and has > 0:
            return None
        case Autoscaled():
            return course.needed if has < course.needed else None


def _held(revision: Revision | None, count: int) -> int:
    """Hold a model without a pin to one pod until that has found the digest for all the others.

    Two pods that fetch at once may find different files. Pods that run already stay.
    """
    if revision and (revision.digest or revision.ready):
        return count
    has = revision.workload.wanted if revision and revision.workload else 0
    return min(count, max(has, 1))
