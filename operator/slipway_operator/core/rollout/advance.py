"""The rollout's state machine: from what is there to where the traffic goes, and who has pods.

A Service selects the pods of exactly one revision, so a promotion is one write, and nothing has to
be undone when a revision fails: it never had traffic. The machine has no state of its own: what it
must remember stands in status (which revision is good, since when another is retired, which one was
refused) and in the Service.

The *aim* is the revision that should serve: the latest, or, where that is refused, the one that
``rollbackTo`` names, the good one, or the one that was good before it. *Good* is what can be relied
on now, or nothing.

=======  =======  =======  =======  =======  ===========  ======================
refused  good     proven   trusted  held     phase        traffic
=======  =======  =======  =======  =======  ===========  ======================
no       aim      any      any      any      Complete     aim
no       other    no       any      any      Preparing    other
no       other    yes      no       any      Verifying    other
no       other    yes      yes      yes      Paused       other
no       other    yes      yes      no       Complete     aim
no       none     no       yes      no       Preparing    latest
no       none     no       else     else     Preparing    nobody
no       none     yes      no       any      Verifying    nobody
no       none     yes      yes      yes      Paused       nobody
no       none     yes      yes      no       Complete     latest
yes      aim      no       any      any      RollingBack  aim
yes      aim      yes      any      any      RolledBack   aim
yes      latest   no       any      any      RollingBack  latest
yes      latest   yes      any      any      RolledBack   aim
yes      nothing to go back to      any      Refused      latest if good, else nobody
=======  =======  =======  =======  =======  ===========  ======================

A ``trial`` comes between the last two where the strategy asks for one and another revision serves:
the phase is Shadow, then Canary, then Promoting until the rest of the pods are ready. Who does not
stand it is RolledBack at once.

With ``RollingUpdate`` the phase is Rolling before Complete, and before RolledBack as well; see
``rolling``.

*Proven* is about the aim's pods, *trusted* about the answers of the latest; a revision that served
before is trusted. ``spec.rollout.paused`` holds the latest, until ``promote`` names it.
"""

from slipway_operator.core import names
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.rollout import crew, rolling, trial
from slipway_operator.core.rollout.course import Course, Phase
from slipway_operator.core.rollout.good import (
    Traffic,
    last_good,
    predecessor,
    proven,
    usable,
    wanted,
)
from slipway_operator.core.rollout.rolling import Rolling
from slipway_operator.core.rollout.trial import NONE, Trial
from slipway_operator.core.spec import Spec, Strategy


def advance(spec: Spec, seen: Observed, *, trusted: bool, refused: bool) -> Course:
    """Move a rollout on; ``trusted`` and ``refused`` are about the latest revision."""
    latest, good = spec.fingerprint, last_good(seen)
    aim = _aim(spec, good, seen) if refused or rolling.strays(spec, seen) else latest
    base = None if good == aim else seen.revision(good)
    if rolling.planned(spec, seen, base):
        return _roll(spec, seen, aim, trusted=trusted, refused=refused)
    needed = wanted(spec.scale, base) if refused else trial.needed(spec, seen, base)
    fit = proven(seen.revision(aim), needed)
    held = not refused and crew.held(spec, base)
    tried = NONE
    if refused:
        phase, traffic = _back(aim, latest, good, fit=fit)
    else:
        ready = trusted and not held
        tried = trial.stand(spec, seen, base, fit=fit, ready=ready)
        phase, traffic = _forth(aim, good, fit=fit, ready=ready, trusted=trusted, tried=tried)
    window = crew.window(spec, seen, traffic)
    if spec.rollout.strategy is Strategy.RECREATE:
        active = crew.alone(seen, aim, base if held else None)
    else:
        active = crew.together(spec, seen, traffic, aim)
    if aim not in active:
        phase = Phase.PAUSED if held else Phase.STOPPING
    return Course(
        phase=phase,
        aim=aim,
        traffic=traffic,
        active=active | set(window),
        needed=needed,
        until=next(iter(window.values()), None),
        trial=tried,
    )


def _roll(spec: Spec, seen: Observed, aim: str, *, trusted: bool, refused: bool) -> Course:
    """Replace the pods of others by those of the aim, bit by bit."""
    good = last_good(seen)
    back = refused or aim != spec.fingerprint
    known = back or aim == good
    held = not known and crew.held(spec, seen.revision(good))
    joining = known or trusted
    now = rolling.roll(spec, seen, aim, joining=joining, held=held)
    if now.done:
        phase = Phase.ROLLED_BACK if refused else Phase.PREPARING if back else Phase.COMPLETE
        traffic = Traffic(track=aim, good=aim)
    else:
        phase = Phase.ROLLING_BACK if back else _amid(now, joining=joining, held=held)
        track = (seen.track if seen.pooled else good) or aim
        traffic = Traffic(track=track, good=good, pooled=now.pooled)
    return Course(
        phase=phase,
        aim=aim,
        traffic=traffic,
        active=frozenset(name for name, count in now.counts.items() if count > 0),
        needed=now.counts[aim],
        rolling=now,
    )


def _amid(now: Rolling, *, joining: bool, held: bool) -> Phase:
    """Name the phase of pods that are not all replaced yet."""
    if not now.begun and not now.first:
        return Phase.PREPARING
    if not joining:
        return Phase.VERIFYING
    return Phase.PAUSED if held else Phase.ROLLING


def _aim(spec: Spec, good: str | None, seen: Observed) -> str:
    """Choose what serves in place of a revision that may not, or not yet."""
    latest, named = spec.fingerprint, usable(seen, spec.rollout.rollback_to)
    if named is not None and named.fingerprint != latest:
        return named.fingerprint
    if good is not None and good != latest:
        return good
    before = predecessor(latest, seen)
    return before.fingerprint if before else latest


def _forth(
    aim: str, good: str | None, *, fit: bool, ready: bool, trusted: bool, tried: Trial
) -> tuple[Phase, Traffic]:
    if good == aim or (fit and ready and tried.due):
        return Phase.COMPLETE, Traffic(track=aim, good=aim)
    traffic = Traffic(track=good or (aim if ready else names.NOBODY), good=good)
    if tried.begun:
        return _during(tried, ready=ready), traffic
    if not fit:
        return Phase.PREPARING, traffic
    return Phase.PAUSED if trusted else Phase.VERIFYING, traffic


def _during(tried: Trial, *, ready: bool) -> Phase:
    """Name the phase of a trial that has begun."""
    if tried.refusal is not None:
        return Phase.ROLLED_BACK
    if not ready:
        return Phase.PAUSED
    if tried.share is not None and tried.share.passed < tried.share.steps:
        return Phase.CANARY
    going = tried.mirror is not None and not tried.mirror.due
    return Phase.SHADOW if going else Phase.PROMOTING


def _back(aim: str, latest: str, good: str | None, *, fit: bool) -> tuple[Phase, Traffic]:
    if aim == latest:
        return Phase.REFUSED, Traffic(track=good or names.NOBODY, good=good)
    if fit:
        return Phase.ROLLED_BACK, Traffic(track=aim, good=aim)
    return Phase.ROLLING_BACK, Traffic(track=good or aim, good=good)


def betrayed(seen: Observed, latest: str) -> Revision | None:
    """Find what to go back to when all pods of the latest answer wrongly: what passed before it."""
    pods = [pod for pod in seen.pods_of(latest) if pod.ready]
    before = predecessor(latest, seen)
    wrong = bool(pods) and all(pod.watch.get("wrong") for pod in pods)
    known = before is not None and before.verdict is not None and before.verified
    return before if wrong and known and last_good(seen) == latest else None
