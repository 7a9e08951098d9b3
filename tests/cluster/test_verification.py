"""Only what answers rightly takes traffic: looked at in each pod, and once over all rows."""

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.trained import digits, iris
from support import load
from support.pods import a_web_server
from support.verification import rows_of
from support.weights import turned
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def verified(key: str, version: int = 1) -> Object:
    demands = {"dataset": "golden", "output": "probabilities"}
    verification = {
        "datasets": [{"name": "golden", "configMap": {"name": "golden", "key": key}}],
        "checks": [{"name": "parity", "type": "Expected", "expected": demands}],
    }
    model = {"uri": f"configMap://models/iris-v{version}.onnx"}
    return a_model_deployment(model=model, verification=verification)


def stalled(workplace: Workplace, reason: str) -> Any:
    """Wait until somebody must act for a reason."""
    return workplace.until(
        f"it is stalled, {reason}",
        lambda: workplace.condition("iris", "Stalled").get("reason") == reason,
    )


def entry(workplace: Workplace, key: str) -> Object:
    """Get what status has of the stable or the latest revision."""
    status = workplace.get("mdeploy", "iris")["status"]
    found: Object = next(r for r in status["revisions"] if r["name"] == status[key])
    return found


def selected(workplace: Workplace) -> str:
    track: str = workplace.get("service", "iris")["spec"]["selector"]["slipway.dev/track"]
    return track


def test_a_model_gets_traffic_only_once_it_answers_rightly(
    workplace: Workplace, tmp_path: Path
) -> None:
    workplace.provide(iris(1), iris(2))
    right = rows_of(iris(1), tmp_path / "right.npz")
    late = rows_of(iris(1), tmp_path / "late.parquet", wrong_from=140)
    workplace.provide_files(right, late, name="golden")

    workplace.apply(verified("right.npz", version=2))
    stalled(workplace, "VerificationFailed")
    assert selected(workplace) == "none"
    assert workplace.condition("iris", "Available")["status"] == "False"
    assert "probabilities[" in entry(workplace, "latestRevision")["failure"]["message"]

    workplace.apply(verified("right.npz"))
    workplace.wait("iris")
    assert workplace.condition("iris", "Verified")["status"] == "True"
    found = entry(workplace, "stableRevision")["verification"]
    assert (found["outcome"], found["rows"], found["errorBound"]) == ("Passed", 150, "0.02")
    served = selected(workplace)
    assert iris(1).wrong(workplace.predict("iris", iris(1).ask(0, 50)), 0, 50) == []

    workplace.apply(verified("late.parquet"))
    stalled(workplace, "RolledBack")
    assert selected(workplace) == served
    assert workplace.condition("iris", "Available")["status"] == "True"
    assert workplace.condition("iris", "Verified")["reason"] == "VerificationFailed"
    refused = entry(workplace, "latestRevision")
    assert refused["verification"]["suite"] == "Full"
    assert "probabilities[14" in refused["failure"]["message"]
    [warning] = [e for e in workplace.find("event") if e["reason"] == "RolledBack"]
    assert "probabilities[14" in warning["message"]


def test_a_model_with_other_inputs_gets_no_traffic_and_a_lost_data_set_is_named(
    workplace: Workplace, tmp_path: Path
) -> None:
    workplace.provide(iris(1), digits())
    rows = {m.name: rows_of(m, tmp_path / f"{m.name}.npz") for m in (iris(1), digits())}
    workplace.provide_files(*rows.values(), name="golden")
    workplace.apply(verified("iris-v1.npz"))
    workplace.wait("iris")
    served = selected(workplace)

    other = verified("digits.npz")
    other["spec"]["model"]["uri"] = "configMap://models/digits.onnx"
    workplace.apply(other)
    stalled(workplace, "RolledBack")
    assert selected(workplace) == served
    failure = entry(workplace, "latestRevision")["failure"]
    assert failure["reason"] == "ContractBroken"
    assert "would break: " in failure["message"]

    workplace.apply(verified("lost.npz"))
    workplace.until(
        "the lost data set is named",
        lambda: (
            entry(workplace, "latestRevision").get("failure", {}).get("reason") == "DatasetMissing"
        ),
    )
    assert "lost.npz" in entry(workplace, "latestRevision")["failure"]["message"]
    assert selected(workplace) == served


def graded(key: str, most: str) -> Object:
    """Bound how much less accurate a model may be than the one that serves."""
    demands = {"dataset": "golden", "output": "label", "metric": "Accuracy", "label": "truth"}
    check = {
        "name": "accuracy",
        "type": "Metric",
        "metric": demands | {"min": "0.5", "maxDrop": most},
    }
    datasets = [{"name": "golden", "configMap": {"name": "golden", "key": "truth.npz"}}]
    verification = {"datasets": datasets, "checks": [check]}
    return a_model_deployment(
        model={"uri": f"configMap://models/{key}.onnx"}, verification=verification
    )


def test_a_model_that_is_worse_than_the_one_that_serves_gets_no_traffic(
    workplace: Workplace, tmp_path: Path
) -> None:
    better, worse = iris(1), iris(2)
    workplace.provide(better, worse)
    rows = better.ask(*range(better.rows))
    np.savez(
        tmp_path / "truth.npz", allow_pickle=False, **rows, truth=better.expected["label"].copy()
    )
    workplace.provide_files(tmp_path / "truth.npz", name="golden")

    workplace.apply(graded("iris-v1", "0.01"))
    workplace.wait("iris")
    assert "nothing to compare" not in workplace.condition("iris", "Verified")["message"]
    served = selected(workplace)

    workplace.apply(graded("iris-v2", "0.01"))
    stalled(workplace, "RolledBack")
    assert selected(workplace) == served
    assert workplace.condition("iris", "Verified")["reason"] == "VerificationFailed"
    assert (
        "of the revision that serves; maxDrop is 0.01"
        in (workplace.condition("iris", "Verified")["message"])
    )

    workplace.apply(graded("iris-v2", "0.5"))
    workplace.wait("iris")
    assert selected(workplace) != served


def test_rows_come_from_a_url_and_are_held_to_their_digest(
    workplace: Workplace, tmp_path: Path
) -> None:
    def promised(sha256: str) -> Object:
        found = verified("")
        rows = {"name": "golden", "uri": f"{url}/rows.parquet", "sha256": sha256}
        found["spec"]["verification"]["datasets"] = [rows]
        return found

    workplace.provide(iris(1))
    rows = rows_of(iris(1), tmp_path / "rows.parquet")
    url = a_web_server(workplace, rows)
    workplace.apply(promised("0" * 64))
    stalled(workplace, "DigestMismatch")
    assert entry(workplace, "latestRevision")["failure"]["container"] == "fetch"
    workplace.apply(promised(hashlib.sha256(rows.read_bytes()).hexdigest()))
    workplace.wait("iris")
    assert entry(workplace, "stableRevision")["verification"]["rows"] == 150


def serve(workplace: Workplace, wish: Object, rows: Path) -> None:
    """Serve a model that answers its golden rows rightly."""
    workplace.provide(iris(1))
    workplace.provide_files(rows_of(iris(1), rows), name="golden")
    workplace.apply(wish)
    workplace.wait("iris")


def test_a_pod_that_joins_and_answers_otherwise_than_it_must_gets_no_callers(
    workplace: Workplace, tmp_path: Path
) -> None:
    """What is expected changes, as where a node computes otherwise: to a pod it is the same."""
    rows = tmp_path / "rows.npz"
    serve(workplace, verified("rows.npz"), rows)
    serves = ready(workplace)
    client = load.start(workplace, "iris", {"1": iris(1)})
    workplace.provide_files(rows_of(iris(1), rows, wrong_from=0), name="golden")
    workplace.kubectl("scale", "mdeploy", "iris", "--replicas=2")
    workplace.until(
        "status says why it is not ready",
        lambda: workplace.condition("iris", "Ready")["reason"] == "VerificationFailed",
    )
    assert workplace.condition("iris", "Available")["status"] == "True"
    assert ready(workplace) == serves
    workplace.provide_files(rows_of(iris(1), rows), name="golden")
    (joined,) = {pod["metadata"]["name"] for pod in serving(workplace)} - serves.keys()
    workplace.kubectl("delete", "pod", joined)
    workplace.wait("iris")
    assert len(ready(workplace)) == 2
    report = client.report()
    assert (report.failed, report.failures) == (0, ())


def watched(version: str) -> Object:
    """Have two pods that look at themselves every 5 seconds; every version is another revision."""
    found = verified("rows.npz")
    found["spec"]["replicas"] = 2
    found["spec"]["model"]["version"] = version
    found["spec"]["verification"]["continuous"] = {"interval": "5s", "failureThreshold": 2}
    return found


def ready(workplace: Workplace) -> dict[str, str]:
    """Get the pods that are ready, and since when each is."""
    return {
        pod["metadata"]["name"]: condition["lastTransitionTime"]
        for pod in workplace.find("pod", "slipway.dev/model=iris")
        for condition in pod["status"].get("conditions", ())
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }


def serving(workplace: Workplace) -> list[Object]:
    track = selected(workplace)
    return workplace.find("pod", f"slipway.dev/model=iris,slipway.dev/track={track}")


def test_a_pod_that_turns_wrong_has_no_callers_until_it_is_right_again(
    workplace: Workplace, tmp_path: Path
) -> None:
    serve(workplace, watched("1"), tmp_path / "rows.npz")
    client = load.start(workplace, "iris", {"1": iris(1), "wrong": iris(2)})
    one, other = serving(workplace)
    with turned([one], iris(1), iris(2)):
        workplace.until(
            "it turns unready", lambda: set(ready(workplace)) == {other["metadata"]["name"]}
        )
        time.sleep(load.HEARSAY)
        later = load.start(workplace, "iris", {"1": iris(1)}).report()
        assert (later.failed, later.failures) == (0, ())
        assert workplace.condition("iris", "Verified")["reason"] == "AnswersWrong"
        assert workplace.condition("iris", "Available")["status"] == "True"
    workplace.until("it is ready again", lambda: len(ready(workplace)) == 2)
    workplace.until(
        "status says so", lambda: workplace.condition("iris", "Ready")["status"] == "True"
    )
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert report.answers["1"] > report.answers["wrong"] > 0


def test_pods_that_are_all_wrong_serve_on_until_an_earlier_revision_can(
    workplace: Workplace, tmp_path: Path
) -> None:
    serve(workplace, watched("1"), tmp_path / "rows.npz")
    first, before = selected(workplace), ready(workplace)
    client = load.start(workplace, "iris", {"1": iris(1), "wrong": iris(2)})
    with turned(serving(workplace), iris(1), iris(2)):
        workplace.until(
            "status names both",
            lambda: "Like it, 1 more" in workplace.condition("iris", "Ready")["message"],
        )
        assert workplace.condition("iris", "Ready")["reason"] == "AnswersWrong"
        assert workplace.condition("iris", "Available")["status"] == "True"
        assert "AnswersWrong" in [event["reason"] for event in workplace.find("event")]
    workplace.until(
        "both are right again", lambda: workplace.condition("iris", "Ready")["status"] == "True"
    )
    assert ready(workplace) == before

    workplace.apply(watched("2"))
    workplace.wait("iris")
    assert selected(workplace) != first
    with turned(serving(workplace), iris(1), iris(2)):
        stalled(workplace, "RolledBack")
        workplace.until("the first one serves", lambda: selected(workplace) == first)
        time.sleep(load.HEARSAY)
        later = load.start(workplace, "iris", {"1": iris(1)}).report()
        assert (later.failed, later.failures) == (0, ())
    assert entry(workplace, "latestRevision")["refusal"]["reason"] == "AnswersWrong"
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert min(report.answers["1"], report.answers["wrong"]) > 100
