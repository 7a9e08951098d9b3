"""Images that can't be pulled."""

import re

from slipway_operator.core.containers import Container
from slipway_operator.core.diagnose.fault import Fault, of_container, of_pod
from slipway_operator.core.pods import Pod

PULLING = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable"}
)

WHY = (
    (
        r"\b40[13]\b|unauthorized|forbidden|denied|authorization failed|authentication required",
        "ImageAccessDenied",
        "Name a Secret that may pull it in spec.template.imagePullSecrets, or correct "
        "spec.runtime.image: some registries deny access to what does not exist.",
    ),
    (
        r"not found|manifest unknown|name unknown|not present",
        "ImageNotFound",
        "Correct spec.runtime.image (or the operator's default), or push the image.",
    ),
    (
        "",
        "ImagePullFailed",
        "See whether the node reaches the registry, and trusts its certificate; the pull is tried "
        "again.",
    ),
)
"""Access first: a registry that denies access often adds that the image may not exist."""


def secret_missing(pod: Pod) -> Fault | None:
    """Find pull secrets that are not there, where an image can't be pulled without.

    The kubelet looks for them before each pull: a pull since then has found them.
    """
    told = [n for n in pod.notes if n.reason in {"FailedToRetrieveImagePullSecret", "Pulling"}]
    latest = max(told, key=lambda n: (n.time, n.reason != "Pulling"), default=None)
    if latest is None or latest.reason == "Pulling" or _pulling(pod) is None:
        return None
    found = re.search(r"\(([^)]*)\)", latest.text)
    missing = found[1] if found else ", ".join(pod.secrets)
    return of_pod(
        pod,
        "SecretMissing",
        f"there is no Secret {missing} in this namespace to pull the image with",
        f"Create the Secret {missing}, or correct spec.template.imagePullSecrets.",
    )


def not_pulled(pod: Pod) -> Fault | None:
    """Find an image that the kubelet can't get."""
    container = _pulling(pod)
    if container is None:
        return None
    message = _plain(container)
    reason, hint = next((r, h) for pattern, r, h in WHY if re.search(pattern, message, re.I))
    return of_container(pod, container, reason, message, hint)


def misnamed(pod: Pod) -> Fault | None:
    """Find an image whose name is none."""
    for container in pod.containers:
        if container.waiting == "InvalidImageName":
            return Fault(
                reason="InvalidImageName",
                message=container.waiting_message or "the image's name can't be read",
                hint="Correct spec.runtime.image.",
                final=True,
                pod=pod.name,
                container=container.name,
            )
    return None


def _pulling(pod: Pod) -> Container | None:
    return next((c for c in pod.containers if c.waiting in PULLING), None)


def _plain(container: Container) -> str:
    """Say the same while the pull is tried and while the next try is waited for."""
    said = re.sub(r'^Back-off pulling image "[^"]*"(: ErrImagePull)?(: )?', "",
                  container.waiting_message)  # fmt: skip
    return re.sub(r"^rpc error: code = \w+ desc = ", "", said) or "the image can't be pulled"
