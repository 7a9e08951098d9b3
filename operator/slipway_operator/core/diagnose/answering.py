"""Pods that have found out that they answer wrongly, and serve because none is known to do better.

A pod that knows of a better one has put itself out of service; it is ``reported``.
"""

from collections.abc import Iterable

from slipway_operator.core.diagnose.fault import Fault, of_pod
from slipway_operator.core.pods import Pod

REASON = "AnswersWrong"


def misled(pods: Iterable[Pod]) -> Fault | None:
    """Find pods that answer wrongly and are ready all the same."""
    found = [pod for pod in pods if pod.ready and pod.watch.get("wrong")]
    if not found:
        return None
    others = f" Like it, {len(found) - 1} more." if len(found) > 1 else ""
    return of_pod(
        found[0],
        REASON,
        "it answers rows wrongly that it answered rightly when it started, and no other pod is "
        f"known to answer them rightly, so it goes on serving.{others}",
        "Look at what changed: nodes, the runtime, the data sets. To go back to an earlier "
        "revision, apply its spec.",
    )
