import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from slipway_operator.core.decide import STALLED
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.manifest import Manifest
from slipway_operator.ports import BlockedError
from slipway_operator.reconcile import reconcile
from support.builders import DIGEST, a_model, an_autoscaled_spec
from support.fakes import RELEASE_IMAGE, DiedError, FakeCluster, a_fake_world
from support.passes import (
    NEW_URI,
    REF,
    a_cluster,
    a_pod,
    change,
    condition,
    one_pass,
    selected,
    settle,
)


async def test_a_new_model_gets_everything_it_needs() -> None:
    cluster = a_cluster(model=NEW_URI)
    revision = change(cluster)
    await one_pass(cluster)
    assert set(cluster.objects) == {
        ("ModelDeployment", "fraud"),
        ("ServiceAccount", "fraud"),
        ("ControllerRevision", revision),
        ("ConfigMap", revision),
        ("Deployment", revision),
        ("Service", "fraud"),
        ("PodDisruptionBudget", "fraud"),
    }
    assert cluster.get("Deployment", revision)["spec"]["replicas"] == 2
    assert condition(cluster, "Ready")["status"] == "False"
    assert condition(cluster, "Reconciling")["status"] == "True"


async def test_ready_pods_make_it_ready_and_available() -> None:
    cluster = a_cluster()
    await settle(cluster)
    assert condition(cluster, "Ready")["status"] == "True"
    assert condition(cluster, "Available")["status"] == "True"
    assert condition(cluster, "Reconciling")["status"] == "False"
    status = cluster.get("ModelDeployment", "fraud")["status"]
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    assert status["url"] == "http://fraud.risk.svc/v2/models/fraud"


async def test_a_second_pass_over_an_unchanged_world_writes_nothing() -> None:
    cluster = a_cluster()
    await settle(cluster)
    before = list(cluster.writes)
    await one_pass(cluster)
    assert cluster.writes == before


async def test_a_changed_model_takes_over_only_when_it_is_ready() -> None:
    cluster = a_cluster()
    await settle(cluster)
    old = selected(cluster)
    new = change(cluster, model=NEW_URI)
    await one_pass(cluster)
    assert selected(cluster) == old
    assert condition(cluster, "Available")["status"] == "True"
    assert condition(cluster, "Ready")["status"] == "False"
    cluster.make_ready(new)
    await one_pass(cluster)
    assert selected(cluster) == new
    assert cluster.get("Deployment", old)["spec"]["replicas"] == 2
    await one_pass(cluster)
    assert cluster.get("Deployment", old)["spec"]["replicas"] == 0


@dataclass
class Stale(FakeCluster):
    """Its watches have died: memory holds pods as ready that the API server knows to be gone."""

    async def live(self, manifest: Manifest) -> Manifest | None:
        found = await super().live(manifest)
        if found and found["kind"] == "Deployment":
            found["status"]["readyReplicas"] = 0
        return found


async def test_a_revision_takes_over_only_if_the_api_server_knows_it_as_ready() -> None:
    cluster = Stale(**vars(a_cluster()))
    await settle(cluster)
    old = selected(cluster)
    new = change(cluster, model=NEW_URI)
    await one_pass(cluster)
    cluster.make_ready(new)
    await one_pass(cluster)
    assert selected(cluster) == old
    assert condition(cluster, "Ready")["status"] == "False"


async def test_a_revision_that_never_gets_ready_leaves_the_old_one_serving_and_says_why() -> None:
    cluster = a_cluster()
    await settle(cluster)
    old = selected(cluster)
    new = change(cluster, model=NEW_URI)
    await one_pass(cluster)
    ended = {
        "exitCode": 1,
        "reason": "Error",
        "message": json.dumps(
            {"schemaVersion": 1, "reason": "DigestMismatch", "message": "got 1, want 2", "hint": ""}
        ),
    }
    fetch = {"name": "fetch", "restartCount": 2, "state": {"terminated": ended}}
    cluster.pod_list = [a_pod(new, initContainerStatuses=[fetch])]
    await one_pass(cluster)
    assert selected(cluster) == old
    assert condition(cluster, "Available")["status"] == "True"
    assert condition(cluster, "Stalled")["reason"] == "DigestMismatch"
    assert condition(cluster, "ModelFetched")["status"] == "False"
    failure = cluster.get("ModelDeployment", "fraud")["status"]["revisions"][1]["failure"]
    assert (failure["container"], failure["exitCode"]) == ("fetch", 1)
    assert [e.reason for e in cluster.told if e.warning] == ["DigestMismatch"]


async def test_a_running_pod_is_asked_why_it_is_not_ready() -> None:
    cluster = a_cluster()
    revision = change(cluster)
    await one_pass(cluster)
    serve = {"name": "serve", "restartCount": 0, "state": {"running": {}}}
    cluster.pod_list = [a_pod(revision, podIP="pod", containerStatuses=[serve])]
    said = {"state": "Failed", "reason": "ModelTooNew", "message": "IR 14", "hint": "re-export"}
    await one_pass(cluster, pod=said)
    assert condition(cluster, "Stalled")["reason"] == "ModelTooNew"
    assert "re-export" in condition(cluster, "Ready")["message"]


async def test_going_back_to_the_old_spec_brings_the_old_revision_back() -> None:
    cluster = a_cluster()
    await settle(cluster)
    old = selected(cluster)
    change(cluster, model=NEW_URI)
    await settle(cluster)
    change(cluster, model={"uri": "https://models.example.org/fraud.onnx"})
    await settle(cluster)
    assert selected(cluster) == old
    assert cluster.get("Deployment", old)["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    "kind",
    ["Deployment", "Service", "ConfigMap", "ServiceAccount", "PodDisruptionBudget",
     "ControllerRevision", "HorizontalPodAutoscaler"],
)  # fmt: skip
async def test_a_deleted_child_comes_back(kind: str) -> None:
    cluster = a_cluster()
    cluster.get("ModelDeployment", "fraud")["spec"] = an_autoscaled_spec()
    await settle(cluster)
    (name,) = cluster.names(kind)
    was = cluster.objects.pop((kind, name))
    await settle(cluster)
    assert cluster.get(kind, name).get("spec") == was.get("spec")
    assert cluster.get(kind, name).get("data") == was.get("data")


async def test_an_edited_child_is_put_back_and_somebody_is_told() -> None:
    cluster = a_cluster()
    await settle(cluster)
    cluster.get("Service", "fraud")["spec"]["ports"][0]["port"] = 81
    cluster.get("Service", "fraud")["spec"]["selector"]["app"] = "theirs"
    await one_pass(cluster)
    assert "app" not in cluster.get("Service", "fraud")["spec"]["selector"]
    assert cluster.get("Service", "fraud")["spec"]["ports"][0]["port"] == 80
    assert [e.reason for e in cluster.told][-1] == "Repaired"


async def test_what_a_wish_no_longer_says_is_taken_back() -> None:
    cluster = a_cluster()
    spec = an_autoscaled_spec()
    spec["autoscaling"]["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 5}}
    cluster.get("ModelDeployment", "fraud")["spec"] = spec
    await settle(cluster)
    change(cluster, **an_autoscaled_spec())
    await settle(cluster)
    assert "behavior" not in cluster.get("HorizontalPodAutoscaler", "fraud")["spec"]


async def test_our_own_object_that_memory_has_not_heard_of_yet_is_no_strangers() -> None:
    cluster = a_cluster()
    await settle(cluster)
    cluster.children = lambda ref: []  # type: ignore[method-assign]
    await one_pass(cluster)
    assert condition(cluster, "Ready")["reason"] != "NameCollision"


async def test_a_replica_count_set_by_hand_is_put_back() -> None:
    cluster = a_cluster()
    await settle(cluster)
    cluster.get("Deployment", selected(cluster))["spec"]["replicas"] = 9
    await one_pass(cluster)
    assert cluster.get("Deployment", selected(cluster))["spec"]["replicas"] == 2


async def test_a_count_that_the_hpa_wrote_stays() -> None:
    cluster = a_cluster()
    cluster.get("ModelDeployment", "fraud")["spec"] = an_autoscaled_spec()
    await settle(cluster)
    cluster.get("Deployment", selected(cluster))["spec"]["replicas"] = 7
    await settle(cluster)
    assert cluster.get("Deployment", selected(cluster))["spec"]["replicas"] == 7
    target = cluster.get("HorizontalPodAutoscaler", "fraud")["spec"]["scaleTargetRef"]["name"]
    assert target == selected(cluster)


async def test_leaving_autoscaling_removes_the_hpa() -> None:
    cluster = a_cluster()
    cluster.get("ModelDeployment", "fraud")["spec"] = an_autoscaled_spec()
    await settle(cluster)
    model = cluster.get("ModelDeployment", "fraud")
    del model["spec"]["autoscaling"]
    change(cluster, replicas=3)
    await settle(cluster)
    assert not cluster.names("HorizontalPodAutoscaler")
    assert cluster.get("Deployment", selected(cluster))["spec"]["replicas"] == 3


async def test_nothing_is_deleted_for_a_wish_that_has_changed_meanwhile() -> None:
    cluster = a_cluster()
    await settle(cluster)
    stale = a_fake_world(cluster)
    old = cluster.model(REF)
    change(cluster, replicas=1)
    cluster.model = lambda ref: old  # type: ignore[method-assign]
    old["spec"]["replicas"] = 1  # type: ignore[index]
    await reconcile(REF, stale)
    assert cluster.names("PodDisruptionBudget")


async def test_somebody_elses_object_is_left_alone_and_named() -> None:
    cluster = a_cluster()
    theirs = {"kind": "Service", "metadata": {"name": "fraud"}, "spec": {"selector": {"app": "x"}}}
    cluster.add(theirs)
    await one_pass(cluster)
    assert cluster.get("Service", "fraud") == theirs
    assert condition(cluster, "Stalled")["reason"] == "NameCollision"
    assert "Service fraud" in condition(cluster, "Ready")["message"]


@dataclass
class Refusing(FakeCluster):
    """Refuses a kind of object."""

    kind: str = ""

    async def apply(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] == self.kind:
            raise BlockedError(Fault(reason="ManifestRefused", message="no", final=True))
        return await super().apply(manifest)


class Merging(FakeCluster):
    """Refuses a Service with two ports of one name, which is what an apply over theirs makes."""

    async def apply(self, manifest: Manifest) -> Manifest:
        was = self.objects.get(("Service", "fraud"))
        if manifest["kind"] == "Service" and was and was["spec"]["ports"][0]["port"] != 80:
            raise BlockedError(Fault(reason="ManifestRefused", message="Duplicate", final=True))
        return await super().apply(manifest)

    async def overwrite(self, manifest: Manifest) -> None:
        await FakeCluster.apply(self, manifest)


async def test_what_others_left_in_a_list_beside_ours_goes() -> None:
    cluster = Merging()
    cluster.add(a_model())
    await settle(cluster)
    cluster.get("Service", "fraud")["spec"]["ports"][0]["port"] = 81
    await one_pass(cluster)
    assert cluster.get("Service", "fraud")["spec"]["ports"][0]["port"] == 80
    assert condition(cluster, "Ready")["status"] == "True"


async def test_what_the_api_server_refuses_holds_nothing_else_up_and_is_tried_again() -> None:
    cluster = Refusing(kind="ServiceAccount")
    cluster.add(a_model())
    await settle(cluster)
    assert cluster.names("Deployment")
    assert condition(cluster, "Available")["status"] == "True"
    assert condition(cluster, "Ready")["reason"] == "ManifestRefused"
    assert await one_pass(cluster) == STALLED
    cluster.kind = ""
    await settle(cluster)
    assert condition(cluster, "Ready")["status"] == "True"


async def test_pods_behind_somebody_elses_service_serve_nobody() -> None:
    cluster = a_cluster()
    cluster.add({"kind": "Service", "metadata": {"name": "fraud"}, "spec": {}})
    await settle(cluster)
    assert condition(cluster, "Available")["reason"] == "NameCollision"
    assert condition(cluster, "Ready")["status"] == "False"


FORMER = {"kind": "ModelDeployment", "name": "fraud", "uid": "former", "controller": True}


@pytest.mark.parametrize("doomed", [{"ownerReferences": [FORMER]}, {"deletionTimestamp": "now"}])
async def test_what_is_in_the_way_but_leaving_is_waited_for(doomed: dict[str, Any]) -> None:
    cluster = a_cluster()
    cluster.add({"kind": "Service", "metadata": {"name": "fraud", **doomed}, "spec": {}})
    assert await one_pass(cluster) == STALLED
    assert condition(cluster, "Stalled")["status"] == "False"


async def test_nothing_is_made_for_a_model_that_only_memory_holds() -> None:
    cluster = a_cluster()
    ghost = cluster.model(REF)
    cluster.objects.clear()
    cluster.model = lambda ref: ghost  # type: ignore[method-assign]
    await one_pass(cluster)
    assert cluster.writes == []


async def test_the_good_revision_survives_the_loss_of_its_record() -> None:
    cluster = a_cluster()
    await settle(cluster)
    old = selected(cluster)
    change(cluster, model=NEW_URI)
    await one_pass(cluster)
    del cluster.objects["ControllerRevision", old]
    await one_pass(cluster)
    assert selected(cluster) == old
    assert {("ControllerRevision", old), ("Deployment", old)} <= set(cluster.objects)


async def test_the_digest_that_the_first_pod_found_is_held_to() -> None:
    cluster = a_cluster()
    revision = change(cluster)
    await one_pass(cluster)
    said = json.dumps({"schemaVersion": 1, "reason": "Fetched", "digest": DIGEST, "bytes": 1})
    ended = {"exitCode": 0, "reason": "Completed", "message": said}
    fetch = {"name": "fetch", "restartCount": 0, "state": {"terminated": ended}}
    cluster.pod_list = [a_pod(revision, initContainerStatuses=[fetch])]
    await one_pass(cluster)
    settings = json.loads(cluster.get("ConfigMap", revision)["data"]["settings.json"])
    assert settings["model"]["sha256"] == DIGEST
    assert condition(cluster, "ModelFetched")["status"] == "True"


async def test_a_new_operator_release_changes_no_pod() -> None:
    cluster = a_cluster()
    await settle(cluster)
    before = list(cluster.writes)
    world = a_fake_world(cluster)
    newer = replace(world, release_image="slipway-runtime:2")
    await reconcile(REF, newer)
    assert cluster.writes == before
    template = cluster.get("Deployment", selected(cluster))["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == RELEASE_IMAGE


async def test_a_model_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    cluster = a_cluster()
    cluster.get("ModelDeployment", "fraud")["metadata"]["deletionTimestamp"] = "now"
    await one_pass(cluster)
    assert cluster.writes == []


async def test_an_impossible_wish_is_reported_and_not_retried() -> None:
    cluster = a_cluster()
    await settle(cluster)
    limits = {"maxQueue": 1, "requestTimeout": "soon", "maxRequestBytes": "1Mi"}
    runtime = {"session": {}, "limits": limits}
    model = cluster.get("ModelDeployment", "fraud")
    model["spec"]["runtime"] = runtime
    model["metadata"]["generation"] += 1
    assert await one_pass(cluster) is None
    assert condition(cluster, "Stalled")["reason"] == "SpecInvalid"
    assert "spec.runtime.limits.requestTimeout" in condition(cluster, "Ready")["message"]
    assert condition(cluster, "Available")["status"] == "True"


async def test_a_crash_after_any_write_heals_to_the_same_world() -> None:
    unharmed = a_cluster()
    await a_whole_life(unharmed)
    for nth in range(len(unharmed.writes)):
        cluster = a_cluster()
        cluster.dies_at = nth
        with pytest.raises(DiedError):
            await a_whole_life(cluster)
        cluster.dies_at = None
        await a_whole_life(cluster)
        assert shape(cluster) == shape(unharmed), f"died before write {nth}"


async def a_whole_life(cluster: FakeCluster) -> None:
    await settle(cluster)
    change(cluster, model=NEW_URI)
    await settle(cluster)
    change(cluster, replicas=1)
    await settle(cluster)


def shape(cluster: FakeCluster) -> dict[str, Any]:
    """Reduce a cluster to what users would notice."""
    return {
        "objects": set(cluster.objects),
        "selected": selected(cluster),
        "counts": {
            name: cluster.get("Deployment", name)["spec"]["replicas"]
            for name in cluster.names("Deployment")
        },
        "ready": condition(cluster, "Ready")["status"],
    }
