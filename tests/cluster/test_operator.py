"""The operator may be dead, restarted, or worked against; users and the garbage collector agree."""

import time
from functools import partial

import pytest

from fixtures.trained import iris
from slipway_dev.cluster import Cluster
from support.operators import Operators
from support.workplace import Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


CHILDREN = {
    "Deployment",
    "Service",
    "ServiceAccount",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "ControllerRevision",
    "ConfigMap",
}


def serve(workplace: Workplace) -> str:
    """Serve iris and return its revision, once its status has come to rest."""
    workplace.provide(iris())
    workplace.apply(a_model_deployment(autoscaling={"minReplicas": 2, "maxReplicas": 3}))
    workplace.wait("iris")
    workplace.until(
        "status is complete",
        lambda: workplace.condition("iris", "ModelFetched")["status"] == "True",
    )
    revision: str = workplace.get("mdeploy", "iris")["status"]["stableRevision"]
    return revision


@pytest.mark.alone
def test_what_is_deleted_while_the_operator_is_down_is_gone_with_all_its_children(
    workplace: Workplace, slipway: Cluster
) -> None:
    serve(workplace)
    with Operators(slipway).none():
        ours = "app.kubernetes.io/managed-by=slipway"
        kinds = ",".join([*CHILDREN, "Pod"])
        assert {found["kind"] for found in workplace.find(kinds, ours)} == {*CHILDREN, "Pod"}
        workplace.kubectl("delete", "mdeploy", "iris", "--timeout=60s")
        workplace.until("everything is gone", lambda: not workplace.find(kinds, ours), 90)


@pytest.mark.alone
def test_serving_goes_on_while_the_operator_is_down(workplace: Workplace, slipway: Cluster) -> None:
    serve(workplace)
    model = iris()
    with Operators(slipway).none():
        victim = workplace.find("pod", "slipway.dev/model=iris")[0]["metadata"]["name"]
        workplace.kubectl("delete", "pod", victim)
        assert model.wrong(workplace.predict("iris", model.ask(1)), 1) == []


@pytest.mark.alone
def test_an_operator_that_restarts_writes_nothing(workplace: Workplace, slipway: Cluster) -> None:
    serve(workplace)
    workplace.apply(a_model_deployment("second", autoscaling={"minReplicas": 1, "maxReplicas": 2}))
    workplace.wait("second")
    workplace.until(
        "the HPA has its first reading",
        lambda: workplace.condition("second", "ScalingActive")["status"] == "True",
        120,
    )
    operators = Operators(slipway)
    with operators.none():
        before = operators.writes() if slipway.audit_log else []
        assert before or slipway.audit_log is None
    time.sleep(10)
    if slipway.audit_log is None:  # all that kind has is the operator's own word
        written = "slipway_operator_writes_total{"
        assert operators.metric(operators.leader(), written, 'result="ok"') == 0
        return
    found = operators.writes()
    assert found[: len(before)] == before, "the log was rotated meanwhile"
    mine = [w for w in found[len(before) :] if w["objectRef"]["namespace"] == workplace.namespace]
    assert [(w["verb"], w["objectRef"]["resource"]) for w in mine] == []


def test_a_deleted_child_comes_back(workplace: Workplace) -> None:
    revision = serve(workplace)
    per_revision = {"Deployment", "ConfigMap", "ControllerRevision"}
    for kind in sorted(CHILDREN):
        name = revision if kind in per_revision else "iris"
        was = workplace.get(kind, name)["metadata"]["uid"]
        workplace.kubectl("delete", kind, name, "--wait=false")
        workplace.until(f"the {kind} is back", partial(is_another, workplace, kind, name, was))
        workplace.wait("iris")


def is_another(workplace: Workplace, kind: str, name: str, was: str) -> bool:
    return not workplace.gone(kind, name) and workplace.get(kind, name)["metadata"]["uid"] != was


def test_an_edited_child_is_put_back_and_an_event_says_so(workplace: Workplace) -> None:
    revision = serve(workplace)
    workplace.kubectl("set", "image", f"deployment/{revision}", "serve=x.example/elses:image")
    port = '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]'
    workplace.kubectl("patch", "service", "iris", "--type=json", f"--patch={port}")

    def healed() -> bool:
        template = workplace.get("deployment", revision)["spec"]["template"]["spec"]
        return "elses" not in template["containers"][0]["image"]

    workplace.until("the image is ours again", healed)
    ours = [("http", 80), ("grpc", 9000)]
    workplace.until(
        "the port is ours again, and no other is left",
        lambda: (
            ours
            == [(p["name"], p["port"]) for p in workplace.get("service", "iris")["spec"]["ports"]]
        ),
    )
    workplace.wait("iris")
    reasons = {event["reason"] for event in workplace.find("event")}
    assert "Repaired" in reasons


def test_somebody_elses_service_is_not_taken_over(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.kubectl("create", "service", "clusterip", "iris", "--tcp=80:80")
    theirs = workplace.get("service", "iris")["spec"]
    workplace.apply(a_model_deployment())
    workplace.until(
        "status names the collision",
        lambda: workplace.condition("iris", "Stalled").get("reason") == "NameCollision",
    )
    assert workplace.get("service", "iris")["spec"] == theirs
    workplace.kubectl("delete", "service", "iris")
    workplace.wait("iris")


def test_events_tell_the_story_once(workplace: Workplace) -> None:
    serve(workplace)
    told = [e for e in workplace.find("event") if e["involvedObject"]["kind"] == "ModelDeployment"]
    assert sorted(e["reason"] for e in told) == ["Available", "Promoted", "RevisionCreated"]
