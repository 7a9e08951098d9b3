"""Which pods take traffic as others than they are, and whose numbers are noted for a trial."""

from collections.abc import Iterator
from typing import NamedTuple

from slipway_operator.core import names
from slipway_operator.core.observed import Observed
from slipway_operator.core.pods import Pod
from slipway_operator.core.requests import Baseline, Requests
from slipway_operator.core.rollout.canary import Share
from slipway_operator.core.rollout.course import Course


class Move(NamedTuple):
    """A pod that gets a label, and a note of what it had answered before a trial, or none."""

    pod: str
    value: str
    baseline: str | None = None
    label: str = names.TRACK_LABEL


def moves(seen: Observed, course: Course, latest: str) -> Iterator[Move]:
    """List the pods whose label or note differs from what it should be, those that leave first.

    While pods are replaced bit by bit, all that are ready and may serve get the label of the pool.
    Of the latest, those that take a share of the traffic get the track of what serves; where a
    gateway weighs requests it selects them by their own, and each of them takes its part. One that
    does not say what it has answered so far is not taken: it could not be judged. A note stays as
    long as the trial: it is the evidence of whoever comes after an operator that died.
    """
    track, share = course.traffic.track, course.share
    shared = latest if share is not None and share.weighed else track
    if course.rolling is not None and course.rolling.begun and not course.rolling.done:
        for pod in seen.pods:
            serves = pod.fingerprint in course.rolling.members and pod.ready and not pod.leaving
            if serves and pod.pool != track:
                yield Move(pod.name, track, label=names.POOL_LABEL)
    ready = [pod for pod in seen.pods_of(latest) if pod.ready and not pod.leaving]
    ready.sort(key=lambda pod: pod.track == pod.fingerprint)
    known = [pod for pod in ready if pod.track == track or Requests.read(pod.runtime)]
    chosen = known[: _taken(share)]
    taken = {pod.name for pod in chosen}
    for pod in seen.pods:
        noted = pod.baseline or None if pod.fingerprint == latest else None
        kept = noted if course.trial.begun else None
        if pod.name not in taken and (pod.track != pod.fingerprint or noted != kept):
            yield Move(pod.name, pod.fingerprint, kept)
    for pod in (*chosen, *(seen.pods_of(track) if course.tried else ())):
        to = shared if pod.name in taken else track
        note = pod.baseline if Baseline.recall(pod.baseline, latest) else _note(pod, latest)
        if note is not None and (pod.track != to or note != pod.baseline):
            yield Move(pod.name, to, note)


def _taken(share: Share | None) -> int | None:
    """Count the pods that shall take a share; None for all that there are."""
    if share is None:
        return 0
    return None if share.weighed else share.pods


def _note(pod: Pod, latest: str) -> str | None:
    """Write what a pod has answered until now; None where it does not say."""
    answered, serve = Requests.read(pod.runtime), pod.container(names.SERVE)
    if answered is None:
        return None
    return Baseline(answered, serve.restarts if serve else 0).note(latest)
