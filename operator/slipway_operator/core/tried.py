"""How a revision that serves some callers, or none yet, is told to people."""

from slipway_operator.core.rollout import Course, Mirror, Share


def told(course: Course) -> str:
    """Say what the revision gets, and what it waits for."""
    trial, rolling = course.trial, course.rolling
    if rolling is not None:
        return f"has {rolling.joined} of the {rolling.replicas} pods that serve"
    if trial.share is not None:
        return f"takes {_share(trial.share)}"
    return f"gets {_copies(trial.mirror)}" if trial.mirror is not None else "waits"


def _copies(mirror: Mirror) -> str:
    """Describe what a shadow gets, and what it waits for."""
    text = f"copies of {mirror.wish.percent} % of the requests, and nobody hears its answers"
    waits = "; it waits for more of them: see spec.rollout.shadow.minRequests"
    return text + (waits if mirror.short else "")


def _share(share: Share) -> str:
    """Describe what a canary has, and what it waits for."""
    step = f"step {min(share.passed + 1, share.steps)} of {share.steps}"
    text = (
        f"{share.percent} % of the requests that come by the HTTPRoute: {step}"
        if share.weighed
        else f"about {share.percent} % of the connections, by {share.pods} of {share.among} pods: "
        f"{step}, at most {share.weight} %"
    )
    if share.short:
        return f"{text}; it waits for more {share.short}"
    return f"{text}; it waits for {share.unread}" if share.unread else text
