"""What is asked about pods that are not well, and what is not."""

from collections.abc import Mapping
from typing import Any

import pytest

from slipway_operator.core.manifest import Manifest
from slipway_operator.core.pods import Host, Note, Pod
from slipway_operator.evidence import look
from slipway_operator.observe import observe
from slipway_operator.ports import Ref
from support.builders import a_model, a_spec
from support.fakes import FakeCluster, a_fake_world

SPEC = a_spec()
LABELS = {"slipway.dev/revision": SPEC.fingerprint}
CREATING = {"name": "fetch", "state": {"waiting": {"reason": "PodInitializing"}}}
RUNNING = {"name": "serve", "state": {"running": {}}}


def a_pod(name: str = "p", **status: Any) -> Manifest:
    metadata = {"name": name, "namespace": "risk", "uid": f"uid-{name}", "labels": LABELS}
    spec = {"nodeName": "n1", "containers": [{"name": "serve", "resources": {"requests": WANTS}}]}
    return {"metadata": metadata, "spec": spec, "status": status}


WANTS = {"cpu": "4"}
READY: dict[str, Any] = {"conditions": [{"type": "Ready", "status": "True"}]}
HOMELESS: dict[str, Any] = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "2 Insufficient cpu."},
    ]
}
ORPHANED: dict[str, Any] = {"containerStatuses": [{**RUNNING, "ready": True}], "podIP": "10.0.0.1"}


def an_event(reason: str, note: str, **times: Any) -> Manifest:
    return {"reason": reason, "note": note, **times}


async def one(cluster: FakeCluster, pod: Manifest) -> Pod:
    (found,) = await look([pod], a_fake_world(cluster))
    return found


async def test_a_pod_that_is_well_is_not_asked_about() -> None:
    cluster = FakeCluster()
    await one(cluster, a_pod(**READY, containerStatuses=[RUNNING]))
    assert cluster.glances == []


async def test_a_pod_that_loads_its_model_is_asked_itself_and_nobody_else() -> None:
    cluster = FakeCluster()
    world = a_fake_world(cluster, **{"10.0.0.1": {"state": "Loading"}})
    (found,) = await look([a_pod(podIP="10.0.0.1", containerStatuses=[RUNNING])], world)
    assert found.runtime == {"state": "Loading"}
    assert cluster.glances == []


async def test_the_events_of_a_pod_that_has_not_begun_are_read_the_latest_last() -> None:
    cluster = FakeCluster()
    cluster.seen["events"] = [
        an_event("B", "again", eventTime="1", series={"lastObservedTime": "9"}),
        an_event("A", "late", deprecatedLastTimestamp="5", eventTime=None),
        an_event("C", "early", eventTime="3"),
    ]
    found = await one(cluster, a_pod(initContainerStatuses=[CREATING]))
    assert cluster.glances == ["events regarding.uid=uid-p"]
    assert found.notes == (Note("C", "early", "3"), Note("A", "late", "5"), Note("B", "again", "9"))


async def test_a_pod_that_nobody_speaks_for_has_its_node_looked_at() -> None:
    cluster = FakeCluster()
    unknown = {"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting"}
    cluster.seen["nodes"] = [{"status": {"conditions": [unknown]}}]
    world = a_fake_world(cluster, **{"10.0.0.1": {"state": "Ready"}})
    (found,) = await look([a_pod(**ORPHANED)], world)
    assert cluster.glances == ["nodes metadata.name=n1"]
    assert found.host == Host(False, "Kubelet stopped posting")
    assert found.runtime is None


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ([], Host(False, "there is no such node any more")),
        ([{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}], Host(True)),
        (None, None),
    ],
    ids=["gone", "well", "not to be seen"],
)
async def test_what_is_known_of_a_node(nodes: list[Manifest] | None, host: Host | None) -> None:
    cluster = FakeCluster()
    if nodes is not None:
        cluster.seen["nodes"] = nodes
    assert (await one(cluster, a_pod(**ORPHANED))).host == host


async def test_room_is_counted_from_all_nodes_and_what_runs_on_them() -> None:
    cluster = FakeCluster()
    node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "5"}}}
    cluster.seen |= {"nodes": [node], "pods": [a_pod("other")]}
    found = await one(cluster, a_pod(**HOMELESS))
    assert sorted(cluster.glances) == ["nodes", "pods spec.nodeName!="]
    assert found.room == {"cpu": 1}
    assert found.requests == {"cpu": 4}


@pytest.mark.parametrize("seen", [{"nodes": []}, {"pods": []}, {}])
async def test_room_that_can_not_be_counted_is_not_known(seen: Mapping[str, Any]) -> None:
    cluster = FakeCluster(seen=dict(seen))
    assert (await one(cluster, a_pod(**HOMELESS))).room == {}


async def test_of_many_pods_a_few_are_looked_at_closely() -> None:
    cluster = FakeCluster()
    pods = [a_pod(str(n), initContainerStatuses=[CREATING]) for n in range(50)]
    found = await look(pods, a_fake_world(cluster))
    assert len(cluster.glances) == 3
    assert [pod.name for pod in found] == [str(n) for n in range(50)]


def evicted(name: str, born: int, **labels: str) -> Manifest:
    pod = a_pod(name, phase="Failed", reason="Evicted", message="The node was low on memory")
    pod["metadata"] |= {"creationTimestamp": f"2026-01-01T12:00:0{born}Z"}
    pod["metadata"]["labels"] = LABELS | labels
    return pod


def stranded(name: str, born: int, *, ready: bool = True) -> Manifest:
    pod = a_pod(name, containerStatuses=[{**RUNNING, "ready": ready}])
    times = {"creationTimestamp": f"2026-01-01T12:00:0{born}Z", "deletionTimestamp": "now"}
    pod["metadata"] |= times
    return pod


def ready(name: str, born: int) -> Manifest:
    pod = a_pod(name, **READY)
    pod["metadata"]["creationTimestamp"] = f"2026-01-01T12:00:0{born}Z"
    return pod


@pytest.mark.parametrize(
    ("pods", "seen"),
    [
        ([evicted("e", 5)], ["e"]),
        ([evicted("e", 5), ready("r", 1)], ["r", "e"]),
        ([evicted("e", 5), ready("r", 9)], ["r"]),
        ([evicted("e1", 1), evicted("e2", 2), evicted("e3", 3)], ["e3"]),
        ([stranded("s", 5), ready("r", 1)], ["r", "s"]),
        ([stranded("s", 5), ready("r", 9)], ["r"]),
        ([stranded("s", 5, ready=False)], []),
    ],
    ids=[
        "alone",
        "beside an older one",
        "made up for",
        "again and again",
        "stranded",
        "stranded and made up for",
        "leaving in good order",
    ],
)
async def test_a_pod_that_was_lost_is_news_until_a_younger_one_is_ready(
    pods: list[Manifest], seen: list[str]
) -> None:
    cluster = FakeCluster()
    model = a_model()
    cluster.add(model)
    name = f"fraud-{SPEC.fingerprint}"
    owner = {"uid": "uid-fraud", "controller": True}
    metadata = {"name": name, "generation": 1, "labels": {"slipway.dev/model": "fraud"}}
    deployment = {"kind": "Deployment", "metadata": {**metadata, "ownerReferences": [owner]}}
    cluster.add({**deployment, "spec": {"replicas": 2}, "status": {"observedGeneration": 1}})
    record = {"kind": "ControllerRevision", "metadata": deployment["metadata"], "revision": 1}
    cluster.add({**record, "data": {}})
    cluster.pod_list = pods
    world = a_fake_world(cluster)
    found = await observe(Ref("risk", "fraud"), model, SPEC, world)
    assert [pod.name for pod in found.pods] == seen
