"""A revision that takes a share of the traffic, step by step, and is watched meanwhile.

Where a gateway takes the model's route, that weighs requests, and the share is what was asked for.
Elsewhere some of its pods carry the label by which the Service selects what serves, so that they
are among its endpoints. Connections are spread evenly over those: with ``S`` pods that serve and
``N`` of the canary it gets ``N / (S + N)`` of them. What serves keeps all its pods.

A step ends when its time is over, if it has one, and the canary has answered enough requests, all
in all, and few enough of them badly; the last one is followed by the pods that are still missing.
Enough is what the step asks for, and what any step needs. What it is judged by is all that it has
answered as a canary, how far its answers to copies of requests agree, and what Prometheus says to
its ``queries``.

=========  =========  ============  ============
badly      time over  enough asked  result
=========  =========  ============  ============
surely     any        any           stopped
too often  yes        yes           stopped
else       yes        yes           next step
else       yes        no            waits for more
else       no         any           goes on
=========  =========  ============  ============

What is bad, and what is sure, is for ``gates`` to say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from math import ceil
from operator import add

from slipway_operator.core import names
from slipway_operator.core.copies import Copies
from slipway_operator.core.observed import Observed, Progress, Revision
from slipway_operator.core.pods import Pod
from slipway_operator.core.reading import Reading
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.requests import Baseline, Requests
from slipway_operator.core.rollout import queries, shadow
from slipway_operator.core.rollout.gates import FAILED, Gates
from slipway_operator.core.rollout.good import running, to_be_tried
from slipway_operator.core.spec import Spec
from slipway_operator.core.trial import FIELD, Canary, Copying, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a canary has of the traffic.

    ``passed`` counts the steps behind it; ``due`` says that status knows it of all of them.
    ``pods`` of ``among`` are its own, and have ``weight`` percent of the requests where these are
    ``weighed``, but at most what those carry that are there; or else what its pods come to.
    ``since`` is when the step began, None while its
    pods are on their way. ``answered``, the ``slow`` ones among them and ``readings`` are what it
    is judged by, once it is; ``slow`` is None where nobody asks for it.
    ``copying`` says how requests are copied to it, if they are, and ``copies`` what came of that.
    ``short`` says of what it waits for more, ``unread`` which query has no answer, ``refusal`` why
    it is stopped.
    """

    passed: int
    steps: int
    weight: int
    pods: int
    among: int
    weighed: bool = False
    most: int = 0
    due: bool = False
    since: datetime | None = None
    answered: Requests | None = None
    slow: int | None = None
    copying: Copying | None = None
    copies: Copies = Copies()  # noqa: RUF009 - it is frozen
    readings: Mapping[str, Reading] = field(default_factory=dict)
    short: str = ""
    unread: str = ""
    refusal: Refusal | None = None

    @property
    def percent(self) -> int:
        """How much of the traffic it has."""
        if self.weighed:
            return min(self.weight, self.most) if self.pods else 0
        return round(100 * self.pods / self.among)


def planned(spec: Spec, base: Revision | None) -> Canary | None:
    """Find the canary that is to come before the latest takes over; None where there is none."""
    return spec.rollout.canary if to_be_tried(spec, base) else None


def size(spec: Spec, seen: Observed, base: Revision | None) -> int | None:
    """Count the pods that the step takes; None where none is to come."""
    canary = planned(spec, base)
    if canary is None:
        return None
    now = _now(canary, seen, seen.progress(spec.fingerprint), running(base))
    return None if now.due else now.pods


def share(
    spec: Spec, seen: Observed, base: Revision | None, *, fit: bool, ready: bool
) -> Share | None:
    """Move a canary on: ``fit`` says that its pods are there, ``ready`` that it may go further."""
    canary, progress = planned(spec, base), seen.progress(spec.fingerprint)
    begun = progress is not None and progress.passed is not None
    if canary is None or not (begun or (fit and ready)):
        return None
    now = _now(canary, seen, progress, running(base))
    if progress is None or not begun:
        return now
    taken = seen.pods_of(spec.fingerprint)
    others = seen.pods_of(base.fingerprint) if base is not None else ()
    gates = Gates(
        canary,
        _answered(taken, spec.fingerprint),
        _answered(others, spec.fingerprint),
        shadow.compared(others, spec.fingerprint),
    )
    now = replace(now, answered=gates.answered, slow=gates.slow, copies=gates.copies)
    now = replace(now, readings=seen.readings)
    now = _weigh(now, seen, taken, spec.fingerprint, running(base)) if now.weighed else now
    begins = fit and (not now.weighed or _heard(now, seen))
    now = replace(now, since=progress.since or (seen.now if begins else None))
    refusal = (
        _broken_down(taken, spec.fingerprint)
        or gates.judge(sure=True)
        or (queries.judge(canary, seen.readings) if progress.since or progress.passed else None)
    )
    if refusal is not None:
        return replace(now, refusal=refusal, pods=0)
    late = now.since is not None and seen.now - now.since >= _step(canary, now.passed).duration
    return _end(now, gates) if late and fit and ready and not now.due else now


def _now(canary: Canary, seen: Observed, progress: Progress | None, serving: int) -> Share:
    passed = min((progress and progress.passed) or 0, len(canary.steps))
    weight = _step(canary, passed).weight
    size = ceil(serving * weight / 100) if seen.weighs else _size(weight, serving)
    return Share(
        passed=passed,
        steps=len(canary.steps),
        weight=weight,
        pods=size,
        among=serving + size,
        weighed=seen.weighs,
        due=passed == len(canary.steps),
        copying=_copying(canary, size, serving),
    )


def _copying(canary: Canary, pods: int, serving: int) -> Copying | None:
    """Have so many requests copied that they are little beside what its pods take; 1 % at least."""
    wish = canary.copying
    if wish is None:
        return None
    return replace(wish, percent=max(1, wish.percent * min(pods, serving) // serving))


def _heard(now: Share, seen: Observed) -> bool:
    """Say whether gateways have heard of what it has."""
    return now.percent > 0 and seen.route is not None and seen.route.gives(now.percent)


def _weigh(now: Share, seen: Observed, pods: Iterable[Pod], canary: str, serving: int) -> Share:
    """Find what the pods carry that are ready, each as much as one of those that serve.

    While one of them is not counted yet it gets no more than it has.
    """
    ready = [pod for pod in pods if pod.ready and not pod.leaving]
    counted = sum(Baseline.recall(pod.baseline, canary) is not None for pod in ready)
    most = 100 * counted // serving
    if counted < len(ready) and seen.route is not None:
        most = min(most, seen.route.weight or 0)
    return replace(now, most=most)


def _step(canary: Canary, passed: int) -> Step:
    """Find the step that is under way; the last one lasts until the canary takes over."""
    return canary.steps[min(passed, len(canary.steps) - 1)]


def _end(now: Share, gates: Gates) -> Share:
    """End a step whose time is over."""
    if short := _short(now, gates):
        return replace(now, short=short)
    if unread := queries.unread(gates.canary, now.readings):
        return replace(now, unread=unread)
    refusal = gates.judge(sure=False)
    if refusal is not None:
        return replace(now, refusal=refusal, pods=0)
    return replace(now, passed=now.passed + 1, since=None)


def _short(now: Share, gates: Gates) -> str:
    """Say of what there is too little to end a step; nothing when there is enough."""
    canary, count = gates.canary, gates.answered.answered
    if count < canary.min_requests:
        return f"requests: see {FIELD}.minRequests"
    if count < _step(canary, now.passed).requests:
        return f"requests: see {FIELD}.steps[{now.passed}].requests"
    if canary.copying is not None and gates.copies.requests < canary.copying.min_requests:
        return f"copies of requests to compare: see {FIELD}.minRequests"
    return ""


def _size(weight: int, serving: int) -> int:
    """Count the pods whose share is at most ``weight`` percent; one at least."""
    return max(1, serving * weight // (100 - weight))


def _answered(pods: Iterable[Pod], canary: str) -> Requests:
    """Put together what pods have answered since a canary began."""
    found = ((Requests.read(pod.runtime), Baseline.recall(pod.baseline, canary)) for pod in pods)
    both = (now.since(before.requests) for now, before in found if now and before)
    return reduce(add, both, Requests())


def _broken_down(taken: Iterable[Pod], canary: str) -> Refusal | None:
    """Find a pod that broke down under real requests: one that takes some has a note."""
    for pod in taken:
        serve, before = pod.container(names.SERVE), Baseline.recall(pod.baseline, canary)
        if serve and before and serve.restarts > before.restarts and serve.failed:
            why = f"exit code {serve.exit_code}" + (f", {serve.reason}" if serve.reason else "")
            message = f"pod {pod.name} ended while it took traffic: {why}"
            return Refusal(FAILED, message, "See what it logged, and its memory limit.", pod.name)
    return None
