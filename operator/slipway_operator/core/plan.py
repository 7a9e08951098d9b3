"""The decision: what should be true next, and when to look again."""

from dataclasses import dataclass
from datetime import timedelta

from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Revision
from slipway_operator.core.rollout import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One pass's decision, complete enough to render and report without asking again.

    ``keep`` are the revisions whose records stay; ``active`` of them have pods. ``replicas`` maps a
    fingerprint to the count to write; whoever is not in it is left to its HPA. ``fault`` is what
    ails the latest revision, ``serving_fault`` what ails the one with the traffic, ``unreachable``
    what keeps all traffic away from the pods.
    """

    latest: str
    traffic: Traffic
    keep: tuple[Revision, ...]
    active: frozenset[str]
    replicas: dict[str, int]
    needed: int
    fault: Fault | None
    serving_fault: Fault | None
    recheck_after: timedelta | None
    unreachable: Fault | None = None
