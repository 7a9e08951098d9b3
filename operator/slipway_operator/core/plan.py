"""The decision: what should be true next, and when to look again."""

from dataclasses import dataclass
from datetime import timedelta

from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Revision
from slipway_operator.core.rollout import Choice, Course, Phase, Traffic
from slipway_operator.core.spec import Strategy
from slipway_operator.core.standing import REFUSALS, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One pass's decision, complete enough to render and report without asking again.

    ``choice`` is the strategy that it acts by. ``keep`` are the revisions whose records stay;
    ``course`` says which of them have pods.
    ``replicas`` maps a fingerprint to the count to write; whoever is not in it is left to its HPA.
    ``fault`` is what ails the latest revision, ``serving_fault`` what ails the one with the
    traffic, ``unreachable`` what keeps all traffic away from the pods. ``standing`` is what is
    known of the answers of the latest revision, None where nothing is demanded of them.
    ``refusal`` says why it may not serve, ``lasting`` what of that status must remember.
    ``weight`` is what gateways give of the requests to the latest, in percent; None where no canary
    is to come. ``suspended`` says that nothing of all this is carried out.
    """

    latest: str
    choice: Choice
    course: Course
    keep: tuple[Revision, ...]
    replicas: dict[str, int]
    fault: Fault | None
    serving_fault: Fault | None
    recheck_after: timedelta | None
    unreachable: Fault | None = None
    weight: int | None = None
    suspended: bool = False
    standing: Standing | None = None
    refusal: Fault | None = None
    lasting: Fault | None = None

    @property
    def strategy(self) -> Strategy:
        """How one revision follows another."""
        return self.choice.strategy

    @property
    def traffic(self) -> Traffic:
        """Where the traffic goes."""
        return self.course.traffic

    @property
    def phase(self) -> Phase:
        """Where the rollout is."""
        return self.course.phase

    @property
    def needed(self) -> int:
        """How many pods the revision that should serve needs."""
        return self.course.needed

    @property
    def rolled_back(self) -> bool:
        """Whether the latest revision was refused, and another one serves in its place."""
        found = self.fault is not None and self.fault.final and self.fault.reason in REFUSALS
        refused = found or self.refusal is not None
        return refused and self.traffic.good not in {None, self.latest}
