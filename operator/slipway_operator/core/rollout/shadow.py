"""A revision that answers copies of users' requests, and nobody but us hears it.

The pods that serve send it copies of a share of their requests, and compare its answers with their
own: the same inputs on both sides, so few of them tell much. It ends as a step of a canary does:
when its time is over, enough was compared, and enough of it agreed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from slipway_operator.core.copies import Copies
from slipway_operator.core.observed import Observed, Revision, Shadowed
from slipway_operator.core.pods import Pod
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.rollout.gates import SHADOWED, disagreement, kept
from slipway_operator.core.rollout.good import running, to_be_tried
from slipway_operator.core.spec import Spec
from slipway_operator.core.trial import Shadow


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """What is copied to a shadow, and what came of it.

    ``wish`` says how. ``due`` says that status knows it to be over, ``ended`` when that was;
    ``since`` is when it began, None while its pods are on their way. ``short`` says that it waits
    for more copies, ``refusal`` why it is stopped.
    """

    wish: Shadow
    due: bool = False
    since: datetime | None = None
    ended: datetime | None = None
    copies: Copies = Copies()  # noqa: RUF009 - it is frozen
    short: bool = False
    refusal: Refusal | None = None

    @property
    def on(self) -> bool:
        """Whether pods shall send copies."""
        return self.ended is None and self.refusal is None

    def numbers(self) -> dict[str, int | str]:
        """Write what it came to for status: without copies no share of them agrees."""
        copies = self.copies
        bad, of = copies.disagreed + copies.failed, copies.requests
        if of == 0:
            return {**copies.write()}
        shares = {"agreement": 1 - bad / of, "agreementAtLeast": kept(bad, of)}
        return {**copies.write(), **{key: f"{round(share, 6):g}" for key, share in shares.items()}}


def planned(spec: Spec, base: Revision | None) -> Shadow | None:
    """Find the shadow that is to come before anything else; None where there is none."""
    return spec.rollout.shadow if to_be_tried(spec, base) else None


def size(wish: Shadow, base: Revision | None) -> int:
    """Count the pods that the copies take, if each takes as much as one that serves."""
    return max(1, ceil(running(base) * wish.percent / 100))


def _held(spec: Spec, seen: Observed) -> Shadowed | None:
    """Find what status holds of the latest revision's shadow."""
    progress = seen.progress(spec.fingerprint)
    return progress.shadow if progress is not None else None


def over(spec: Spec, seen: Observed) -> bool:
    """Say whether status knows that it is over."""
    held = _held(spec, seen)
    return held is not None and held.ended is not None


def mirror(
    spec: Spec, seen: Observed, base: Revision | None, *, fit: bool, ready: bool
) -> Mirror | None:
    """Move a shadow on: ``fit`` says that its pods are there, ``ready`` that it may go further."""
    wish, held = planned(spec, base), _held(spec, seen)
    if wish is None or base is None or (held is None and not (fit and ready)):
        return None
    if held is None:
        return Mirror(wish=wish)
    if held.ended is not None:
        return Mirror(wish=wish, due=True, since=held.since, ended=held.ended, copies=held.copies)
    copies = compared(seen.pods_of(base.fingerprint), spec.fingerprint)
    now = Mirror(wish=wish, copies=copies, since=held.since or (seen.now if fit else None))
    refusal = _judge(now, sure=True)
    if refusal is not None:
        return replace(now, refusal=refusal)
    late = now.since is not None and seen.now - now.since >= wish.duration
    return _end(now, seen.now) if late and fit and ready else now


def _end(now: Mirror, time: datetime) -> Mirror:
    """End a shadow whose time is over."""
    if now.copies.requests < now.wish.min_requests:
        return replace(now, short=True)
    refusal = _judge(now, sure=False)
    return replace(now, refusal=refusal) if refusal is not None else replace(now, ended=time)


def _judge(now: Mirror, *, sure: bool) -> Refusal | None:
    return disagreement(SHADOWED, now.wish, now.copies, sure=sure)


def compared(pods: Iterable[Pod], revision: str) -> Copies:
    """Put together what pods say of the copies that they sent to a revision."""
    total = Copies()
    for pod in pods:
        total += Copies.read(pod.runtime, revision)
    return total
