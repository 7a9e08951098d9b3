"""A model that is suspended: nothing is changed for it, and status says so and goes on telling."""

from typing import Any

from slipway_operator.core.events import Event
from support.fakes import FakeCluster
from support.passes import (
    NEW_URI,
    a_cluster,
    a_pod,
    change,
    condition,
    one_pass,
    selected,
    settle,
)


async def suspended(**spec: Any) -> FakeCluster:
    """Build a cluster with a model that serves and was then suspended."""
    cluster = a_cluster()
    await settle(cluster)
    cluster.told.clear()
    change(cluster, suspend=True, **spec)
    await one_pass(cluster)
    return cluster


def answers(cluster: FakeCluster) -> dict[str, tuple[str, str]]:
    found = cluster.get("ModelDeployment", "fraud")["status"]["conditions"]
    return {c["type"]: (c["status"], c["reason"]) for c in found}


async def test_a_suspended_model_that_serves_is_ready_and_at_rest() -> None:
    cluster = await suspended()
    assert answers(cluster) == {
        "Available": ("True", "Serving"),
        "Ready": ("True", "Suspended"),
        "Progressing": ("False", "Suspended"),
        "ModelFetched": ("Unknown", "Pending"),
        "Stalled": ("False", "NotStalled"),
        "Reconciling": ("False", "Suspended"),
    }
    assert "spec.suspend" in condition(cluster, "Ready")["message"]
    status = cluster.get("ModelDeployment", "fraud")["status"]
    assert status["observedGeneration"] == 2


async def test_a_change_waits_until_the_model_is_suspended_no_more() -> None:
    cluster = await suspended(model=NEW_URI, replicas=5)
    was = selected(cluster)
    before = [w for w in cluster.writes if w != "status"]
    for _ in range(3):
        cluster.make_all_ready()
        await one_pass(cluster)
    assert [w for w in cluster.writes if w != "status"] == before
    assert answers(cluster)["Ready"] == ("False", "Suspended")
    assert answers(cluster)["Available"] == ("True", "Serving")
    assert cluster.get("ModelDeployment", "fraud")["status"]["stableRevision"] == was
    new = change(cluster, suspend=False)
    await settle(cluster)
    assert selected(cluster) == new
    assert answers(cluster)["Ready"] == ("True", "Serving")


async def test_a_promotion_waits_too() -> None:
    cluster = a_cluster()
    await settle(cluster)
    was = selected(cluster)
    change(cluster, model=NEW_URI)
    await one_pass(cluster)
    change(cluster, suspend=True)
    cluster.make_all_ready()
    await one_pass(cluster)
    assert selected(cluster) == was
    assert cluster.get("ModelDeployment", "fraud")["status"]["stableRevision"] == was


async def test_what_is_deleted_by_hand_stays_away_until_the_model_is_suspended_no_more() -> None:
    cluster = await suspended()
    del cluster.objects["PodDisruptionBudget", "fraud"]
    await one_pass(cluster)
    assert cluster.names("PodDisruptionBudget") == set()
    change(cluster, suspend=False)
    await one_pass(cluster)
    assert cluster.names("PodDisruptionBudget") == {"fraud"}


async def test_status_goes_on_telling_who_is_served() -> None:
    cluster = await suspended()
    cluster.get("Deployment", selected(cluster))["status"]["readyReplicas"] = 0
    await one_pass(cluster)
    assert answers(cluster)["Available"] == ("False", "NoReadyPods")
    assert answers(cluster)["Ready"] == ("False", "Suspended")


async def test_a_fault_is_told_all_the_same() -> None:
    cluster = await suspended()
    revision = selected(cluster)
    cluster.get("Deployment", revision)["status"]["readyReplicas"] = 0
    waiting = {"waiting": {"reason": "CreateContainerError", "message": "no"}}
    state = {"name": "serve", "restartCount": 0, "state": waiting}
    cluster.pod_list = [a_pod(revision, containerStatuses=[state])]
    await one_pass(cluster)
    assert answers(cluster)["Ready"] == ("False", "ContainerCreateFailed")
    assert answers(cluster)["Reconciling"] == ("False", "Suspended")


async def test_a_second_pass_over_a_suspended_model_writes_nothing() -> None:
    cluster = await suspended()
    before = list(cluster.writes)
    await one_pass(cluster)
    assert cluster.writes == before


async def test_a_model_that_is_born_suspended_gets_nothing_but_a_status() -> None:
    cluster = a_cluster(suspend=True)
    await one_pass(cluster)
    assert cluster.writes == ["status"]
    assert answers(cluster)["Ready"] == ("False", "Suspended")
    assert answers(cluster)["Reconciling"] == ("False", "Suspended")


async def test_people_are_told_of_both_ends() -> None:
    cluster = await suspended(model=NEW_URI)
    await one_pass(cluster)
    change(cluster, suspend=False)
    await one_pass(cluster)
    assert [(e.reason, e.warning) for e in cluster.told] == [
        ("Suspended", False),
        ("Resumed", False),
    ]
    assert isinstance(cluster.told[0], Event)
