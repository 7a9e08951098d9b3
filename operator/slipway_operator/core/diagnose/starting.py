"""Containers that the kubelet can't start: what they refer to is missing, or can't be mounted."""

import re

from slipway_operator.core.diagnose.fault import Fault, of_container, of_pod
from slipway_operator.core.pods import Pod

CONFIG = {
    "CreateContainerConfigError": "ContainerConfigInvalid",
    "CreateContainerError": "ContainerCreateFailed",
    "RunContainerError": "ContainerStartFailed",
    "PreCreateHookError": "ContainerCreateFailed",
    "PostStartHookError": "ContainerStartFailed",
}

MOUNTS = {
    "FailedMount": "VolumeMountFailed",
    "FailedAttachVolume": "VolumeMountFailed",
    "FailedCreatePodSandBox": "SandboxFailed",
}

UNREAD = re.compile(r"failed to sync (secret|configmap) cache|object \S+ not registered")

MISSING = {
    "secret": ("SecretMissing", "Secret"),
    "configmap": ("ConfigMapMissing", "ConfigMap"),
}


def config_invalid(pod: Pod) -> Fault | None:
    """Find a container whose configuration the kubelet can't carry out."""
    for container in pod.containers:
        reason = CONFIG.get(container.waiting or "")
        if reason is None:
            continue
        message = container.waiting_message or str(container.waiting)
        missing = _missing(pod, message)
        hint = "Check what spec.template and spec.runtime refer to."
        return missing or of_container(pod, container, reason, message, hint)
    return None


def not_mounted(pod: Pod) -> Fault | None:
    """Find a pod that waits for a volume or for its network, by what the kubelet told of it.

    That the kubelet has not yet read a Secret or ConfigMap is no fault: it tells so of any pod, now
    and then, and mounts it a second later.
    """
    if not waits(pod):
        return None
    for note in reversed(pod.notes):
        reason = MOUNTS.get(note.reason)
        if reason and not UNREAD.search(note.text):
            hint = "Look at the volume, its claim and the node; the kubelet tries again."
            return _missing(pod, note.text) or of_pod(pod, reason, note.text or note.reason, hint)
    return None


def waits(pod: Pod) -> bool:
    """Say whether no container of a pod has run yet, though it has a node."""
    idle = any(c.waiting in {"ContainerCreating", "PodInitializing"} for c in pod.containers)
    return idle and not any(c.running or c.exit_code is not None for c in pod.containers)


ABSENT = re.compile(r'\b(?P<kind>secret|configmap) "(?P<name>[^"]+)" not found', re.I)
KEYLESS = re.compile(r"find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) (?:\S+/)?(?P<name>\S+)")


def _missing(pod: Pod, message: str) -> Fault | None:
    """Find the Secret or ConfigMap, or the key of one, that a message complains about."""
    found = ABSENT.search(message) or KEYLESS.search(message)
    if found is None:
        return None
    part = found.groupdict()
    reason, kind = MISSING[part["kind"].lower()]
    what = f"{kind} {part['name']}" + (f" with a key {part['key']}" if "key" in part else "")
    return of_pod(
        pod,
        reason,
        f"there is no {what} in this namespace",
        "Create it, or correct the name in the spec; the pod goes on by itself.",
    )
