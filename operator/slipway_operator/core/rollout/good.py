"""Which revision can be relied on, and what one needs before it may take the traffic."""

from dataclasses import dataclass
from enum import StrEnum

from slipway_operator.core import names
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.spec import Autoscaled, Fixed, Spec

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
    Service that selects another revision is believed if that one answers, and rightly where that is
    demanded. An edit by hand that selects another one is not.

    ==========  ===================  =======
    in status   Service selects      result
    ==========  ===================  =======
    A           A, unknown or gone   A
    A           B, ready, verified   B
    A           B, otherwise         A
    unknown     B, ready, verified   B
    unknown     anything else        None
    ==========  ===================  =======
    """
    selected = seen.revision(seen.track)
    if selected is not None and selected.ready > 0 and selected.verified:
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
            return min(max(low, running(good)), high)


def running(revision: Revision | None) -> int:
    """Count the pods that a revision is to have."""
    return revision.workload.wanted if revision is not None and revision.workload is not None else 0


def to_be_tried(spec: Spec, base: Revision | None) -> bool:
    """Say whether a trial may come before the latest takes over.

    Where nothing serves there is nobody to protect, and a person may go without.
    """
    return running(base) > 0 and not spec.promoted


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
    """Where the traffic goes: ``track`` takes it, ``good`` is the last known good (or None).

    While that one is replaced bit by bit, others take it beside it: ``pooled``.
    """

    track: str
    good: str | None
    pooled: bool = False

    def selector(self, model: str) -> dict[str, str]:
        """Build the labels of the pods that take it."""
        return (names.pooled if self.pooled else names.serving)(model, self.track)

    def role(self, fingerprint: str, latest: str) -> Role:
        """Tell what a revision is for."""
        if fingerprint == self.good:
            return Role.STABLE
        return Role.CANDIDATE if fingerprint == latest else Role.RETIRED

    def scaled(self, latest: str) -> str:
        """Name the revision that an HPA scales: while nobody has the traffic, the latest."""
        return latest if self.track == names.NOBODY else self.track


def usable(seen: Observed, fingerprint: str | None) -> Revision | None:
    """Find a revision that may serve: it is kept, was not refused, and has passed what it must."""
    found = seen.revision(fingerprint)
    if found is None or found.refusal is not None or not found.verified:
        return None
    return found


def predecessor(latest: str, seen: Observed) -> Revision | None:
    """Find the revision that served last before the latest, and rightly; None when none did."""
    retired = {
        (r.retired, r.number): r
        for r in seen.revisions
        if r.retired is not None and r.refusal is None and r.fingerprint != latest
    }
    return retired[max(retired)] if retired else None
