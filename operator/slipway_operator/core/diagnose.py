"""Why a revision is not well: ordered checks, surest evidence first; the first one wins."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from slipway_operator.core import names
from slipway_operator.core.observed import Container, Pod, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Reason for machines, message for people, hint for what to do.

    ``final`` faults are those that neither time nor a restart will mend.
    """

    reason: str
    message: str
    hint: str = ""
    final: bool = False
    pod: str | None = None
    container: str | None = None
    exit_code: int | None = None


Check = Callable[[Pod], Fault | None]

FINAL = frozenset(
    {
        "DigestMismatch",
        "UnsupportedUri",
        "ModelInvalid",
        "ModelTooNew",
        "ExternalDataMissing",
        "ModelUnsupported",
        "SettingsInvalid",
    }
)
"""Reasons of docs/contract.md that a restart does not mend."""

REASON_LIMIT = 128
"""Most characters of a reason in the CRD: a runtime image of the user's may say anything."""

IMAGE_FAULTS = {
    "ErrImagePull": "ImagePullFailed",
    "ImagePullBackOff": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "InvalidImageName": "InvalidImageName",
    "CreateContainerConfigError": "ContainerConfigInvalid",
    "CreateContainerError": "ContainerCreateFailed",
    "RunContainerError": "ContainerStartFailed",
}


def unschedulable(pod: Pod) -> Fault | None:
    """Find a pod that no node takes."""
    if pod.unschedulable is None:
        return None
    return Fault(
        reason="Unschedulable",
        message=pod.unschedulable,
        hint="Lower spec.resources.requests, relax spec.template's placement, or add nodes.",
        pod=pod.name,
    )


def not_started(pod: Pod) -> Fault | None:
    """Find a container that the kubelet can't start: its image or its configuration."""
    for container in pod.containers:
        reason = IMAGE_FAULTS.get(container.waiting or "")
        if reason:
            return Fault(
                reason=reason,
                message=container.waiting_message or str(container.waiting),
                hint="Check spec.runtime.image and spec.template.imagePullSecrets."
                if "Image" in reason
                else "Check what spec.template and spec.runtime refer to.",
                final=reason == "InvalidImageName",
                pod=pod.name,
                container=container.name,
            )
    return None


def reported(pod: Pod) -> Fault | None:
    """Find what the runtime itself says is wrong: in its /status, or on its way out."""
    status = pod.runtime or {}
    if status.get("state") == "Failed":
        return _from_report(pod, names.SERVE, status, None)
    for container in pod.containers:
        reason = container.report.get("reason")
        if reason and reason != "Fetched" and (reason in FINAL or not container.running):
            return _from_report(pod, container.name, container.report, container.exit_code)
    return None


def _from_report(pod: Pod, container: str, report: object, exit_code: int | None) -> Fault:
    said = report if isinstance(report, dict) else {}
    reason = str(said.get("reason") or "Failed")[:REASON_LIMIT]
    return Fault(
        reason=reason,
        message=str(said.get("message", "")),
        hint=str(said.get("hint", "")),
        final=reason in FINAL,
        pod=pod.name,
        container=container,
        exit_code=exit_code,
    )


def out_of_memory(pod: Pod) -> Fault | None:
    """Find a container that the kernel killed for memory."""
    ended = _ended(pod, lambda c: c.reason == "OOMKilled")
    if ended is None:
        return None
    return Fault(
        reason="OutOfMemory",
        message=f"container {ended.name} went over its memory limit {ended.restarts or 1} times",
        hint="Raise spec.resources.limits.memory.",
        pod=pod.name,
        container=ended.name,
        exit_code=ended.exit_code,
    )


def crashing(pod: Pod) -> Fault | None:
    """Find a container that keeps ending with an error."""
    ended = _ended(pod, lambda c: c.exit_code not in {None, 0} and not c.running)
    if ended is None:
        return None
    return Fault(
        reason="Crashing",
        message=f"container {ended.name} ended with exit code {ended.exit_code}"
        f" ({ended.restarts} restarts): {_last_line(ended.message)}",
        hint=f"kubectl logs {pod.name} -c {ended.name} --previous",
        pod=pod.name,
        container=ended.name,
        exit_code=ended.exit_code,
    )


def _last_line(message: str) -> str:
    """Pick the line that says most: of a traceback or a log it is the last one."""
    return (message.strip().splitlines() or ["it left no message"])[-1]


def _ended(pod: Pod, test: Callable[[Container], bool]) -> Container | None:
    return next((c for c in pod.containers if test(c)), None)


CHECKS: tuple[Check, ...] = (unschedulable, not_started, reported, out_of_memory, crashing)


def diagnose(workload: Workload | None, pods: Iterable[Pod]) -> Fault | None:
    """Return the fault that explains why a revision is not well, or None when nothing is known."""
    if workload is not None and workload.refusal is not None:
        return Fault(
            reason="PodsRefused",
            message=workload.refusal,
            hint="Make room in the namespace's quota, or satisfy its admission policy.",
        )
    unwell = [pod for pod in pods if not pod.ready]
    faults = (fault for check in CHECKS for pod in unwell if (fault := check(pod)))
    return next(faults, None)
