"""What `kubectl apply -k` installs, and the samples: true without a cluster.

That kustomize builds them and an API server takes them is tests/cluster/test_api.py's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway_operator import lease
from slipway_operator.core import names
from slipway_operator.core.manifest import EVENT, MODEL, NODE, OWNED, POD, Kind
from slipway_operator.settings import Settings
from support.crd import ROOT, SCHEMA, Schema
from support.manifests import (
    BASE,
    CLUSTER,
    EXAMPLE,
    GITOPS,
    MANIFESTS,
    MONITORING,
    OVERLAYS,
    POLICY,
    SAMPLES,
    base,
    documents,
    models,
)

ROOTS = (ROOT / "crds", BASE, MONITORING, POLICY, *sorted(OVERLAYS.iterdir()))
CHART = [MANIFESTS / "chart" / part for part in ("", "files", "templates")]
"""Held to the kustomizations by tests/cluster/test_packaging.py."""
WRITE = frozenset({"get", "list", "watch", "create", "patch", "delete"})
Right = tuple[str, str]


def right(kind: Kind) -> Right:
    group, _, _ = kind.api_version.rpartition("/")
    return group, kind.plural


def rights(role: dict[str, Any]) -> dict[Right, frozenset[str]]:
    return {
        (group, resource): frozenset(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_operator_may_do_what_it_does_and_nothing_else() -> None:
    group = names.GROUP
    assert rights(base("ClusterRole", "slipway-operator")) == {
        right(MODEL): {"get", "list", "watch"},
        (group, f"{MODEL.plural}/status"): {"patch"},
        (group, f"{MODEL.plural}/finalizers"): {"update"},
        **{right(kind): WRITE for kind in OWNED},
        right(POD): {"list", "patch"},
        right(EVENT): {"list", "create"},
    }


def test_the_operator_of_a_whole_cluster_may_list_its_nodes_besides() -> None:
    assert rights(base("ClusterRole", "slipway-operator-nodes")) == {right(NODE): {"list"}}


def test_no_role_uses_a_wildcard_or_reads_secrets() -> None:
    for document in documents(BASE / "rbac.yaml") + documents(CLUSTER / "user-roles.yaml"):
        for (group, resource), verbs in rights(document).items() if "rules" in document else ():
            assert "*" not in {group, resource, *verbs}
            assert resource != "secrets"


@pytest.mark.parametrize(
    ("name", "usual"),
    [("slipway-view", {"view", "edit", "admin"}), ("slipway-edit", {"edit", "admin"})],
)
def test_roles_for_users_join_the_usual_ones(name: str, usual: set[str]) -> None:
    role = base("ClusterRole", name)
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    labels = role["metadata"]["labels"]
    assert {label.removeprefix(prefix) for label in labels if label.startswith(prefix)} == usual
    assert {group for group, _ in rights(role)} == {names.GROUP}


def test_viewers_only_look() -> None:
    verbs = set().union(*rights(base("ClusterRole", "slipway-view")).values())
    assert verbs == {"get", "list", "watch"}


def test_nobody_is_given_the_right_to_write_status() -> None:
    edits = rights(base("ClusterRole", "slipway-edit"))
    assert (names.GROUP, f"{MODEL.plural}/status") not in edits


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = base("Deployment", "slipway-operator")["spec"]["template"]["spec"]
    return spec


def test_the_operator_runs_as_nobody_in_particular() -> None:
    context = pod()["securityContext"]
    assert context["runAsNonRoot"]
    assert context["runAsUser"] == context["runAsGroup"] == names.USER_ID
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod()["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod())
    assert [set(volume) for volume in pod()["volumes"]] == [{"name", "emptyDir"}]


def test_the_operator_is_kept_up() -> None:
    pod = base("Deployment", "slipway-operator")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    budget = base("PodDisruptionBudget", "slipway-operator")["spec"]
    assert budget["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert budget["maxUnavailable"] == 1
    [patch] = documents(CLUSTER / "priority-of-the-operator.yaml")
    priority = patch["spec"]["template"]["spec"]["priorityClassName"]
    assert base("PriorityClass", priority)["value"] > 0


def test_the_operator_talks_to_nobody_else() -> None:
    policy = base("NetworkPolicy", "slipway-operator")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (asked,) = policy["ingress"]
    assert [port["port"] for port in asked["ports"]] == ["http"]
    anywhere, pods, prometheus = policy["egress"]
    assert {port["port"] for port in anywhere["ports"]} == {443, 6443, 53}
    assert [port["port"] for port in pods["ports"]] == [names.ADMIN_PORT]
    assert [port["port"] for port in prometheus["ports"]] == [9090]
    assert all("podSelector" in peer for rule in (pods, prometheus) for peer in rule["to"])


def test_an_operator_that_is_replaced_waits_for_its_successor() -> None:
    spec = base("Deployment", "slipway-operator")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_the_operator_may_take_its_lease_and_no_other() -> None:
    [rule] = base("Role", "slipway-operator-lease")["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == ([lease.NAME], ["get", "update"])
    assert base("Lease", lease.NAME).keys() == {"apiVersion", "kind", "metadata"}


@pytest.mark.parametrize("file", [BASE / "operator.yaml", EXAMPLE / "runtime-image.yaml"], ids=str)
def test_the_operator_is_told_which_runtime_new_revisions_get(file: Path) -> None:
    [deployment] = documents(file)
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    assert "slipway-runtime:" in Settings.read(environment).runtime_image


def test_the_example_overlay_takes_both_images_from_one_place() -> None:
    [kustomization] = documents(EXAMPLE / "kustomization.yaml")
    [image] = kustomization["images"]
    operator = f"{image['newName']}:{image['newTag']}"
    [patch] = documents(EXAMPLE / "runtime-image.yaml")
    [container] = patch["spec"]["template"]["spec"]["containers"]
    assert container["env"][0]["value"] == operator.replace("operator", "runtime")


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: str(root.relative_to(ROOT)))
def test_every_manifest_belongs_to_its_kustomization(root: Path) -> None:
    [kustomization] = documents(root / "kustomization.yaml")
    patches = [p["path"] for p in kustomization.get("patches", []) if "path" in p]
    named = {(root / name).resolve() for name in [*kustomization["resources"], *patches]}
    assert all(path.exists() for path in named)
    assert {path.resolve() for path in root.glob("*.yaml")} - named == {root / "kustomization.yaml"}


def unknown(value: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """List the fields of ``value`` that the schema does not have."""
    if isinstance(value, list):
        for item in value:
            yield from unknown(item, schema["items"], f"{path}[]")
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    for name, child in value.items():
        known = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
        if known is None:
            yield f"{path}.{name}"
        else:
            yield from unknown(child, known, f"{path}.{name}")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_a_sample_uses_only_fields_that_there_are(sample: Path) -> None:
    for model in models(sample):
        assert not list(unknown(model["spec"], SCHEMA["properties"]["spec"]))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_a_sample_says_what_it_is_for_and_stays_short(sample: Path) -> None:
    lines = sample.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= 60


def test_samples_have_names_of_their_own() -> None:
    found = [model["metadata"]["name"] for sample in SAMPLES for model in models(sample)]
    assert len(found) == len(set(found)) >= 5


def test_the_namespace_of_the_operator_is_restricted() -> None:
    labels = base("Namespace", "slipway-system")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    [kustomization] = documents(CLUSTER / "kustomization.yaml")
    assert kustomization["namespace"] == "slipway-system"


def test_manifests_hold_nothing_but_what_is_tested_here() -> None:
    folders = {path.parent for path in MANIFESTS.rglob("*.yaml")}
    assert folders == {
        BASE,
        *OVERLAYS.iterdir(),
        GITOPS,
        MONITORING,
        POLICY,
        MANIFESTS / "samples",
        *CHART,
    }


@pytest.mark.parametrize("file", sorted(GITOPS.iterdir()), ids=lambda path: str(path.name))
def test_the_guide_names_each_file_for_gitops_tools(file: Path) -> None:
    assert f"manifests/gitops/{file.name}" in (MANIFESTS.parent / "docs/deploy.md").read_text()
