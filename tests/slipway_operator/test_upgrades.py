"""A new release of the operator, whose runtime a model takes up when its policy says so."""

from dataclasses import replace
from typing import Any

import pytest

from slipway_operator.core.manifest import Manifest
from slipway_operator.core.spec import Spec
from slipway_operator.core.upgrade import successor
from slipway_operator.reconcile import reconcile
from support.builders import a_raw_spec
from support.fakes import RELEASE_IMAGE, DiedError, FakeCluster, FakeTurns, a_fake_world
from support.passes import NEW_URI, REF, a_cluster, a_pod, change, condition, selected, settle

NEXT = "slipway-runtime:2"
AUTOMATIC = {**a_raw_spec()["runtime"], "upgradePolicy": "Automatic"}


async def passes(
    cluster: FakeCluster, image: str = NEXT, *, times: int = 1, turn: bool = True
) -> None:
    """Let an operator of a release with that runtime image look at the model."""
    for _ in range(times):
        world = replace(a_fake_world(cluster), release_image=image, turns=FakeTurns(turn))
        await reconcile(REF, world)


async def rolled_out(cluster: FakeCluster, image: str = NEXT) -> None:
    """Let an upgrade run its course while pods come up at once."""
    for _ in range(4):
        await passes(cluster, image)
        cluster.make_all_ready()
    await passes(cluster, image)


async def a_follower(**spec: Any) -> FakeCluster:
    """Build a cluster with a model that follows the operator, and serves."""
    cluster = a_cluster(runtime=AUTOMATIC, **spec)
    await settle(cluster)
    return cluster


def image_of(cluster: FakeCluster, revision: str) -> str:
    pod = cluster.get("Deployment", revision)["spec"]["template"]["spec"]
    images = {container["image"] for container in pod["initContainers"] + pod["containers"]}
    [image] = images
    return str(image)


def runtime(cluster: FakeCluster) -> tuple[str, str]:
    found = condition(cluster, "RuntimeCurrent")
    return found["status"], found["reason"]


def born(cluster: FakeCluster) -> str:
    spec = cluster.get("ModelDeployment", "fraud")["spec"]
    return Spec.parse("fraud", spec).fingerprint


async def test_a_model_that_follows_gets_a_new_revision_of_the_same_spec() -> None:
    cluster = await a_follower()
    old = selected(cluster)
    await passes(cluster)
    new = f"fraud-{successor(born(cluster), NEXT)}"
    assert image_of(cluster, new) == NEXT
    assert (selected(cluster), image_of(cluster, old)) == (old, RELEASE_IMAGE)
    assert runtime(cluster) == ("False", "RollingOut")
    assert condition(cluster, "Available")["status"] == "True"
    await rolled_out(cluster)
    assert selected(cluster) == new
    assert runtime(cluster) == ("True", "UpToDate")
    assert condition(cluster, "Ready")["status"] == "True"
    assert cluster.get("Deployment", old)["spec"]["replicas"] == 0


async def test_an_upgraded_model_is_at_rest() -> None:
    cluster = await a_follower()
    await rolled_out(cluster)
    before = list(cluster.writes)
    await passes(cluster, times=2)
    assert cluster.writes == before


async def test_a_model_waits_for_its_turn_and_says_so_once() -> None:
    cluster = await a_follower()
    before = list(cluster.writes)
    await passes(cluster, turn=False, times=3)
    assert cluster.writes == [*before, "status"]
    assert runtime(cluster) == ("False", "Waiting")
    assert NEXT in condition(cluster, "RuntimeCurrent")["message"]
    assert condition(cluster, "Ready")["status"] == "True"


async def test_an_upgrade_that_fails_leaves_the_old_runtime_serving_and_says_why() -> None:
    cluster = await a_follower()
    old = selected(cluster)
    await passes(cluster)
    new = f"fraud-{successor(born(cluster), NEXT)}"
    cluster.pod_list = [a_pod(new, containerStatuses=[REFUSES])]
    await passes(cluster, times=2)
    assert runtime(cluster) == ("False", "ModelUnsupported")
    assert condition(cluster, "Stalled")["status"] == "True"
    assert condition(cluster, "Available")["status"] == "True"
    assert selected(cluster) == old
    before = list(cluster.writes)
    await passes(cluster, times=2)
    assert cluster.writes == before, "it is tried again"


TOLD = '{"schemaVersion": 1, "reason": "ModelUnsupported", "message": "no", "hint": "", "log": ""}'
REFUSES = {
    "name": "serve",
    "restartCount": 1,
    "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": TOLD}},
}


async def test_a_release_after_a_failed_one_is_tried() -> None:
    cluster = await a_follower()
    await passes(cluster)
    await passes(cluster, "slipway-runtime:3")
    third = f"fraud-{successor(born(cluster), 'slipway-runtime:3')}"
    second = f"fraud-{successor(born(cluster), NEXT)}"
    assert image_of(cluster, third) == "slipway-runtime:3"
    assert cluster.get("Deployment", second)["spec"]["replicas"] == 0


async def test_an_operator_that_goes_back_a_release_takes_its_followers_along() -> None:
    cluster = await a_follower()
    await rolled_out(cluster)
    await rolled_out(cluster, RELEASE_IMAGE)
    assert image_of(cluster, selected(cluster)) == RELEASE_IMAGE
    await rolled_out(cluster)
    assert image_of(cluster, selected(cluster)) == NEXT


async def test_a_model_keeps_its_runtime_when_it_is_to_follow_no_longer() -> None:
    cluster = await a_follower()
    await rolled_out(cluster)
    change(cluster, runtime=AUTOMATIC | {"upgradePolicy": "OnChange"})
    before = pods(cluster)
    await rolled_out(cluster, "slipway-runtime:3")
    assert pods(cluster) == before
    assert image_of(cluster, selected(cluster)) == NEXT


def pods(cluster: FakeCluster) -> dict[str, Manifest]:
    return {name: cluster.get("Deployment", name)["spec"] for name in cluster.names("Deployment")}


async def test_a_change_of_the_spec_takes_the_new_runtime_without_a_turn() -> None:
    cluster = await a_follower()
    new = change(cluster, model=NEW_URI)
    await passes(cluster, turn=False)
    assert image_of(cluster, new) == NEXT


async def test_a_spec_that_goes_back_goes_back_to_the_upgraded_revision() -> None:
    cluster = await a_follower()
    model = cluster.get("ModelDeployment", "fraud")["spec"]["model"]
    await rolled_out(cluster)
    was = selected(cluster)
    change(cluster, model=NEW_URI)
    await rolled_out(cluster)
    change(cluster, model=model)
    await rolled_out(cluster)
    assert selected(cluster) == was


@pytest.mark.parametrize("writes", range(12))
async def test_an_upgrade_outlives_an_operator_that_dies_after_any_write(writes: int) -> None:
    cluster = await a_follower()
    cluster.dies_at = len(cluster.writes) + writes
    try:
        await rolled_out(cluster)
    except DiedError:
        cluster.dies_at = None
    served = cluster.get("Deployment", selected(cluster))
    assert served["status"]["readyReplicas"] == 2
    await rolled_out(cluster)
    assert selected(cluster) == f"fraud-{successor(born(cluster), NEXT)}"
    running = [n for n in cluster.names("Deployment") if pods(cluster)[n]["replicas"]]
    assert running == [selected(cluster)]


async def test_who_loses_the_turn_to_a_crash_puts_away_what_was_begun() -> None:
    cluster = await a_follower()
    cluster.dies_at = len(cluster.writes) + 3
    with pytest.raises(DiedError):
        await passes(cluster)
    cluster.dies_at = None
    begun = f"fraud-{successor(born(cluster), NEXT)}"
    assert begun in cluster.names("Deployment")
    await passes(cluster, turn=False, times=2)
    assert cluster.get("Deployment", begun)["spec"]["replicas"] == 0
    assert runtime(cluster) == ("False", "Waiting")
