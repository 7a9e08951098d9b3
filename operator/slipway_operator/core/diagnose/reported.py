"""What the runtime itself says is wrong: in its /status, or on its way out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slipway_operator.core import names
from slipway_operator.core.containers import Container
from slipway_operator.core.diagnose.fault import Fault, of_container
from slipway_operator.core.pods import Pod

FINAL = frozenset(
    {
        "DigestMismatch",
        "UnsupportedUri",
        "ModelInvalid",
        "ModelTooNew",
        "ExternalDataMissing",
        "ModelUnsupported",
        "SignatureMismatch",
        "ProviderUnavailable",
        "SettingsInvalid",
        "DatasetInvalid",
        "VerificationFailed",
        "VerificationInconclusive",
    }
)
"""Reasons of docs/contract.md that a restart does not mend."""


def final(pod: Pod) -> Fault | None:
    """Find a failure that comes again with every restart."""
    fault = reported(pod)
    return fault if fault is not None and fault.final else None


def reported(pod: Pod) -> Fault | None:
    """Find what a runtime said of itself; that it tries again does not unsay it."""
    serving = pod.container(names.SERVE)
    status = pod.runtime or {}
    if status.get("state") == "Failed" and serving is not None:
        return _fault(pod, replace(serving, exit_code=None), status)
    for container in pod.containers:
        if container.failed and container.report.get("reason") not in {None, "Fetched"}:
            return _fault(pod, container, container.report)
    return None


def _fault(pod: Pod, container: Container, said: Mapping[str, Any]) -> Fault:
    reason = str(said.get("reason") or "Failed")
    found = of_container(
        pod,
        replace(container, report=said),
        reason,
        str(said.get("message", "")),
        str(said.get("hint", "")),
    )
    return replace(found, final=reason in FINAL)
