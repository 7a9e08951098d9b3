import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from slipway_operator.core.manifest import Manifest
from slipway_operator.core.observed import Observed, Scaler, Workload
from slipway_operator.core.pods import Pod
from slipway_operator.core.render import record
from slipway_operator.core.spec import Spec
from slipway_operator.observe import found_digests, observe, owned
from slipway_operator.ports import Ref
from support.builders import DIGEST, a_model, a_spec, an_autoscaled_spec
from support.fakes import FakeCluster, FakeSignals, a_fake_world
from support.verifications import a_verification

REF = Ref("risk", "fraud")
SPEC = a_spec()
NEW = f"fraud-{SPEC.fingerprint}"
OTHER = a_spec(model={"uri": "https://x.example.org/other.onnx"})
OLD = f"fraud-{OTHER.fingerprint}"


class Pods(FakeCluster):
    """Counts how often pods are listed."""

    lists = 0

    async def pods(self, ref: Ref, fingerprints: Sequence[str]) -> Sequence[Manifest]:
        self.lists += 1
        return await super().pods(ref, fingerprints)


def a_child(kind: str, name: str, **parts: Any) -> Manifest:
    metadata = {
        "name": name,
        "namespace": "risk",
        "generation": 1,
        "labels": {"slipway.dev/model": "fraud"},
        "ownerReferences": [{"uid": "uid-fraud", "controller": True}],
    }
    return {"kind": kind, "metadata": metadata, **parts}


def a_revision(name: str, spec: Spec, number: int, ready: int = 2) -> Iterator[Manifest]:
    data = record("fraud", spec, "slipway-runtime:0")
    settings = {"settings.json": json.dumps(data["settings"])}
    yield a_child("ControllerRevision", name, revision=number, data=data)
    yield a_child("ConfigMap", name, data=settings)
    status = {"observedGeneration": 1, "replicas": 2, "readyReplicas": ready}
    deployment = {
        "replicas": 2,
        "template": data["template"],
        "progressDeadlineSeconds": data["progressDeadlineSeconds"],
    }
    yield a_child("Deployment", name, spec=deployment, status=status)


def a_cluster(*children: Manifest, **status: Any) -> Pods:
    cluster = Pods()
    cluster.add(a_model() | {"status": status})
    for child in children:
        cluster.add(child)
    return cluster


async def look(cluster: FakeCluster, spec: Spec = SPEC, signals: Any = None) -> Observed:
    world = replace(a_fake_world(cluster), signals=signals or FakeSignals())
    model = cluster.model(REF)
    assert model is not None
    return await observe(REF, model, spec, world)


KNOWN = {"revisions": [{"name": NEW, "digest": DIGEST}]}


async def test_of_a_revision_that_is_well_no_pod_is_read() -> None:
    cluster = a_cluster(*a_revision(NEW, SPEC, 1), **KNOWN)
    seen = await look(cluster)
    assert cluster.lists == 0
    assert seen.revisions[0].digest == DIGEST


async def test_pods_are_read_until_their_digest_is_known() -> None:
    cluster = a_cluster(*a_revision(NEW, SPEC, 1))
    await look(cluster)
    assert cluster.lists == 1


async def test_of_a_revision_scaled_to_zero_no_pod_is_read() -> None:
    children = list(a_revision(NEW, SPEC, 1, ready=0))
    children[-1]["spec"]["replicas"] = 0
    cluster = a_cluster(*children)
    await look(cluster)
    assert cluster.lists == 0


def a_pod(name: str, **status: Any) -> Manifest:
    labels = {"slipway.dev/revision": SPEC.fingerprint}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


async def test_how_a_pod_ends_is_no_news_of_its_revision() -> None:
    cluster = a_cluster(*a_revision(NEW, SPEC, 1, ready=1))
    leaving = a_pod("leaving")
    leaving["metadata"]["deletionTimestamp"] = "now"
    cluster.pod_list = [leaving, a_pod("rejected", phase="Failed"), a_pod("here", phase="Pending")]
    assert [p.name for p in (await look(cluster)).pods] == ["here"]


class Silence:
    """Pods behind a firewall."""

    async def status(self, address: str) -> Mapping[str, Any] | None:
        await asyncio.sleep(0.05)
        return None


async def test_many_pods_that_do_not_answer_are_waited_for_together() -> None:
    cluster = a_cluster(*a_revision(NEW, SPEC, 1, ready=0))
    serve = {"name": "serve", "state": {"running": {}}}
    cluster.pod_list = [
        a_pod(str(n), podIP="10.0.0.1", containerStatuses=[serve]) for n in range(60)
    ]
    async with asyncio.timeout(1):
        await look(cluster, signals=Silence())


async def test_a_record_that_was_deleted_is_built_again_from_what_runs() -> None:
    lost, *rest = a_revision(OLD, OTHER, 1)
    seen = await look(a_cluster(*rest, *a_revision(NEW, SPEC, 2), stableRevision=OLD))
    found = seen.revision(OTHER.fingerprint)
    assert found is not None
    assert found.record == lost["data"]


async def test_the_data_sets_of_a_record_that_was_deleted_are_built_again_too() -> None:
    spec = a_spec(verification=a_verification())
    lost, *rest = a_revision(NEW, spec, 1)
    rest[0]["data"] |= lost["data"]["datasets"]
    seen = await look(a_cluster(*rest, stableRevision=NEW))
    found = seen.revision(SPEC.fingerprint)
    assert found is not None
    assert found.record["datasets"] == lost["data"]["datasets"]


async def test_a_record_that_lost_its_label_is_known_by_its_name() -> None:
    seen = await look(a_cluster(*a_revision(NEW, SPEC, 1)))
    assert [r.fingerprint for r in seen.revisions] == [SPEC.fingerprint]


async def test_a_new_revision_comes_after_all_others() -> None:
    seen = await look(a_cluster(*a_revision(OLD, OTHER, 7)))
    assert [(r.fingerprint, r.number) for r in seen.revisions] == [
        (OTHER.fingerprint, 7),
        (SPEC.fingerprint, 8),
    ]


async def test_an_hpa_that_is_not_asked_for_is_not_reported() -> None:
    hpa = a_child("HorizontalPodAutoscaler", "fraud", spec={})
    assert (await look(a_cluster(hpa))).scaler is None
    auto = Spec.parse("fraud", an_autoscaled_spec())
    assert (await look(a_cluster(hpa), auto)).scaler == Scaler()


@pytest.mark.parametrize(
    "reference", [{"uid": "uid-fraud"}, {"uid": "another", "controller": True}]
)
def test_only_what_this_very_object_controls_is_its_own(reference: dict[str, Any]) -> None:
    child = a_child("Service", "fraud")
    assert owned(a_model(), [child]) == [child]
    child["metadata"]["ownerReferences"] = [reference]
    assert owned(a_model(), [child]) == []


def test_the_first_pods_digest_holds_and_a_failure_has_none() -> None:
    seen = [
        {"schemaVersion": 1, "reason": "DigestMismatch", "digest": "0" * 64},
        {"schemaVersion": 1, "reason": "Fetched", "digest": DIGEST},
        {"schemaVersion": 1, "reason": "Fetched", "digest": "1" * 64},
    ]
    pods = []
    for said in seen:
        ended = {"terminated": {"exitCode": 0, "message": json.dumps(said)}}
        pods.append(a_pod("p", initContainerStatuses=[{"name": "fetch", "state": ended}]))
    assert found_digests(map(Pod.read, pods)) == {SPEC.fingerprint: DIGEST}


async def test_the_digest_that_is_known_holds_against_what_a_later_pod_found() -> None:
    cluster = a_cluster(*a_revision(NEW, SPEC, 1, ready=1), **KNOWN)
    said = json.dumps({"schemaVersion": 1, "reason": "Fetched", "digest": "1" * 64})
    ended = {"terminated": {"exitCode": 0, "message": said}}
    cluster.pod_list = [a_pod("p", initContainerStatuses=[{"name": "fetch", "state": ended}])]
    assert (await look(cluster)).revisions[0].digest == DIGEST


def a_deployment(**status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}


LATE = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "late"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, Workload(wanted=3, current=False), id="nobody has looked"),
        pytest.param(
            {"observedGeneration": 1, "readyReplicas": 2, "conditions": [LATE]},
            Workload(wanted=3, ready=2, current=False),
            id="an older spec's pods count, its deadline does not",
        ),
        pytest.param(
            {"observedGeneration": 2, "readyReplicas": 2, "conditions": [LATE]},
            Workload(wanted=3, ready=2, overdue="late"),
            id="overdue",
        ),
        pytest.param(
            {
                "observedGeneration": 2,
                "conditions": [{"type": "ReplicaFailure", "status": "False", "message": "quota"}],
            },
            Workload(wanted=3),
            id="pods are no longer refused",
        ),
    ],
)
def test_a_deployment_is_read(status: dict[str, Any], expected: Workload) -> None:
    assert Workload.read(a_deployment(**status)) == expected
