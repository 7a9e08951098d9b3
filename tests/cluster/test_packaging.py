"""Installed with kustomize and with Helm, it is the same; uninstalled, it is gone."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway_dev import chart, deploy
from slipway_dev.bare.binaries import PACKAGING
from slipway_dev.cluster import Cluster
from support.manifests import MANIFESTS, OVERLAYS
from support.operators import Operators
from support.tools import built
from support.workplace import Workplace, a_model_deployment

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
CHART = MANIFESTS / "chart"
OURS = {"kube-root-ca.crt", "default"}
KINDS = (
    "deployment,replicaset,pod,service,serviceaccount,configmap,role,rolebinding,lease,networkpolicy,"
    "poddisruptionbudget,horizontalpodautoscaler,controllerrevision,modeldeployment,secret"
)


def tool(name: str, *args: str) -> str:
    return subprocess.run(
        [built(PACKAGING, name), *args], capture_output=True, text=True, check=True
    ).stdout


def helm(workplace: Workplace, *args: str) -> str:
    where = (f"--kubeconfig={workplace.cluster.kubeconfig}", f"--namespace={workplace.namespace}")
    return tool("helm", *where, *args)


def kustomize(overlay: str) -> list[Object]:
    return list(yaml.safe_load_all(tool("kustomize", "build", str(OVERLAYS / overlay))))


def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(o["kind"], o["metadata"]["name"]): o for o in objects if o}


def words(of: Any) -> Any:
    """Leave out where lines are broken: kustomize breaks the rules of the CRD elsewhere."""
    if isinstance(of, dict):
        return {key: words(value) for key, value in of.items()}
    if isinstance(of, list):
        return [words(item) for item in of]
    return of.split() if isinstance(of, str) else of


def rendered(namespace: str, *values: str) -> dict[tuple[str, str], Object]:
    settings = [f"--set={value}" for value in values]
    version = ("--kube-version=1.34.0", f"--namespace={namespace}")
    text = tool("helm", "template", "slipway", str(CHART), *version, *settings)
    return by_name(list(yaml.safe_load_all(text)))


def test_the_chart_is_made_of_the_kustomizations() -> None:
    made = chart.templates(kustomize("cluster"), kustomize("namespaced"))
    assert {file.name: file.read_text() for file in chart.TEMPLATES.iterdir()} == made


@pytest.mark.parametrize("overlay", ["cluster", "ha"])
def test_helm_installs_for_a_cluster_what_kustomize_installs(overlay: str) -> None:
    replicas = 2 if overlay == "ha" else 1
    found = rendered("slipway-system", f"replicas={replicas}")
    wanted = by_name(kustomize(overlay))
    del wanted["Namespace", "slipway-system"]  # helm has --create-namespace
    crd = found["CustomResourceDefinition", "modeldeployments.slipway.dev"]
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert words(found) == words(wanted)


def test_helm_installs_for_a_namespace_what_kustomize_installs() -> None:
    found = rendered("my-models", "scope=namespace", "crds.install=false")
    assert found == by_name(kustomize("namespaced"))


@pytest.mark.parametrize(
    "values", ["scope=galaxy", "replicas=0", "image=typo", "prometheusUrl=x:1"]
)
def test_helm_refuses_values_that_mean_nothing(values: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        rendered("my-models", values)
    assert values.partition("=")[0] in refusal.value.stderr


def test_helm_names_the_prometheus_that_it_is_given() -> None:
    url = "http://prometheus.monitoring:9090"
    deployment = rendered("my-models", f"prometheusUrl={url}")["Deployment", "slipway-operator"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "SLIPWAY_PROMETHEUS_URL", "value": url} in container["env"]


def images(cluster: Cluster) -> tuple[str, str]:
    """Name the images that this checkout was deployed with."""
    operators = Operators(cluster)
    return operators.image(), operators.runtime_image()


def install_by_kustomize(workplace: Workplace, folder: Path) -> Callable[[], None]:
    operator, runtime = images(workplace.cluster)
    text = tool("kustomize", "build", str(OVERLAYS / "namespaced"))
    for old, new in (
        ("slipway-operator:0.1.0", operator),
        ("slipway-runtime:0.1.0", runtime),
        ("my-models", workplace.namespace),
    ):
        text = text.replace(old, new)
    file = folder / "install.yaml"
    file.write_text(text)
    workplace.kubectl("apply", "--server-side", f"--filename={file}")
    return lambda: void(workplace.kubectl("delete", f"--filename={file}"))


def install_by_helm(workplace: Workplace, _: Path) -> Callable[[], None]:
    operator, runtime = images(workplace.cluster)
    values = (f"images.operator={operator}", f"images.runtime={runtime}", "scope=namespace")
    settings = [f"--set={value}" for value in (*values, "crds.install=false")]
    helm(workplace, "install", "slipway", str(CHART), *settings)
    return lambda: void(helm(workplace, "uninstall", "slipway"))


def void(_: object) -> None: ...


Install = Callable[[Workplace, Path], Callable[[], None]]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("install", "operator_first"), [(install_by_kustomize, True), (install_by_helm, False)]
)
def test_an_operator_of_one_namespace_works_with_roles_alone_and_leaves_nothing(
    slipway: Cluster,
    workplace: Workplace,
    tmp_path: Path,
    install: Install,
    *,
    operator_first: bool,
) -> None:
    with Operators(slipway).none():
        # The deployed operator's images are named by its Deployment, which stays.
        uninstall = install(workplace, tmp_path)
        workplace.kubectl("rollout", "status", "deployment/slipway-operator", "--timeout=60s")
        workplace.apply(a_model_deployment())
        workplace.until(
            "it is looked at", lambda: workplace.find("service", "slipway.dev/model=iris")
        )
        delete = ("delete", "mdeploy", "iris", "--timeout=30s")
        if operator_first:
            uninstall()
            workplace.kubectl(*delete)
        else:
            workplace.kubectl(*delete)
            uninstall()
        workplace.until("nothing is left", lambda: not left(workplace), 60)


@pytest.mark.alone
def test_uninstalling_all_at_once_leaves_nothing_of_it_in_the_cluster(
    slipway: Cluster, workplace: Workplace
) -> None:
    workplace.apply(a_model_deployment())
    workplace.until("it is looked at", lambda: workplace.find("service", "slipway.dev/model=iris"))
    manifests = slipway.run("kustomize", str(deploy.FOLDER))
    try:
        slipway.run("delete", "--kustomize", str(deploy.FOLDER), "--timeout=90s")
        kinds = KINDS.replace(",modeldeployment", "")
        workplace.until("nothing is left", lambda: not left(workplace, kinds), 60)
        installed = [d for d in yaml.safe_load_all(manifests) if d["kind"] in WIDE]
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": installed})
        assert len(installed) > len(WIDE)
        assert slipway.run("get", "--ignore-not-found", "--filename=-", stdin=content) == ""
    finally:
        deploy.deploy(slipway)


WIDE = {
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterRoleBinding",
    "PriorityClass",
}


def left(workplace: Workplace, kinds: str = KINDS) -> set[str]:
    names = {f"{o['kind']}/{o['metadata']['name']}" for o in workplace.find(kinds)}
    return {name for name in names if name.partition("/")[2] not in OURS}
