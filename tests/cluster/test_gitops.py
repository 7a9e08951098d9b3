"""What Flux, Argo CD and kubectl make of a ModelDeployment at each moment of its life."""

import json
import subprocess
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fixtures.broken import truncated
from fixtures.trained import iris
from slipway_dev.bare.binaries import GITOPS
from slipway_dev.cluster import Cluster
from support.operators import Operators
from support.tools import built
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster

HEALTH = Path(__file__).parents[2] / "manifests" / "gitops" / "argocd-health.lua"


def verdicts(found: Object) -> tuple[str, str]:
    """Ask kstatus, which Flux uses, and Argo CD's script."""
    program, text = built(GITOPS), json.dumps(found)

    def ask(*question: str | Path) -> str:
        said = subprocess.run(
            [program, *question], input=text, capture_output=True, text=True, check=True
        )
        return said.stdout.strip()

    return ask("kstatus"), ask("lua", HEALTH)


def a_change(found: Object) -> Object:
    """Change the object as it is before the operator has seen the change."""
    changed = deepcopy(found)
    changed["metadata"]["generation"] += 1
    return changed


@pytest.mark.alone
def test_an_object_that_no_operator_has_seen_is_in_progress(
    workplace: Workplace, slipway: Cluster
) -> None:
    workplace.provide(iris())
    with Operators(slipway).none():
        workplace.apply(a_model_deployment())
        assert verdicts(workplace.get("mdeploy", "iris")) == ("InProgress", "Progressing")
    workplace.wait("iris")


def test_tools_follow_a_model_through_success_failure_and_the_way_back(
    workplace: Workplace,
) -> None:
    workplace.provide_files(iris().path, truncated())
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    well = workplace.get("mdeploy", "iris")
    assert verdicts(well) == ("Current", "Healthy")
    assert verdicts(a_change(well)) == ("InProgress", "Progressing")

    workplace.apply(a_model_deployment(model={"uri": "configMap://models/iris-truncated.onnx"}))
    workplace.until(
        "status says that it is stuck",
        lambda: workplace.condition("iris", "Stalled").get("status") == "True",
    )
    stuck = workplace.get("mdeploy", "iris")
    assert verdicts(stuck) == ("Failed", "Degraded")
    assert verdicts(a_change(stuck)) == ("InProgress", "Progressing")

    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    assert verdicts(workplace.get("mdeploy", "iris")) == ("Current", "Healthy")


def test_tools_see_that_somebody_went_back(workplace: Workplace) -> None:
    workplace.provide(iris(), iris(2))
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    first = workplace.status("iris")["stableRevision"]
    other: Object = {"model": {"uri": "configMap://models/iris-v2.onnx"}}
    workplace.apply(a_model_deployment(**other))
    workplace.wait("iris")
    workplace.apply(a_model_deployment(**other, rollout={"rollbackTo": first}))
    workplace.until(
        "the first serves again",
        lambda: (
            workplace.status("iris")["stableRevision"] == first
            and workplace.condition("iris", "Ready")["reason"] == "RolledBack"
        ),
    )
    assert verdicts(workplace.get("mdeploy", "iris")) == ("Failed", "Degraded")
    workplace.apply(a_model_deployment(**other))
    workplace.wait("iris")
    assert verdicts(workplace.get("mdeploy", "iris")) == ("Current", "Healthy")


def test_a_suspended_model_serves_on_and_is_at_rest_for_tools(workplace: Workplace) -> None:
    workplace.provide(iris(), iris(2))
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    revision = workplace.get("mdeploy", "iris")["status"]["stableRevision"]

    def verdicts_of(**spec: Any) -> tuple[str, str]:
        workplace.apply(a_model_deployment(**spec))
        workplace.wait("iris", condition="Reconciling=False")
        return verdicts(workplace.get("mdeploy", "iris"))

    assert verdicts_of(suspend=True) == ("Current", "Suspended")
    workplace.kubectl("wait", "--for=condition=Ready", "mdeploy/iris", "--timeout=5s")
    other: Object = {"model": {"uri": "configMap://models/iris-v2.onnx"}}
    assert verdicts_of(suspend=True, **other) == ("InProgress", "Suspended")
    assert verdicts(a_change(workplace.get("mdeploy", "iris"))) == ("InProgress", "Progressing")
    workplace.kubectl("delete", "service", "iris")
    time.sleep(3)
    assert workplace.gone("service", "iris"), "it is repaired"
    assert [d["metadata"]["name"] for d in workplace.find("deployment")] == [revision]

    workplace.apply(a_model_deployment(**other))
    workplace.wait("iris")
    assert verdicts(workplace.get("mdeploy", "iris")) == ("Current", "Healthy")
    assert verdicts_of(suspend=True, **other) == ("Current", "Suspended")
    workplace.kubectl("delete", "mdeploy", "iris", "--timeout=10s")
    workplace.until("its children are gone", lambda: workplace.gone("service", "iris"))


def test_a_model_that_has_lost_its_pods_is_degraded(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    revision = workplace.get("mdeploy", "iris")["status"]["stableRevision"]
    workplace.kubectl("create", "quota", "none", "--hard=pods=0")
    workplace.kubectl("delete", "pod", f"--selector=slipway.dev/revision={revision[-8:]}")
    workplace.until(
        "status says that nobody is served",
        lambda: workplace.condition("iris", "Available")["status"] == "False",
    )
    assert verdicts(workplace.get("mdeploy", "iris")) == ("InProgress", "Degraded")
    workplace.kubectl("delete", "quota", "none")
    workplace.wait("iris")


def test_the_operator_owns_nothing_of_an_object_but_its_status(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    shown = workplace.kubectl("get", "mdeploy", "iris", "--show-managed-fields", "--output=json")
    metadata = json.loads(shown)["metadata"]
    ours = [m for m in metadata["managedFields"] if m["manager"].startswith("slipway")]
    assert [(m["subresource"], set(m["fieldsV1"])) for m in ours] == [("status", {"f:status"})]
    assert "finalizers" not in metadata
    assert not [key for key in metadata["annotations"] if not key.startswith("kubectl.")]
