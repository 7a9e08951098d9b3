"""The number of pods follows the user's count, or the load."""

import json

import pytest

from fixtures.trained import digits, iris
from slipway_dev.errors import Failure
from support import difference, load
from support.workplace import Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def replicas(workplace: Workplace, name: str) -> int:
    count: int = workplace.get("mdeploy", name)["status"]["readyReplicas"]
    return count


def test_kubectl_scale_scales(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    before = workplace.get("mdeploy", "iris")["status"]["stableRevision"]
    workplace.kubectl("scale", "mdeploy/iris", "--replicas=3")
    workplace.wait("iris")
    assert replicas(workplace, "iris") == 3
    workplace.kubectl("scale", "mdeploy/iris", "--replicas=1")
    workplace.until("one pod is left", lambda: replicas(workplace, "iris") == 1)
    assert workplace.get("mdeploy", "iris")["status"]["stableRevision"] == before


def test_an_hpa_adds_pods_under_load_and_takes_them_back(workplace: Workplace) -> None:
    model = digits()
    workplace.provide(model)
    target = {"type": "Utilization", "averageUtilization": 60}
    manifest = a_model_deployment(
        "digits",
        model={"uri": f"configMap://models/{model.path.name}"},
        autoscaling={
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 10}},
        },
    )
    workplace.apply(manifest)
    workplace.wait("digits")
    scaled = workplace.get("hpa", "digits")["spec"]["scaleTargetRef"]["name"]
    assert scaled == workplace.get("mdeploy", "digits")["status"]["stableRevision"]
    workplace.until(
        "the HPA has its first reading",
        lambda: workplace.condition("digits", "ScalingActive")["status"] == "True",
        120,
    )
    client = load.start(workplace, "digits", {"1": model}, threads=2, pause=0.0, rows=64)
    workplace.until("there are more pods", lambda: replicas(workplace, "digits") > 1, 90)
    assert client.report().failed == 0
    workplace.until("one pod is left", lambda: replicas(workplace, "digits") == 1, 120)
    assert workplace.condition("digits", "Ready")["status"] == "True"
    difference.shows_none(workplace.kubectl, "--filename=-", stdin=json.dumps(manifest))


def test_going_from_a_fixed_count_to_an_hpa_loses_no_pod(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment(replicas=3))
    workplace.wait("iris")
    workplace.apply(a_model_deployment(autoscaling={"minReplicas": 2, "maxReplicas": 4}))
    workplace.wait("iris")
    revision = workplace.get("mdeploy", "iris")["status"]["stableRevision"]
    counts = {workplace.get("deployment", revision)["spec"]["replicas"] for _ in range(5)}
    assert min(counts) >= 2
    workplace.apply(a_model_deployment(replicas=1))
    workplace.until("the HPA is gone", lambda: workplace.gone("hpa", "iris"))
    workplace.until("the count is ours again", lambda: replicas(workplace, "iris") == 1)


def test_scaling_by_hand_what_an_hpa_scales_is_refused_with_the_remedy(
    workplace: Workplace,
) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment(autoscaling={"maxReplicas": 2}))
    with pytest.raises(Failure, match="exactly one of"):
        workplace.kubectl("scale", "mdeploy/iris", "--replicas=2")
