"""Pods that do not come to be, or find no node: quota and policies, volume claims, room."""

import re

from slipway_operator.core.diagnose.fault import Fault, of_pod
from slipway_operator.core.observed import Workload
from slipway_operator.core.pods import Pod
from slipway_operator.core.room import amount


def refused(workload: Workload) -> Fault | None:
    """Find pods that the API server does not let be created."""
    if workload.refusal is None:
        return None
    message = re.sub(r'^pods "[^"]*" is forbidden: ', "", workload.refusal)
    reason, hint = next(
        (reason, hint) for pattern, reason, hint in REFUSALS if re.search(pattern, message)
    )
    return Fault(reason=reason, message=f"the API server refuses its pods: {message}", hint=hint)


REFUSALS = (
    (
        "quota",
        "QuotaExceeded",
        "Make room in the namespace's ResourceQuota, raise it, or ask for less in spec.resources "
        "or for fewer pods.",
    ),
    (
        "service ?account",
        "ServiceAccountMissing",
        "Create the ServiceAccount, or correct spec.template.serviceAccountName.",
    ),
    (
        "PodSecurity",
        "PodsRefused",
        "Slipway's pods pass Pod Security `restricted`: look at what spec.template adds, or at the "
        "namespace's labels.",
    ),
    (
        "",
        "PodsRefused",
        "Change the spec so that the admission policy, webhook or LimitRange named here takes it, "
        "or have that changed.",
    ),
)


CLAIM_UNBOUND = (
    "unbound immediate PersistentVolumeClaims"
    "|didn't find available persistent volumes to bind"
    "|bound to non-exist"
    "|is being del"
)
"""The second is what a claim is told that waits for its first pod (WaitForFirstConsumer)."""


def unplaced(pod: Pod) -> Fault | None:
    """Find a pod that the scheduler can give to no node."""
    if pod.unschedulable is None:
        return None
    return _claim_missing(pod) or _claim_unbound(pod) or _no_room(pod)


def _claim_missing(pod: Pod) -> Fault | None:
    said = pod.unschedulable or ""
    found = re.search(r'persistentvolumeclaim "([^"]+)" not found', said) or re.search(
        r'could not find v1.PersistentVolumeClaim "(?:[^"/]+/)?([^"]+)"', said
    )
    if found is None:
        return None
    return of_pod(
        pod,
        "VolumeClaimMissing",
        f"there is no PersistentVolumeClaim {found[1]} in this namespace",
        f"Create the claim {found[1]}, or correct the name in spec.model.uri.",
    )


def _claim_unbound(pod: Pod) -> Fault | None:
    if not re.search(CLAIM_UNBOUND, pod.unschedulable or ""):
        return None
    claims = ", ".join(pod.claims)
    return of_pod(
        pod,
        "VolumeClaimUnbound",
        f"PersistentVolumeClaim {claims} is not bound to a volume",
        f"`kubectl describe pvc {claims}` says what it waits for: a volume, or a storage class "
        "that can make one.",
    )


def _no_room(pod: Pod) -> Fault:
    said = pod.unschedulable or "no node takes the pod"
    lacking = re.findall(r"Insufficient ([\w./-]+\w)", said)
    known = [text for name in dict.fromkeys(lacking) if (text := _shortage(pod, name))]
    if not lacking:
        hint = "Relax the placement in spec.template (nodeSelector, affinity, tolerations, spread)"
    else:
        names = ", ".join(f"spec.resources.requests[{name}]" for name in dict.fromkeys(lacking))
        hint = f"Lower {names}"
    return of_pod(
        pod,
        "Unschedulable",
        "; ".join((*known, f"the scheduler says: {said}")),
        f"{hint}, or add nodes that fit.",
    )


def _shortage(pod: Pod, name: str) -> str:
    """Say how much of a resource is missing, if that is why no node takes the pod."""
    wanted, most = pod.requests.get(name), pod.room.get(name)
    if wanted is None or most is None or wanted <= most:
        return ""
    return (
        f"the pod asks for {name} {amount(name, wanted)}, the roomiest node has "
        f"{amount(name, most)} free: {amount(name, wanted - most)} missing"
    )
