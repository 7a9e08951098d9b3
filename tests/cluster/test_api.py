"""What a real API server makes of the CRD, the manifests and the samples."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure
from support import difference
from support.apiserver import ApiServer, RefusedError, changed
from support.builders import DEFAULTS
from support.crd import FILE
from support.manifests import CLUSTER, EXAMPLE, SAMPLES, base
from support.spec_cases import ACCEPTED, MINIMAL, REFUSED, Changes, autoscaled

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> ApiServer:
    cluster.run("apply", "--server-side", "-f", str(FILE))
    cluster.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(FILE))
    return ApiServer(cluster.kubeconfig, cluster.context)


@pytest.fixture
def namespace(cluster: Cluster, api: ApiServer) -> Iterator[str]:
    name = f"api-{uuid4().hex[:8]}"
    cluster.run("create", "namespace", name)
    yield name
    cluster.run("delete", "namespace", name, "--wait=false")


def apply(cluster: Cluster, namespace: str, manifest: dict[str, Any]) -> None:
    cluster.run("apply", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(manifest))


def read(cluster: Cluster, namespace: str, path: str) -> str:
    return cluster.run("get", "-n", namespace, "mdeploy", "iris", "-o", f"jsonpath={{{path}}}")


@pytest.mark.parametrize("changes", ACCEPTED, ids=lambda changes: str(changes)[:80])
def test_a_good_object_is_accepted(api: ApiServer, changes: Changes) -> None:
    api.would_store(changed(changes))


@pytest.mark.parametrize(
    ("changes", "field", "words"), REFUSED, ids=[str(case[0])[:80] for case in REFUSED]
)
def test_a_mistake_is_refused_with_one_message_that_names_field_and_remedy(
    api: ApiServer, changes: Changes, field: str, words: str
) -> None:
    with pytest.raises(RefusedError) as refusal:
        api.would_store(changed(changes))
    [fault] = refusal.value.faults
    assert fault.startswith(f"{field}: ") or f'unknown field "{field}"' in fault
    assert words in fault


def test_what_is_left_out_is_filled_in_by_the_api_server(api: ApiServer) -> None:
    assert api.would_store(MINIMAL)["spec"] == {**MINIMAL["spec"], **DEFAULTS}


def test_autoscaling_aims_at_cpu_unless_told_otherwise(api: ApiServer) -> None:
    bounds = api.would_store(changed(autoscaled()))["spec"]["autoscaling"]
    target = {"type": "Utilization", "averageUtilization": 70}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert bounds == {"minReplicas": 1, "maxReplicas": 3, "metrics": metrics}


def test_nobody_mistakes_a_new_object_for_a_finished_one(api: ApiServer) -> None:
    forged = {"conditions": [], "observedGeneration": 1}
    stored = api.would_store({**MINIMAL, "status": forged})
    assert stored["status"]["observedGeneration"] < stored["metadata"]["generation"]
    answers = {c["type"]: (c["status"], c["reason"]) for c in stored["status"]["conditions"]}
    assert answers == {"Available": ("Unknown", "Pending"), "Ready": ("Unknown", "Pending")}


def test_what_was_applied_shows_no_difference(cluster: Cluster, namespace: str) -> None:
    manifest = yaml.safe_dump(MINIMAL)
    apply(cluster, namespace, MINIMAL)
    difference.shows_none(cluster.run, "-n", namespace, "-f", "-", stdin=manifest)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_a_sample_is_accepted_and_then_shows_no_difference(
    cluster: Cluster, namespace: str, sample: Path
) -> None:
    target = ("-n", namespace, "--server-side", "-f", str(sample))
    cluster.run("apply", *target)
    difference.shows_none(cluster.run, *target)


def test_kubectl_scale_sets_the_number_of_pods(cluster: Cluster, namespace: str) -> None:
    apply(cluster, namespace, MINIMAL)
    cluster.run("scale", "-n", namespace, "mdeploy", "iris", "--replicas=3")
    assert read(cluster, namespace, ".spec.replicas") == "3"


def test_kubectl_scale_does_not_fight_an_autoscaler(cluster: Cluster, namespace: str) -> None:
    apply(cluster, namespace, changed(autoscaled()))
    with pytest.raises(Failure, match="exactly one of"):
        cluster.run("scale", "-n", namespace, "mdeploy", "iris", "--replicas=3")


def test_kubectl_get_answers_the_first_questions(cluster: Cluster, namespace: str) -> None:
    apply(cluster, namespace, MINIMAL)
    short = cluster.run("get", "-n", namespace, "slipway").splitlines()
    columns = "NAME READY REASON AVAILABLE REVISION REPLICAS SERVING AGE"
    assert short[0].split() == columns.split()
    assert short[1].startswith("iris")
    wide = cluster.run("get", "-n", namespace, "mdeploy", "-o", "wide").splitlines()
    assert wide[0].split() == [*columns.split(), "URL", "LATEST", "MESSAGE"]


@pytest.mark.usefixtures("api")
def test_kubectl_explain_reads_like_documentation(cluster: Cluster) -> None:
    told = cluster.run("explain", "mdeploy.spec.runtime.limits")
    assert "Default: 64Mi" in " ".join(told.split())
    tree = cluster.run("explain", "mdeploy", "--recursive")
    assert {"maxRequestBytes", "averageUtilization", "lastTransitionTime"} <= set(tree.split())


def test_the_installation_is_what_an_api_server_takes(cluster: Cluster) -> None:
    built = cluster.run("kustomize", str(EXAMPLE))
    kinds = [document["kind"] for document in yaml.safe_load_all(built)]
    assert sorted(kinds) == sorted(
        ["ClusterRole"] * 4
        + ["ClusterRoleBinding"] * 2
        + ["CustomResourceDefinition", "Deployment", "Lease", "Namespace"]
        + ["NetworkPolicy", "PodDisruptionBudget", "PriorityClass", "Role", "RoleBinding"]
        + ["Service", "ServiceAccount"]
    )
    placed = [d for d in yaml.safe_load_all(built) if d["kind"] in {"Deployment", "ServiceAccount"}]
    assert {document["metadata"]["namespace"] for document in placed} == {"slipway-system"}


def test_the_operators_pod_is_let_into_a_restricted_namespace(
    cluster: Cluster, namespace: str
) -> None:
    cluster.run("label", "ns", namespace, "pod-security.kubernetes.io/enforce=restricted")
    cluster.run("create", "serviceaccount", "-n", namespace, "slipway-operator")
    template = base("Deployment", "slipway-operator")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
    pod["metadata"] = {"name": "operator", "namespace": namespace}
    cluster.run("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


def allowed(cluster: Cluster, namespace: str, right: str) -> bool:
    role, verb, resource = right.split()
    name, _, subresource = resource.partition("/")
    target = {"group": "slipway.dev", "resource": name, "subresource": subresource}
    attributes = {"namespace": namespace, "verb": verb, **target}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": f"{role}er", "resourceAttributes": attributes},
    }
    output = ("-f", "-", "-o", "jsonpath={.status.allowed}")
    return cluster.run("create", *output, stdin=yaml.safe_dump(review)) == "true"


def test_whoever_may_edit_a_namespace_may_edit_its_models(cluster: Cluster, namespace: str) -> None:
    cluster.run("apply", "--server-side", "-f", str(CLUSTER / "user-roles.yaml"))
    for role in ("view", "edit", "admin"):
        cluster.run(
            *("create", "rolebinding", role, "-n", namespace),
            *(f"--clusterrole={role}", f"--user={role}er"),
        )
    given = {
        "view list modeldeployments",
        "edit create modeldeployments",
        "edit patch modeldeployments/scale",
        "admin delete modeldeployments",
    }
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and not all(allowed(cluster, namespace, r) for r in given):
        time.sleep(0.2)
    assert not [right for right in given if not allowed(cluster, namespace, right)]
    kept = {"view patch modeldeployments", "edit patch modeldeployments/status"}
    assert not [right for right in kept if allowed(cluster, namespace, right)]
