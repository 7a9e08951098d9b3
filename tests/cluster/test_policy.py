"""The limits that an administrator may set are kept by the API server, in words that help."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure
from support.apiserver import changed
from support.manifests import POLICY, documents
from support.operators import until
from support.spec_cases import HEX64, Changes, autoscaled, dataset

pytestmark = pytest.mark.cluster

PINNED: Changes = {
    "spec.model.uri": "https://models.example.org/m.onnx",
    "spec.model.sha256": HEX64,
}
IMAGE = f"registry.example.org/ml/runtime@sha256:{HEX64}"


@pytest.fixture(scope="module")
def limited(slipway: Cluster) -> Iterator[tuple[Cluster, str]]:
    """A namespace in which, and in which alone, the limits are in force."""
    name = f"policy-{uuid4().hex[:8]}"
    slipway.run("create", "namespace", name)
    policy, binding = objects = documents(POLICY / "policy.yaml")
    policy["metadata"]["name"] = binding["metadata"]["name"] = name
    binding["spec"]["policyName"] = name
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    binding["spec"]["matchResources"] = here
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    slipway.run("apply", "-f", "-", stdin=content)
    until("the limits are in force", lambda: refusal(slipway, name, {}), 30)
    yield slipway, name
    slipway.run("delete", "-f", "-", stdin=content)
    slipway.run("delete", "namespace", name, "--wait=false")


def refusal(cluster: Cluster, namespace: str, changes: Changes) -> str:
    """Say why an object is refused; nothing when it is not."""
    manifest: dict[str, Any] = changed(changes)
    try:
        cluster.run(
            *("create", "--dry-run=server", "-n", namespace, "-f", "-"), stdin=json.dumps(manifest)
        )
    except Failure as failure:
        return str(failure)
    return ""


@pytest.mark.parametrize(
    "changes",
    [
        PINNED,
        {**PINNED, "spec.runtime.image": IMAGE},
        {**PINNED, "spec.replicas": 20},
        {**PINNED, **autoscaled(maxReplicas=20)},
        {**PINNED, "spec.model.uri": "pvc://models/m.onnx"},
        {**PINNED, **dataset(uri="https://models.example.org/d.npz", sha256=HEX64)},
    ],
    ids=lambda changes: str(changes)[-60:],
)
def test_what_keeps_to_the_limits_is_accepted(
    limited: tuple[Cluster, str], changes: Changes
) -> None:
    assert refusal(*limited, changes) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**PINNED, "spec.replicas": 21}, "spec.replicas: must be at most 20"),
        (
            {**PINNED, **autoscaled(maxReplicas=21)},
            "spec.autoscaling.maxReplicas: must be at most 20",
        ),
        ({**PINNED, "spec.model.sha256": None}, "spec.model.sha256: the administrator"),
        (
            {**PINNED, "spec.model.uri": "https://models.example.org.evil.example/m.onnx"},
            "spec.model.uri: must begin with one of https://models.example.org/",
        ),
        (
            {**PINNED, **dataset(uri="https://elsewhere.example/d.npz", sha256=HEX64)},
            "spec.verification.datasets[].uri: must begin with one of https://models.example.org/",
        ),
        (
            {**PINNED, "spec.runtime.image": f"elsewhere.example/x@sha256:{HEX64}"},
            "spec.runtime.image: must begin with one of registry.example.org/ml/",
        ),
        (
            {**PINNED, "spec.runtime.image": "registry.example.org/ml/runtime:1"},
            "spec.runtime.image: the administrator of this cluster requires a digest",
        ),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_what_goes_beyond_is_refused_with_field_and_remedy(
    limited: tuple[Cluster, str], changes: Changes, words: str
) -> None:
    assert words in refusal(*limited, changes)
