"""What a revision must stand before it takes all the traffic: first a shadow, then a canary."""

from dataclasses import dataclass

from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.rollout import canary, rolling, shadow
from slipway_operator.core.rollout.canary import Share
from slipway_operator.core.rollout.good import wanted
from slipway_operator.core.rollout.shadow import Mirror
from slipway_operator.core.spec import Spec


@dataclass(frozen=True, slots=True)
class Trial:
    """Where a trial is: ``due`` says that all of it is over, or that none was asked for."""

    due: bool
    mirror: Mirror | None = None
    share: Share | None = None

    @property
    def begun(self) -> bool:
        """Whether any of it has begun."""
        return self.mirror is not None or self.share is not None

    @property
    def refusal(self) -> Refusal | None:
        """Why the revision did not stand it; None where it did, so far."""
        stages = (self.mirror, self.share)
        return next((stage.refusal for stage in stages if stage and stage.refusal), None)


NONE = Trial(due=True)


def needed(spec: Spec, seen: Observed, base: Revision | None) -> int:
    """Count the pods that the latest needs for the next stage, or to take over."""
    if rolling.planned(spec, seen, base):
        return rolling.needed(spec, seen)
    whole, wish = wanted(spec.scale, base), shadow.planned(spec, base)
    if wish is not None and not shadow.over(spec, seen):
        return min(shadow.size(wish, base), whole)
    return min(canary.size(spec, seen, base) or whole, whole)


def stand(spec: Spec, seen: Observed, base: Revision | None, *, fit: bool, ready: bool) -> Trial:
    """Move a trial on: ``fit`` says that its pods are there, ``ready`` that it may go further."""
    mirror = shadow.mirror(spec, seen, base, fit=fit, ready=ready)
    if shadow.planned(spec, base) and (mirror is None or not mirror.due):
        return Trial(False, mirror)
    share = canary.share(spec, seen, base, fit=fit, ready=ready)
    due = share.due if share is not None else canary.planned(spec, base) is None
    return Trial(due, mirror, share)
