"""What a user who may edit ModelDeployments in one namespace can't do through the operator.

docs/security.md tells each of these as a threat; it names the test that holds against it.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from slipway_operator.core import names
from slipway_operator.core.decide import decide
from slipway_operator.core.manifest import OWNED, Manifest
from slipway_operator.core.observed import Revision
from slipway_operator.core.render import Owner, record, render
from slipway_operator.core.spec import Spec
from support.builders import a_model, a_world
from support.crd import ROOT, SCHEMA, fields
from support.passes import REF

PAGE = (ROOT / "docs" / "security.md").read_text()
TEMPLATE = {
    "serviceAccountName": "powerful",
    "imagePullSecrets": [{"name": "registry"}],
    "env": [{"name": "A", "value": "b"}],
    "metadata": {
        "labels": {"team": "x"},
        "annotations": {"example.org/a": "b"},
    },
}
SCALES: list[dict[str, Any]] = [
    {"replicas": 2},
    {"replicas": None, "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "metrics": []}},
]


def made(**spec: Any) -> list[Manifest]:
    """Render all that a greedy spec can lead to."""
    wanted = {k: v for k, v in a_model(**spec)["spec"].items() if v is not None}
    parsed = Spec.parse("fraud", wanted)
    born = Revision(
        fingerprint=parsed.fingerprint, number=1, record=record("fraud", parsed, "runtime:1")
    )
    seen = a_world(born)
    owner = Owner(REF.namespace, REF.name, "uid")
    return list(render(owner, parsed, decide(parsed, seen)))


@pytest.fixture(params=SCALES, ids=["fixed", "autoscaled"])
def everything(request: pytest.FixtureRequest) -> list[Manifest]:
    route = {"parentRefs": [{"name": "web"}]}
    return made(template=TEMPLATE, route=route, **request.param)


def pod(manifests: list[Manifest]) -> dict[str, Any]:
    [deployment] = [m for m in manifests if m["kind"] == "Deployment"]
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def values(of: Any) -> Iterator[tuple[str, Any]]:
    """List every key in a manifest, with its value."""
    if isinstance(of, list):
        for item in of:
            yield from values(item)
    if isinstance(of, dict):
        for key, value in of.items():
            yield key, value
            yield from values(value)


def test_everything_made_is_in_the_users_namespace_and_belongs_to_the_users_object(
    everything: list[Manifest],
) -> None:
    kinds = {kind.kind for kind in OWNED}
    for manifest in everything:
        assert manifest["kind"] in kinds
        assert manifest["metadata"]["namespace"] == REF.namespace
        [owner] = manifest["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == (names.KIND, REF.name, True)
    named = [v for m in everything for k, v in values(m) if k in {"namespace", "namespaces"}]
    assert set(named) == {REF.namespace}


def test_a_pod_has_no_token_whichever_account_it_runs_as(everything: list[Manifest]) -> None:
    assert pod(everything)["serviceAccountName"] == "powerful"
    assert pod(everything)["automountServiceAccountToken"] is False


def test_a_pod_reaches_no_secret_and_nothing_of_its_node(everything: list[Manifest]) -> None:
    found = pod(everything)
    assert {kind for volume in found["volumes"] for kind in volume if kind != "name"} <= {
        "configMap",
        "emptyDir",
        "persistentVolumeClaim",
    }
    keys = {key for key, _ in values(found)}
    forbidden = {"hostPath", "hostNetwork", "hostPID", "hostIPC", "hostPort", "hostAliases"}
    assert keys & (forbidden | {"secretKeyRef", "secretRef", "secret", "projected", "csi"}) == set()


def test_a_pod_is_restricted(everything: list[Manifest]) -> None:
    found = pod(everything)
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*found["initContainers"], *found["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_template_is_a_list_of_what_is_allowed() -> None:
    template = SCHEMA["properties"]["spec"]["properties"]["template"]
    assert set(template["properties"]) == {
        "metadata",
        "serviceAccountName",
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
        "imagePullSecrets",
        "topologySpreadConstraints",
        "env",
    }
    assert set(template["properties"]["env"]["items"]["properties"]) == {"name", "value"}


def test_no_field_names_another_namespace_but_that_of_a_gateway() -> None:
    spec = SCHEMA["properties"]["spec"]
    named = [f.path for f in fields(spec) if re.search(r"(?i)namespace", f.path)]
    others = [path for path in named if "affinity" not in path.lower()]
    assert others == ["route.parentRefs[].namespace"]


def test_labels_of_the_operator_win_over_those_of_the_user() -> None:
    labels = {names.MODEL_LABEL: "other", names.TRACK_LABEL: "other", names.REVISION_LABEL: "x"}
    [deployment] = [
        m
        for m in made(replicas=1, template={"metadata": {"labels": labels}})
        if m["kind"] == "Deployment"
    ]
    found = deployment["spec"]["template"]["metadata"]["labels"]
    assert found[names.MODEL_LABEL] == REF.name
    assert "other" not in found.values()


def named_tests() -> list[str]:
    return sorted(set(re.findall(r"`(test_\w+)`", PAGE)))


def test_each_threat_names_the_tests_that_hold_against_it() -> None:
    sources = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", sources))
    assert len(named_tests()) >= 10
    assert set(named_tests()) <= defined
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    threats = [row for row in rows if not row.startswith("| What somebody tries")]
    assert threats
    assert [row for row in threats if "`test_" not in row] == []
