from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from slipway_operator.core.condition import Condition
from slipway_operator.core.conditions import conditions, refused
from slipway_operator.core.decide import decide, hindered
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Observed, Scaler
from slipway_operator.core.pods import Pod
from slipway_operator.core.spec import Spec
from support.builders import NOON, a_revision, a_spec, a_world, an_autoscaled_spec

SPEC = a_spec()
NEW = SPEC.fingerprint
OLD = a_revision("old")
AUTO = Spec.parse("fraud", an_autoscaled_spec())
WELL = a_world(a_revision(NEW), good=NEW, track=NEW)


def answers(seen: Observed, spec: Spec = SPEC) -> Mapping[str, Condition]:
    return {c.type: c for c in conditions(seen, decide(spec, seen), NOON)}


def said(seen: Observed, spec: Spec = SPEC) -> dict[str, str]:
    return {kind: f"{c.status} {c.reason}" for kind, c in answers(seen, spec).items()}


def a_pod(container: str, **waiting: str) -> Pod:
    status = {"name": container, "state": {"waiting": waiting}}
    metadata = {"name": "p", "labels": {"slipway.dev/revision": NEW}}
    return Pod.read({"metadata": metadata, "status": {"containerStatuses": [status]}})


def test_a_model_that_is_well_is_ready_and_at_rest() -> None:
    assert said(WELL) == {
        "Available": "True Serving",
        "Ready": "True Serving",
        "Progressing": "False Complete",
        "ModelFetched": "True Fetched",
        "Stalled": "False NotStalled",
        "Reconciling": "False Settled",
    }


def test_a_rollout_is_available_and_under_way() -> None:
    found = said(a_world(OLD, a_revision(NEW, 2, ready=1), good="old", track="old"))
    assert found["Available"] == "True Serving"
    assert found["Ready"] == "False RollingOut"
    assert found["Progressing"] == found["Reconciling"] == "True RollingOut"


def test_a_revision_whose_counts_are_of_its_past_is_not_ready_before_it_takes_over() -> None:
    back = a_revision(NEW, 2, current=False)
    assert said(a_world(OLD, back, good="old", track="old"))["Ready"] == "False RollingOut"


def test_a_pod_beyond_those_that_are_needed_ails_nobody() -> None:
    grown = a_revision(AUTO.fingerprint, wanted=3, ready=2)
    metadata = {"name": "p", "labels": {"slipway.dev/revision": AUTO.fingerprint}}
    status = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "full"}]}
    pod = Pod.read({"metadata": metadata, "status": status})
    seen = a_world(grown, good=AUTO.fingerprint, track=AUTO.fingerprint, pods=(pod,))
    assert said(seen, AUTO)["Ready"] == "True Serving"


def test_a_lost_pod_is_told_apart_from_a_rollout() -> None:
    found = answers(a_world(a_revision(NEW, ready=1), good=NEW, track=NEW))
    assert (found["Ready"].reason, found["Available"].status) == ("ReplicasUnready", "True")
    assert "1 of 2 pods" in found["Ready"].message


def test_a_deployment_whose_counts_lag_behind_its_scale_is_still_available_and_ready() -> None:
    scaled = a_revision(AUTO.fingerprint, wanted=3, ready=2, current=False)
    seen = a_world(scaled, good=AUTO.fingerprint, track=AUTO.fingerprint)
    assert said(seen, AUTO)["Available"] == "True Serving"
    assert said(seen, AUTO)["Ready"] == "True Serving"


def test_a_final_fault_waits_for_a_person_and_nothing_is_under_way() -> None:
    invalid = a_pod("serve", reason="InvalidImageName")
    seen = a_world(OLD, a_revision(NEW, 2, ready=0), good="old", track="old", pods=(invalid,))
    found = said(seen)
    assert found["Stalled"] == "True InvalidImageName"
    assert found["Progressing"] == "False InvalidImageName"
    assert found["Reconciling"] == "False Settled"
    assert found["Ready"] == "False InvalidImageName"


@pytest.mark.parametrize(
    ("overdue", "pods", "expected"),
    [
        pytest.param(None, (a_pod("serve", reason="ErrImagePull"),), "False NotStalled", id="yet"),
        pytest.param(
            "too late", (a_pod("serve", reason="ErrImagePull"),), "True ImagePullFailed", id="known"
        ),
        pytest.param("too late", (), "True ProgressDeadlineExceeded", id="unknown"),
    ],
)
def test_what_may_mend_itself_stalls_when_its_time_is_up(
    overdue: str | None, pods: tuple[Pod, ...], expected: str
) -> None:
    new = a_revision(NEW, 2, ready=0, overdue=overdue)
    assert said(a_world(OLD, new, good="old", track="old", pods=pods))["Stalled"] == expected


def test_a_revision_that_came_late_but_came_is_not_stalled() -> None:
    late = a_world(a_revision(NEW, overdue="too late"), good=NEW, track=NEW)
    assert said(late)["Stalled"] == "False NotStalled"


def test_only_what_fetching_failed_of_says_that_the_model_was_not_fetched() -> None:
    bare = replace(a_revision(NEW, ready=0), digest=None)
    pulling = a_world(bare, pods=(a_pod("serve", reason="ErrImagePull"),))
    assert said(pulling)["ModelFetched"] == "Unknown Pending"


@pytest.mark.parametrize(
    ("scaler", "expected"),
    [
        (Scaler(), "Unknown Pending"),
        (Scaler(active=True, reason="ValidMetricFound"), "True ValidMetricFound"),
        (Scaler(active=False, reason="ScalingDisabled"), "False ScalingDisabled"),
        (Scaler(active=False, reason="FailedGetResourceMetric"), "False MetricsUnavailable"),
        (Scaler(active=True, reason="ValidMetricFound", capped="4"), "True AtMaxReplicas"),
    ],
)
def test_the_hpa_speaks_for_itself(scaler: Scaler, expected: str) -> None:
    assert said(replace(WELL, scaler=scaler))["ScalingActive"] == expected


@pytest.mark.parametrize(
    ("was", "seconds", "expected"),
    [
        pytest.param("Unknown", 59, "Unknown Pending", id="it had no time yet"),
        pytest.param("Unknown", 60, "False MetricsUnavailable", id="it had time enough"),
        pytest.param("True", 1, "False MetricsUnavailable", id="it had readings before"),
        pytest.param("False", 1, "False MetricsUnavailable", id="it was told before"),
    ],
)
def test_an_hpa_gets_a_minute_for_its_first_reading(was: str, seconds: int, expected: str) -> None:
    since = NOON - timedelta(seconds=seconds)
    blind = Scaler(active=False, reason="FailedGetResourceMetric", since=since)
    before = {"type": "ScalingActive", "status": was, "lastTransitionTime": ""}
    seen = replace(WELL, scaler=blind, conditions=(before,))
    assert said(seen)["ScalingActive"] == expected
    assert (decide(SPEC, seen).recheck_after is None) == (was == "False")


def test_an_hpa_is_read() -> None:
    since = "2026-01-01T12:00:00Z"
    blind = {"type": "ScalingActive", "status": "False", "reason": "R", "message": "m"}
    most = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "n"}
    least = {**most, "reason": "TooFewReplicas"}
    found = Scaler.read({"status": {"conditions": [{**blind, "lastTransitionTime": since}, most]}})
    assert found == Scaler(active=False, reason="R", message="m", since=NOON, capped="n")
    assert Scaler.read({"status": {"conditions": [blind, least]}}).capped is None


REFUSED = Fault(reason="ManifestRefused", message="no", final=True)


SERVICE = ("Service", "fraud")


def test_another_service_that_is_refused_keeps_nobody_from_the_pods() -> None:
    seen = replace(WELL, track=None)
    plan = hindered(decide(SPEC, seen), seen, {("Service", "fraud-canary"): REFUSED}, SERVICE)
    found = {c.type: f"{c.status} {c.reason}" for c in conditions(seen, plan, NOON)}
    assert found["Ready"] == "False ManifestRefused"
    assert found["Available"] == "True Serving"


def test_nothing_is_ready_while_any_object_is_refused() -> None:
    plan = hindered(decide(SPEC, WELL), WELL, {("PodDisruptionBudget", "fraud"): REFUSED}, SERVICE)
    found = {c.type: f"{c.status} {c.reason}" for c in conditions(WELL, plan, NOON)}
    assert found["Ready"] == "False ManifestRefused"
    assert found["Stalled"] == "True ManifestRefused"
    assert found["Available"] == "True Serving"


def test_what_else_is_wrong_stays_listed_beside_what_could_not_be_written() -> None:
    pulling = a_pod("serve", reason="ErrImagePull")
    seen = a_world(a_revision(NEW, ready=0), pods=(pulling,))
    other = replace(REFUSED, message="nor this")
    refusals = {SERVICE: REFUSED, ("ConfigMap", "a"): other, ("ConfigMap", "b"): REFUSED}
    plan = hindered(decide(SPEC, seen), seen, refusals, SERVICE)
    assert plan.fault is not None
    assert plan.fault.reason == "ManifestRefused"
    assert [f.message for f in plan.fault.others] == ["nor this", "the image can't be pulled"]
    assert plan.fault.others[1].others == ()


def test_pods_without_a_service_are_not_available() -> None:
    seen = replace(WELL, track=None)
    plan = hindered(decide(SPEC, seen), seen, {SERVICE: REFUSED}, SERVICE)
    found = {c.type: f"{c.status} {c.reason}" for c in conditions(seen, plan, NOON)}
    assert found["Available"] == "False ManifestRefused"


def test_a_flip_that_was_refused_has_not_happened() -> None:
    seen = a_world(OLD, a_revision(NEW, 2), good="old", track="old")
    plan = hindered(decide(SPEC, seen), seen, {SERVICE: REFUSED}, SERVICE)
    assert (plan.traffic.track, plan.traffic.good) == ("old", "old")
    assert plan.unreachable is None


def test_a_wish_that_is_refused_changes_nothing_of_what_serves() -> None:
    was = {"type": "Available", "status": "True", "reason": "Serving", "message": "2 pods"}
    fault = Fault(reason="SpecInvalid", message="no")
    found = {c.type: f"{c.status} {c.reason}" for c in refused(a_world(conditions=(was,)), fault)}
    assert found["Available"] == "True Serving"
    assert found["Stalled"] == "True SpecInvalid"


@pytest.mark.parametrize("message", ["it is not there", "it is not there."])
def test_message_and_hint_are_two_sentences(message: str) -> None:
    fault = Fault(reason="R", message=message, hint="Put it there.", pod="p", container="c")
    (ready,) = (c for c in refused(a_world(), fault) if c.type == "Ready")
    assert ready.message == "p/c: it is not there. Put it there."
