"""Whoever reads a reason in status finds it in docs/troubleshooting.md."""

import re

import pytest

from slipway_runtime.errors import Reason
from support.crd import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SOURCES = (
    *sorted((ROOT / "operator/slipway_operator/core/diagnose").glob("*.py")),
    ROOT / "operator/slipway_operator/core/standing.py",
    ROOT / "operator/slipway_operator/core/rollout/gates.py",
    ROOT / "operator/slipway_operator/reconcile.py",
    ROOT / "operator/slipway_operator/kube.py",
)
KUBERNETES = {
    "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "BackOff",
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    "PreCreateHookError", "PostStartHookError", "ContainerCreating", "PodInitializing",
    "CrashLoopBackOff", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox",
    "FailedToRetrieveImagePullSecret", "FailedGet", "InvalidMetric", "PodSecurity",
    "ConfigMap", "Pulling", "Killing", "Failed", "Secret", "Insufficient", "Repaired", "Background",
    "Fault", "Fetched",
}  # fmt: skip
"""Words of the API server and the kubelet, and of Events, that are no reasons of ours."""


def reasons() -> set[str]:
    text = "\n".join(source.read_text() for source in SOURCES)
    ours = set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][A-Za-z]+)*)"', text)) - KUBERNETES
    return ours | {str(reason) for reason in Reason if reason is not Reason.FETCHED}


def sections() -> set[str]:
    headings = re.findall(r"^#### (.+)$", PAGE, re.MULTILINE)
    return {name for heading in headings for name in re.findall(r"`(\w+)`", heading)}


def test_reasons_are_found() -> None:
    assert {"Unschedulable", "OutOfMemory", "NameCollision", "DigestMismatch"} <= reasons()
    assert len(reasons()) > 35


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_every_reason_has_its_section(reason: str) -> None:
    assert reason in sections()


@pytest.mark.parametrize("section", sorted(sections()))
def test_no_section_is_about_a_reason_that_there_is_not(section: str) -> None:
    assert section in reasons()
