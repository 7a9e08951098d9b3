import json
from dataclasses import replace
from typing import Any

import pytest

from slipway_operator.core.decide import decide
from slipway_operator.core.manifest import Manifest
from slipway_operator.core.render import Owner, record, render
from slipway_operator.core.spec import Spec
from support.builders import a_raw_spec, a_revision, a_spec, a_world, an_autoscaled_spec
from support.verifications import CASE, CONTINUOUS, a_check, a_verification

SPEC = a_spec()
OWNER = Owner("risk", "fraud", "uid")


def rendered(**spec: Any) -> dict[str, Manifest]:
    return all_of(a_spec(**spec))


def all_of(wish: Spec) -> dict[str, Manifest]:
    born = record("fraud", wish, "runtime:1")
    plan = decide(wish, a_world(replace(a_revision(wish.fingerprint), record=born)))
    return {m["kind"]: m for m in render(OWNER, wish, plan)}


def pod(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = rendered(**spec)["Deployment"]["spec"]["template"]
    return found


def test_everything_belongs_to_the_model_and_goes_with_it() -> None:
    for manifest in rendered().values():
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("ModelDeployment", "fraud", "uid")
        assert owner["controller"] is True
        assert "finalizers" not in manifest["metadata"]


def test_a_deadline_is_for_the_rollout_and_for_each_loading() -> None:
    late = {"progressDeadlineSeconds": 90}
    assert rendered(rollout=late)["Deployment"]["spec"]["progressDeadlineSeconds"] == 90
    probe = pod(rollout=late)["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 90


def test_a_revision_of_before_there_were_deadlines_keeps_the_usual_one() -> None:
    born = {k: v for k, v in record("fraud", SPEC, "r").items() if k != "progressDeadlineSeconds"}
    old = replace(a_revision(SPEC.fingerprint), record=born)
    manifests = render(OWNER, SPEC, decide(SPEC, a_world(old)))
    (deployment,) = (m for m in manifests if m["kind"] == "Deployment")
    assert deployment["spec"]["progressDeadlineSeconds"] == 600


def test_the_replica_count_is_nobodys_business_here() -> None:
    assert "replicas" not in rendered()["Deployment"]["spec"]


def test_pods_are_restricted() -> None:
    spec = pod()["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_devices_are_for_the_container_that_computes() -> None:
    spec = pod(resources={"limits": {"cpu": "1", "nvidia.com/gpu": 1}})["spec"]
    (fetch,), (serve,) = spec["initContainers"], spec["containers"]
    assert fetch["resources"] == {"limits": {"cpu": "1"}}
    assert serve["resources"] == {"limits": {"cpu": "1", "nvidia.com/gpu": 1}}


def test_the_service_selects_exactly_one_revision() -> None:
    service, template = rendered()["Service"], pod()
    selector = service["spec"]["selector"]
    assert selector.items() <= template["metadata"]["labels"].items()
    assert selector["slipway.dev/track"] == template["metadata"]["labels"]["slipway.dev/revision"]


def test_the_grace_covers_head_start_drain_longest_request_and_exit() -> None:
    assert pod()["spec"]["terminationGracePeriodSeconds"] == 2 + 10 + 10 + 5


@pytest.mark.parametrize(
    ("uri", "volume"),
    [
        (
            "pvc://claim/a/m.onnx",
            {"persistentVolumeClaim": {"claimName": "claim", "readOnly": True}},
        ),
        ("configMap://map/m.onnx", {"configMap": {"name": "map", "optional": True}}),
    ],
)
def test_a_volume_that_holds_the_model_is_seen_by_the_fetcher_alone(
    uri: str, volume: dict[str, Any]
) -> None:
    spec = pod(model={"uri": uri})["spec"]
    assert {"name": "source", **volume} in spec["volumes"]
    assert "source" in {m["name"] for m in spec["initContainers"][0]["volumeMounts"]}
    assert "source" not in {m["name"] for m in spec["containers"][0]["volumeMounts"]}


def test_a_downloaded_model_needs_no_volume() -> None:
    assert {v["name"] for v in pod()["spec"]["volumes"]} == {"settings", "models", "tmp"}


def test_only_the_fetcher_writes_models() -> None:
    spec = pod()["spec"]
    mounts = {m["name"]: m for m in spec["containers"][0]["volumeMounts"]}
    assert mounts["models"]["readOnly"] is True


def test_the_users_template_is_passed_on_and_our_labels_win() -> None:
    template = {
        "metadata": {
            "labels": {"team": "risk", "slipway.dev/track": "x"},
            "annotations": {"a": "b"},
        },
        "nodeSelector": {"disk": "ssd"},
        "env": [{"name": "A", "value": "1"}],
        "serviceAccountName": "mine",
    }
    found = pod(template=template)
    assert found["metadata"]["labels"]["team"] == "risk"
    assert found["metadata"]["labels"]["slipway.dev/track"] != "x"
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert found["spec"]["serviceAccountName"] == "mine"
    assert {"name": "A", "value": "1"} in found["spec"]["containers"][0]["env"]
    assert "ServiceAccount" not in rendered(template=template)


def test_spread_is_preferred_unless_it_is_required() -> None:
    required = {**a_raw_spec()["availability"], "spread": "Required"}
    hosts = [pod()["spec"], pod(availability=required)["spec"]]
    found = [spec["topologySpreadConstraints"][0]["whenUnsatisfiable"] for spec in hosts]
    assert found == ["ScheduleAnyway", "DoNotSchedule"]


def test_pods_keep_apart_on_nodes_without_zones_as_well() -> None:
    """Of a node that lacks the key of one constraint the scheduler disregards all of them."""
    spec = pod()["spec"]
    keys = [c["topologyKey"] for c in spec["topologySpreadConstraints"]]
    assert keys == ["kubernetes.io/hostname"]
    [zones] = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert zones["podAffinityTerm"]["topologyKey"] == "topology.kubernetes.io/zone"


def test_the_users_placement_takes_the_place_of_ours() -> None:
    nodes: dict[str, Any] = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}
    }
    assert set(pod(template={"affinity": nodes})["spec"]["affinity"]) == {
        "nodeAffinity",
        "podAntiAffinity",
    }
    theirs = [{"topologyKey": "rack"}]
    placed = pod(template={"topologySpreadConstraints": theirs, "affinity": nodes})["spec"]
    assert (placed["topologySpreadConstraints"], placed["affinity"]) == (theirs, nodes)
    assert "affinity" not in pod(template={"topologySpreadConstraints": theirs})["spec"]


def test_rendering_is_the_same_every_time() -> None:
    assert rendered() == rendered()


def test_an_image_of_the_users_own_is_used() -> None:
    runtime = {**a_raw_spec()["runtime"], "image": "mine:1"}
    assert pod(runtime=runtime)["spec"]["containers"][0]["image"] == "mine:1"
    assert Spec.parse("fraud", a_raw_spec(runtime=runtime)).runtime.image == "mine:1"


def test_the_hpa_scales_what_takes_the_traffic_within_the_users_bounds() -> None:
    wish = Spec.parse("fraud", an_autoscaled_spec())
    spec = all_of(wish)["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    assert spec["scaleTargetRef"]["name"] == f"fraud-{wish.fingerprint}"
    assert "behavior" not in spec


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        pytest.param(a_spec(replicas=1), False, id="one pod: a drain could never end"),
        pytest.param(a_spec(replicas=2), True, id="two"),
        pytest.param(Spec.parse("fraud", an_autoscaled_spec()), True, id="a range"),
    ],
)
def test_a_disruption_budget_is_kept_where_there_can_be_several_pods(
    wish: Spec, kept: bool
) -> None:
    assert ("PodDisruptionBudget" in all_of(wish)) is kept


def test_the_disruption_budget_counts_the_pods_that_serve() -> None:
    found = rendered()
    spec, service = found["PodDisruptionBudget"]["spec"], found["Service"]["spec"]
    assert spec["selector"]["matchLabels"] == service["selector"]
    assert spec["maxUnavailable"] == 1


def test_a_retired_revision_whose_pods_are_long_gone_keeps_its_record_alone() -> None:
    wish = a_spec()
    born = record("fraud", wish, "runtime:1")
    old = replace(a_revision("old"), record=born, workload=None)
    new = replace(a_revision(wish.fingerprint, 2), record=born)
    seen = a_world(old, new, good=wish.fingerprint, track=wish.fingerprint)
    found = [m["kind"] for m in render(OWNER, wish, decide(wish, seen))]
    assert (found.count("ControllerRevision"), found.count("Deployment")) == (2, 1)


def test_the_users_pin_is_held_to_whatever_a_pod_found() -> None:
    pin = "1" * 64
    model = {"uri": "https://models.example.org/fraud.onnx", "sha256": pin}
    settings = rendered(model=model)["ConfigMap"]["data"]["settings.json"]
    assert json.loads(settings)["model"]["sha256"] == pin


def test_pods_are_replaced_without_a_gap() -> None:
    assert rendered()["Deployment"]["spec"]["strategy"]["rollingUpdate"] == {
        "maxUnavailable": 0,
        "maxSurge": 1,
    }


def test_data_sets_reach_the_pods_from_wherever_they_are() -> None:
    datasets = [
        {"name": "golden", "cases": [CASE]},
        {"name": "big", "configMap": {"name": "maps", "key": "g.npz"}},
        {"name": "far", "uri": "https://x.example.org/f.npz?a=b", "sha256": "0" * 64},
        {"name": "frame", "uri": "https://x.example.org/f.parquet?a=b.npz", "sha256": "0" * 64},
        {"name": "text", "uri": "https://x.example.org/f.json", "sha256": "0" * 64},
    ]
    found = rendered(verification=a_verification(datasets=datasets))
    data = found["ConfigMap"]["data"]
    told = json.loads(data["settings.json"])["verification"]["datasets"]
    assert [d["path"] for d in told] == [
        "/etc/slipway/golden.json",
        "/datasets/big/g.npz",
        "/models/datasets/far.npz",
        "/models/datasets/frame.parquet",
        "/models/datasets/text.json",
    ]
    assert [d["uri"] for d in told[:3]] == [None, None, "https://x.example.org/f.npz?a=b"]
    assert json.loads(data["golden.json"]) == {"cases": [CASE]}
    spec = found["Deployment"]["spec"]["template"]["spec"]
    source = {"name": "maps", "optional": True, "items": [{"key": "g.npz", "path": "g.npz"}]}
    assert {"name": "dataset-big", "configMap": source} in spec["volumes"]
    mount = {"name": "dataset-big", "mountPath": "/datasets/big", "readOnly": True}
    assert mount in spec["containers"][0]["volumeMounts"]
    assert mount not in spec["initContainers"][0]["volumeMounts"]


def test_checks_are_told_in_numbers() -> None:
    slow = {"dataset": "golden", "concurrency": 4, "duration": "15s", "maxP99": "25ms",
            "minThroughput": "100", "maxMemory": "512Mi"}  # fmt: skip
    checks = [a_check(atol="1e-4"), {"name": "slo", "type": "Performance", "performance": slow}]
    wish = a_verification(checks=checks, continuous=CONTINUOUS)
    settings = json.loads(rendered(verification=wish)["ConfigMap"]["data"]["settings.json"])
    assert settings["verification"]["checks"] == [
        {"name": "parity", "type": "Expected", "dataset": "golden", "rtol": 0.001, "atol": 0.0001,
         "maxMismatchRatio": 0},
        {"name": "slo", "type": "Performance", "dataset": "golden", "concurrency": 4,
         "durationSeconds": 15, "maxP99Seconds": 0.025, "minThroughput": 100,
         "maxMemoryBytes": 512 * 2**20},
    ]  # fmt: skip
    assert settings["verification"]["continuous"] == {
        "intervalSeconds": 60, "rows": 4, "failureThreshold": 3, "peers": "http://fraud.risk.svc",
    }  # fmt: skip


def test_an_hpa_scales_the_latest_while_nobody_has_the_traffic() -> None:
    wish = Spec.parse("fraud", an_autoscaled_spec(verification=a_verification()))
    found = all_of(wish)
    assert found["Service"]["spec"]["selector"]["slipway.dev/track"] == "none"
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
    assert target == f"fraud-{wish.fingerprint}"
