"""What a rollout does next, as the state machine says it: the phase, the traffic, the pods."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from slipway_operator.core.rollout.canary import Share
from slipway_operator.core.rollout.good import Traffic
from slipway_operator.core.rollout.rolling import Rolling
from slipway_operator.core.rollout.trial import NONE, Trial
from slipway_operator.core.trial import Copying


class Phase(StrEnum):
    """Where a rollout is."""

    PREPARING = "Preparing"
    STOPPING = "Stopping"
    VERIFYING = "Verifying"
    PAUSED = "Paused"
    SHADOW = "Shadow"
    CANARY = "Canary"
    PROMOTING = "Promoting"
    ROLLING = "Rolling"
    COMPLETE = "Complete"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"

    @property
    def settled(self) -> bool:
        """Whether nothing is under way in it."""
        return self in SETTLED


SETTLED = frozenset({Phase.COMPLETE, Phase.ROLLED_BACK, Phase.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a rollout does next.

    ``active`` are the revisions that have pods, ``needed`` counts those that ``aim`` needs to take
    over. ``until`` is how long the revision before keeps its pods, None if it has none to keep.
    ``trial`` is what the latest must stand before, ``rolling`` how far pods are replaced bit by
    bit, None where they are not.
    """

    phase: Phase
    aim: str
    traffic: Traffic
    active: frozenset[str]
    needed: int
    until: timedelta | None = None
    trial: Trial = NONE
    rolling: Rolling | None = None

    @property
    def serving(self) -> frozenset[str]:
        """Name the revisions whose pods take the traffic."""
        if self.rolling is None or not self.traffic.pooled:
            return frozenset({self.traffic.track})
        return self.rolling.members

    @property
    def tried(self) -> bool:
        """Whether a trial is under way."""
        return self.trial.begun and not self.phase.settled

    @property
    def copying(self) -> Copying | None:
        """How requests are copied to the latest now; None where they are not."""
        mirror = self.trial.mirror if self.tried else None
        if mirror is not None and mirror.on:
            return mirror.wish
        return self.share.copying if self.share is not None else None

    @property
    def share(self) -> Share | None:
        """The share of the traffic that the latest takes now; None where it takes none."""
        found = self.trial.share if self.tried else None
        return found if found is not None and found.pods > 0 else None

    @property
    def weight(self) -> int:
        """How many percent of the requests gateways shall give to the latest."""
        return self.share.percent if self.share is not None and self.share.weighed else 0
