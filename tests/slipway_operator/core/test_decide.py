from dataclasses import replace
from datetime import timedelta

import pytest

from slipway_operator.core.decide import ROLLING, STALLED, decide
from slipway_operator.core.observed import Observed
from slipway_operator.core.pods import Pod
from slipway_operator.core.spec import Spec
from support.builders import a_raw_spec, a_revision, a_spec, a_world, an_autoscaled_spec

SPEC = a_spec()
NEW = SPEC.fingerprint
AUTO = Spec.parse("fraud", an_autoscaled_spec())


def test_a_settled_model_asks_for_no_further_pass() -> None:
    plan = decide(SPEC, a_world(a_revision(NEW), good=NEW, track=NEW))
    assert plan.recheck_after is None
    assert plan.replicas == {NEW: 2}


@pytest.mark.parametrize(
    ("pin", "digest", "wanted", "ready", "count"),
    [
        (None, None, 1, 0, 1),
        (None, "a" * 64, 1, 0, 2),
        (None, None, 1, 1, 2),
        (None, None, 2, 0, 2),
        ("a" * 64, None, 1, 0, 2),
    ],
    ids=["unpinned", "found", "silent but ready", "already more", "pinned"],
)
def test_a_model_without_a_pin_starts_with_the_one_pod_that_finds_its_digest(
    pin: str | None, digest: str | None, wanted: int, ready: int, count: int
) -> None:
    spec = a_spec(model={"uri": "https://models.example.org/x.onnx", "sha256": pin})
    revision = a_revision(spec.fingerprint, wanted=wanted, ready=ready)
    seen = a_world(replace(revision, digest=digest))
    assert decide(spec, seen).replicas == {spec.fingerprint: count}


def test_the_old_revision_keeps_its_pods_in_the_pass_that_flips_the_service() -> None:
    seen = a_world(a_revision("old"), a_revision(NEW, 2), good="old", track="old")
    plan = decide(SPEC, seen)
    assert plan.traffic.track == NEW
    assert plan.replicas == {"old": 2, NEW: 2}
    assert plan.recheck_after == ROLLING


def test_the_old_revision_goes_once_service_and_status_hold_the_new_one() -> None:
    seen = a_world(a_revision("old"), a_revision(NEW, 2), good=NEW, track=NEW)
    assert decide(SPEC, seen).replicas == {"old": 0, NEW: 2}


def test_three_retired_revisions_stay_and_the_oldest_goes() -> None:
    retired = [a_revision(f"old{n}", n, wanted=0, ready=0) for n in range(1, 6)]
    seen = a_world(*retired, a_revision(NEW, 9), good=NEW, track=NEW)
    kept = {r.fingerprint for r in decide(SPEC, seen).keep}
    assert kept == {"old3", "old4", "old5", NEW}


def test_an_hpa_that_holds_the_count_is_never_overruled() -> None:
    seen = a_world(a_revision(AUTO.fingerprint, wanted=7, ready=7), track=AUTO.fingerprint)
    assert decide(AUTO, seen).replicas == {}


def test_a_new_autoscaled_deployment_is_seeded_with_the_minimum() -> None:
    seen = a_world(a_revision(AUTO.fingerprint, wanted=0, ready=0), track=AUTO.fingerprint)
    assert decide(AUTO, seen).replicas == {AUTO.fingerprint: 2}


def test_a_candidate_under_load_is_seeded_with_what_serves_now() -> None:
    old = a_revision("old", wanted=7, replicas=7, ready=7)
    seen = a_world(old, a_revision(AUTO.fingerprint, 2, wanted=1), good="old", track="old")
    assert decide(AUTO, seen).replicas == {AUTO.fingerprint: 7}


def test_a_superseded_candidate_loses_its_pods_at_once() -> None:
    seen = a_world(
        a_revision("good"), a_revision("never", 2, ready=0), a_revision(NEW, 3, ready=0),
        good="good", track="good",
    )  # fmt: skip
    assert decide(SPEC, seen).replicas == {"good": 2, "never": 0, NEW: 2}


def test_scaling_makes_no_new_revision_and_a_new_model_does() -> None:
    assert a_spec(replicas=5).fingerprint == NEW
    assert a_spec(model={"uri": "https://models.example.org/other.onnx"}).fingerprint != NEW
    promised = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}]}
    assert a_spec(signature=promised).fingerprint != NEW
    assert a_spec(rollout={"progressDeadlineSeconds": 60}).fingerprint != NEW
    alone = a_raw_spec()
    alone["runtime"]["batching"]["mode"] = "Disabled"
    assert Spec.parse("fraud", alone).fingerprint != NEW
    budget = a_raw_spec()
    budget["availability"]["disruptionBudget"] = {"maxUnavailable": 2}
    assert Spec.parse("fraud", budget).fingerprint == NEW


@pytest.mark.parametrize(
    ("good", "track"),
    [
        pytest.param("old", NEW, id="the status still holds it"),
        pytest.param(NEW, "old", id="the Service still selects it"),
    ],
)
def test_the_old_revision_keeps_its_pods_while_anything_holds_it(good: str, track: str) -> None:
    seen = a_world(a_revision("old"), a_revision(NEW, 2), good=good, track=track)
    plan = decide(SPEC, seen)
    assert plan.replicas["old"] == 2
    assert plan.recheck_after == ROLLING


def test_under_an_hpa_a_candidate_with_more_pods_than_needed_keeps_them() -> None:
    candidate = a_revision(AUTO.fingerprint, 2, wanted=9)
    seen = a_world(a_revision("old", wanted=7), candidate, good="old", track="old")
    assert decide(AUTO, seen).replicas == {}


OVERDUE = a_revision(NEW, 2, ready=0, overdue="too late")
REFUSED = Pod.read(
    {
        "metadata": {"name": "p", "labels": {"slipway.dev/revision": NEW}},
        "status": {
            "containerStatuses": [
                {"name": "serve", "state": {"waiting": {"reason": "InvalidImageName"}}}
            ]
        },
    }
)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(
            a_world(a_revision("old"), a_revision(NEW, 2, ready=0), good="old", track="old"),
            ROLLING, id="rolling",
        ),
        pytest.param(
            a_world(a_revision("old"), OVERDUE, good="old", track="old"), STALLED, id="overdue"
        ),
        pytest.param(
            a_world(a_revision(NEW, ready=0), pods=(REFUSED,)), STALLED, id="a final fault"
        ),
        pytest.param(
            a_world(a_revision(NEW, ready=1), good=NEW, track=NEW), STALLED, id="a pod is down"
        ),
        pytest.param(
            a_world(replace(a_revision(NEW), digest=None), good=NEW, track=NEW),
            STALLED, id="no digest yet",
        ),
    ],
)  # fmt: skip
def test_pods_are_no_watched_kind_so_it_looks_again(seen: Observed, expected: timedelta) -> None:
    assert decide(SPEC, seen).recheck_after == expected


def test_what_ails_the_revision_that_serves_is_told_apart_from_the_latest() -> None:
    crashed = Pod.read(
        {
            "metadata": {"name": "p", "labels": {"slipway.dev/revision": "old"}},
            "status": {
                "containerStatuses": [{"name": "serve", "state": {"terminated": {"exitCode": 3}}}]
            },
        }
    )
    seen = a_world(
        a_revision("old", ready=0), a_revision(NEW, 2, ready=0),
        good="old", track="old", pods=(crashed,),
    )  # fmt: skip
    plan = decide(SPEC, seen)
    assert plan.fault is None
    assert plan.serving_fault is not None
    assert plan.serving_fault.reason == "Crashing"


def test_what_moves_pods_makes_a_new_revision() -> None:
    spread = a_raw_spec()
    spread["availability"]["spread"] = "Required"
    assert Spec.parse("fraud", spread).fingerprint != NEW
    assert a_spec(template={"nodeSelector": {"a": "b"}}).fingerprint != NEW
