"""Users notice nothing: a new model, a broken one, a drained pod."""

import pytest

from fixtures.broken import truncated
from fixtures.trained import iris
from support import load
from support.workplace import Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def serve_first(workplace: Workplace) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(a_model_deployment(replicas=2))
    workplace.wait("iris")


def second() -> dict[str, object]:
    return a_model_deployment(model={"uri": "configMap://models/iris-v2.onnx"}, replicas=2)


def test_a_new_model_takes_over_under_load_without_a_failed_or_wrong_answer(
    workplace: Workplace,
) -> None:
    serve_first(workplace)
    old = workplace.get("mdeploy", "iris")["status"]["stableRevision"]
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.apply(second())
    workplace.wait("iris")
    workplace.until(
        "the old revision has drained",
        lambda: not workplace.find("pod", f"slipway.dev/revision={old.rpartition('-')[2]}"),
    )
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert report.answers["1"] > 100
    assert report.answers["2"] > 100
    assert workplace.get("deployment", old)["spec"]["replicas"] == 0


def test_a_broken_revision_leaves_the_old_one_serving_and_status_says_why(
    workplace: Workplace,
) -> None:
    serve_first(workplace)
    old = workplace.get("mdeploy", "iris")["status"]["stableRevision"]
    workplace.provide_files(iris().path, truncated())
    client = load.start(workplace, "iris", {"1": iris(1)})
    broken = {"uri": "configMap://models/iris-truncated.onnx"}
    workplace.apply(a_model_deployment(model=broken, replicas=2))
    workplace.until(
        "status says that it is stuck",
        lambda: workplace.condition("iris", "Stalled").get("status") == "True",
    )
    assert workplace.condition("iris", "Stalled")["reason"] == "ModelInvalid"
    assert workplace.condition("iris", "Available")["status"] == "True"
    assert workplace.condition("iris", "Ready")["status"] == "False"
    status = workplace.get("mdeploy", "iris")["status"]
    assert status["stableRevision"] == old
    failure = next(r["failure"] for r in status["revisions"] if r["name"] != old)
    assert failure["container"] == "serve"
    assert failure["hint"]
    report = client.report()
    assert (report.failed, set(report.answers)) == (0, {"1"})
    workplace.apply(a_model_deployment(replicas=2))
    workplace.wait("iris")
    assert workplace.get("mdeploy", "iris")["status"]["stableRevision"] == old


@pytest.mark.alone
def test_draining_a_pods_node_under_load_fails_no_request(workplace: Workplace) -> None:
    serve_first(workplace)
    client = load.start(workplace, "iris", {"1": iris(1)})
    on_client = workplace.get("pod", client.pod)["spec"]["nodeName"]
    pods = workplace.find("pod", "slipway.dev/model=iris")
    node = next(n for pod in pods if (n := pod["spec"]["nodeName"]) != on_client)
    try:
        drain = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        workplace.kubectl("drain", node, "--pod-selector=slipway.dev/model=iris", *drain)
    finally:
        workplace.kubectl("uncordon", node)
    workplace.wait("iris")
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert report.answers["1"] > 100


def test_deleting_a_pod_under_load_fails_no_request(workplace: Workplace) -> None:
    serve_first(workplace)
    client = load.start(workplace, "iris", {"1": iris(1)})
    victim = workplace.find("pod", "slipway.dev/model=iris")[0]["metadata"]["name"]
    workplace.kubectl("delete", "pod", victim)
    workplace.wait("iris")
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
