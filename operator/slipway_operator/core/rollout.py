"""Which revision serves, and which one is on its way.

A Service selects the pods of exactly one revision, so a promotion is one write and nothing has to
be undone when a revision fails: it never had traffic.
"""

from dataclasses import dataclass
from enum import StrEnum

from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.spec import Autoscaled, Fixed

HISTORY = 3
"""How many retired revisions stay, scaled to zero, to go back to without rendering anew."""


class Role(StrEnum):
    """What a revision is for."""

    STABLE = "Stable"
    CANDIDATE = "Candidate"
    RETIRED = "Retired"


def last_good(seen: Observed) -> str | None:
    """Find the revision that must keep its pods and its traffic; None when none ever served.

    The Service outruns status when the operator dies between the two writes of a promotion, so a
    Service that selects another revision is believed if that one answers. An edit by hand that
    selects a revision without ready pods is not.

    ==========  ==================  =======
    in status   Service selects     result
    ==========  ==================  =======
    A           A, unknown or gone  A
    A           B, ready            B
    A           B, not ready        A
    unknown     B, ready            B
    unknown     anything else       None
    ==========  ==================  =======
    """
    selected = seen.revision(seen.track)
    if selected is not None and selected.ready > 0:
        return selected.fingerprint
    good = seen.revision(seen.good)
    return good.fingerprint if good else None


def wanted(scale: Fixed | Autoscaled, good: Revision | None) -> int:
    """Count the pods that a revision needs before it may take the traffic.

    Under an HPA that is as many as the good revision runs now, so that a rollout under load does
    not fall back to the minimum.
    """
    match scale:
        case Fixed(replicas):
            return replicas
        case Autoscaled(low=low, high=high):
            running = good.workload.wanted if good and good.workload else 0
            return min(max(low, running), high)


def complete(revision: Revision | None, needed: int) -> bool:
    """Say whether a revision has all the pods that it needs, and they are ready."""
    workload = revision.workload if revision else None
    return workload is not None and workload.wanted >= needed and workload.ready >= needed


def proven(candidate: Revision | None, needed: int) -> bool:
    """Say whether a revision may take the traffic: counts of pods that are ending prove nothing."""
    workload = candidate.workload if candidate else None
    return workload is not None and workload.current and complete(candidate, needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Where the traffic goes: ``track`` takes it, ``good`` is the last known good (or None)."""

    track: str
    good: str | None

    def role(self, fingerprint: str, latest: str) -> Role:
        """Tell what a revision is for."""
        if fingerprint == self.good:
            return Role.STABLE
        return Role.CANDIDATE if fingerprint == latest else Role.RETIRED


def route(latest: str, seen: Observed, scale: Fixed | Autoscaled) -> Traffic:
    """Choose the revision that takes the traffic.

    =========  ===============  ======  ======
    good       latest proven    track   good
    =========  ===============  ======  ======
    none       no               latest  none
    none       yes              latest  latest
    latest     any              latest  latest
    other      no               other   other
    other      yes              latest  latest
    =========  ===============  ======  ======
    """
    good = last_good(seen)
    needed = wanted(scale, seen.revision(good))
    if proven(seen.revision(latest), needed):
        return Traffic(track=latest, good=latest)
    return Traffic(track=good or latest, good=good)
