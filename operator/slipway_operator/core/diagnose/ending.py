"""Containers that end though they should not: killed, evicted, crashing."""

import re

from slipway_operator.core import names
from slipway_operator.core.containers import Container
from slipway_operator.core.diagnose.fault import Fault, of_container, of_pod
from slipway_operator.core.pods import Pod

KILLED = frozenset({0, 137, 143})
"""Exit codes of a server that the kubelet told to end, or killed."""


def out_of_memory(pod: Pod) -> Fault | None:
    """Find a container that the kernel killed for memory."""
    container = next((c for c in pod.containers if c.reason == "OOMKilled"), None)
    if container is None:
        return None
    if container.name == names.FETCH:
        what, hint = "while it fetched the model", ""
    elif pod.lapsed:
        what = "while it served"
        hint = ", or lower spec.runtime.limits, so that fewer and smaller requests are held"
    else:
        what, hint = "while it loaded the model", ": the model does not fit"
    limit = f"its memory limit of {container.memory}" if container.memory else "its memory limit"
    return of_container(
        pod,
        container,
        "OutOfMemory",
        f"container {container.name} went over {limit} {what}{_again(container)}",
        f"Raise spec.resources.limits.memory{hint}.",
    )


def too_slow(pod: Pod) -> Fault | None:
    """Find a server that the kubelet killed because it took too long to load."""
    container = _killed(pod, "startup")
    if container is None:
        return None
    return of_container(
        pod,
        container,
        "StartupTooSlow",
        f"the model was not loaded within the time for it, and the kubelet ended {container.name}"
        f"{_again(container)}",
        "Give it more CPU in spec.resources.limits, or more time in "
        "spec.rollout.progressDeadlineSeconds.",
    )


def unresponsive(pod: Pod) -> Fault | None:
    """Find a server that the kubelet killed because it no longer answered."""
    container = _killed(pod, "liveness")
    if container is None:
        return None
    return of_container(
        pod,
        container,
        "Unresponsive",
        f"container {container.name} did not answer its liveness probe for 30 s, and the kubelet "
        f"ended it{_again(container)}",
        "Look at its log and its node. A node without CPU to spare, or a request of many MiB of "
        "JSON, can hold it up.",
    )


def _killed(pod: Pod, probe: str) -> Container | None:
    """Find the server, if it was ended for one of its probes."""
    container = pod.container(names.SERVE)
    if container is None or container.exit_code not in KILLED:
        return None
    said = (n.text for n in reversed(pod.notes) if n.reason == "Killing" and "probe" in n.text)
    return container if f"failed {probe} probe" in next(said, "") else None


def crashing(pod: Pod) -> Fault | None:
    """Find a container that ends with an error, or ends at all where it should serve."""
    container = next((c for c in pod.containers if c.failed or _gave_up(c)), None)
    if container is None:
        return None
    return of_container(
        pod,
        container,
        "Crashing",
        f"container {container.name} ended with exit code {container.exit_code}"
        f"{_again(container)}: {_last_line(container.message)}",
        f"Read its last lines, and `kubectl logs {pod.name} -c {container.name} --previous`.",
    )


def _gave_up(container: Container) -> bool:
    return container.waiting == "CrashLoopBackOff" and container.exit_code == 0


def evicted(pod: Pod) -> Fault | None:
    """Find a pod that was put off its node."""
    if pod.evicted is None:
        return None
    container = next((c for c in pod.containers if c.failed), None)
    if re.search("exceed", pod.evicted) and re.search("ephemeral|emptyDir", pod.evicted, re.I):
        reason = "DiskFull"
        hint = "Raise spec.resources.limits[ephemeral-storage]: the model has to fit into it."
    else:
        reason, hint = "Evicted", "See what fills the node, or request more in spec.resources."
    if container is None:
        return of_pod(pod, reason, pod.evicted.strip(), hint)
    return of_container(pod, container, reason, pod.evicted.strip(), hint)


def _again(container: Container) -> str:
    """Count the restarts, if there were any."""
    return f" (restart {container.restarts})" if container.restarts else ""


def _last_line(message: str) -> str:
    """Pick the line that says most: the last one that names an error, or else the last one."""
    lines = message.strip().splitlines() or ["it left no message"]
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1]).strip()
