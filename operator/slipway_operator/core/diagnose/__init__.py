"""Why a revision is not well: small checks in the order in which they win.

First what no restart mends, because nothing else helps before it is changed. Then as a pod lives:
whatever stops it early explains what comes late. The faults that do not win stay listed.

==== ================================================ ======================================
rank stage                                            reasons
==== ================================================ ======================================
1    nothing but a change helps                       InvalidImageName, and FINAL
2    its node is gone: older evidence of it is stale  NodeGone
3    it may not be                                    QuotaExceeded, PodsRefused, …
4    it finds no node                                 VolumeClaim…, Unschedulable
5    what it refers to is not there                   SecretMissing, ConfigMapMissing, …
6    its image                                        ImageNotFound, ImageAccessDenied, …
7    what the runtime says of itself                  SourceNotFound, DiskFull, …
8    it ends                                          OutOfMemory, StartupTooSlow, Crashing, …
9    it was well, and is not                          ReadinessLost, AnswersWrong
10   it was put off its node                          Evicted, DiskFull
==== ================================================ ======================================
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from slipway_operator.core.diagnose import (
    ending,
    images,
    placing,
    reported,
    scaling,
    serving,
    starting,
)
from slipway_operator.core.diagnose.answering import REASON as WRONG
from slipway_operator.core.diagnose.answering import misled
from slipway_operator.core.diagnose.fault import Check, Fault
from slipway_operator.core.diagnose.reported import FINAL
from slipway_operator.core.observed import Scaler, Workload
from slipway_operator.core.pods import Pod

__all__ = ["FINAL", "WRONG", "Fault", "diagnose", "hinders", "misled", "together"]

LISTED = 8
"""Most faults that are told beside the one that wins."""

BEFORE: tuple[Check, ...] = (images.misnamed, reported.final, serving.node_gone)
"""What these find is all that there is to say of a pod."""

STAGES: tuple[tuple[Check, ...], ...] = (
    (placing.unplaced,),
    (images.secret_missing,),
    (starting.config_invalid, starting.not_mounted),
    (images.not_pulled,),
    (
        reported.reported,
        ending.out_of_memory,
        ending.too_slow,
        ending.unresponsive,
        ending.crashing,
        serving.not_answering,
    ),
)
"""Of each stage a pod has one explanation: a container that was killed did not crash as well."""


def diagnose(workload: Workload | None, pods: Iterable[Pod]) -> Fault | None:
    """Return the fault that explains best why a revision is not well; None when none is known."""
    return together(_faults(workload, [pod for pod in pods if not pod.ready]))


def together(faults: Iterable[Fault]) -> Fault | None:
    """Let the first of some faults win; all others, and those that they list, stay listed."""
    parts = (part for fault in faults for part in (replace(fault, others=()), *fault.others))
    found = list(_distinct(parts))
    return replace(found[0], others=tuple(found[1 : LISTED + 1])) if found else None


def hinders(scaler: Scaler) -> Fault | None:
    """Return what keeps an HPA from following the load; None when nothing does."""
    return scaling.without_metrics(scaler) or scaling.at_most(scaler)


def _faults(workload: Workload | None, pods: Sequence[Pod]) -> Iterator[Fault]:
    """List all faults in the order in which they win."""
    gone = [pod for pod in pods if pod.evicted is not None]
    here = [pod for pod in pods if pod.evicted is None]
    final = list(_stage(BEFORE, here))
    yield from final
    refusal = placing.refused(workload) if workload is not None else None
    if refusal is not None:
        yield refusal
    explained = {fault.pod for fault in final}
    rest = [pod for pod in here if pod.name not in explained and not pod.leaving]
    for checks in STAGES:
        yield from _stage(checks, rest)
    yield from _stage((ending.evicted,), gone)


def _stage(checks: Sequence[Check], pods: Sequence[Pod]) -> Iterator[Fault]:
    """Let the checks look at all pods in turn, until each pod has one explanation."""
    explained: set[str] = set()
    for check in checks:
        for pod in pods:
            fault = None if pod.name in explained else check(pod)
            if fault is not None:
                explained.add(pod.name)
                yield fault


def _distinct(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Leave out what another pod has said already."""
    told: set[tuple[str | None, ...]] = set()
    for fault in faults:
        key = (fault.reason, fault.container, None if fault.pod else fault.message)
        if key not in told:
            told.add(key)
            yield fault
