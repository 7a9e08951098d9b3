"""Going back without a failed request, and one revision at a time where two do not fit."""

import shutil
import time
from pathlib import Path

import pytest

from fixtures.broken import truncated
from fixtures.trained import iris
from support import load
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def wish(name: str, **rollout: object) -> Object:
    model = {"uri": f"configMap://models/{name}.onnx"}
    return a_model_deployment(model=model, rollout=rollout)


def stable(workplace: Workplace) -> str:
    found: str = workplace.get("mdeploy", "iris")["status"]["stableRevision"]
    return found


def test_a_revision_that_is_aborted_within_the_window_gives_way_without_a_failed_request(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish("iris-v1", rollbackWindow="1h"))
    workplace.wait("iris")
    first = stable(workplace)
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.apply(wish("iris-v2", rollbackWindow="1h"))
    workplace.wait("iris")
    second = stable(workplace)
    assert workplace.get("deployment", first)["spec"]["replicas"] == 1
    time.sleep(5)  # callers come to the second one
    workplace.apply(wish("iris-v2", rollbackWindow="1h", abort=second))
    workplace.until("the one before serves", lambda: stable(workplace) == first, seconds=10)
    assert workplace.condition("iris", "Ready")["reason"] == "RolledBack"
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert min(report.answers["1"], report.answers["2"]) > 20


def test_a_revision_that_is_held_back_is_ready_and_serves_once_it_is_named(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish("iris-v1"))
    workplace.wait("iris")
    first = stable(workplace)
    workplace.apply(wish("iris-v2", paused=True))
    workplace.until(
        "it is held", lambda: workplace.condition("iris", "Ready")["reason"] == "Paused"
    )
    second = workplace.status("iris")["latestRevision"]
    assert workplace.get("deployment", second)["status"]["readyReplicas"] == 1
    assert stable(workplace) == first
    assert iris(1).wrong(workplace.predict("iris", iris(1).ask(0, 5)), 0, 5) == []
    workplace.apply(wish("iris-v2", paused=True, promote=second))
    workplace.wait("iris", seconds=30)
    assert stable(workplace) == second


def test_a_kept_revision_serves_again_for_as_long_as_it_is_named(workplace: Workplace) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish("iris-v1"))
    workplace.wait("iris")
    first = stable(workplace)
    workplace.apply(wish("iris-v2"))
    workplace.wait("iris")
    second = stable(workplace)
    workplace.apply(wish("iris-v2", rollbackTo=first))
    workplace.until("the first serves again", lambda: stable(workplace) == first, seconds=60)
    assert workplace.condition("iris", "Ready")["reason"] == "RolledBack"
    assert iris(1).wrong(workplace.predict("iris", iris(1).ask(0, 5)), 0, 5) == []
    named = next(r for r in workplace.status("iris")["revisions"] if r["name"] == second)
    assert named["failure"]["reason"] == "RollbackRequested"
    workplace.apply(wish("iris-v2", rollbackTo="iris-00000000"))
    workplace.until(
        "nothing else serves for a name that is unknown",
        lambda: "RevisionUnknown" in workplace.condition("iris", "Ready")["message"],
        seconds=60,
    )
    workplace.apply(wish("iris-v2"))
    workplace.wait("iris")
    assert stable(workplace) == second


def together(workplace: Workplace) -> frozenset[str]:
    """Name the revisions that have pods now."""
    pods = workplace.find("pod", "slipway.dev/model=iris")
    held = [pod for pod in pods if pod["status"]["phase"] not in {"Failed", "Succeeded"}]
    return frozenset(pod["metadata"]["labels"]["slipway.dev/revision"] for pod in held)


def test_with_recreate_nobody_is_served_until_the_new_revision_serves(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish("iris-v1", strategy="Recreate"))
    workplace.wait("iris")
    first = stable(workplace)
    workplace.apply(wish("iris-v2", strategy="Recreate"))
    seen, said = set[frozenset[str]](), set[str]()

    def through() -> bool:
        seen.add(together(workplace))
        said.add(workplace.condition("iris", "Available")["reason"])
        return stable(workplace) != first

    workplace.until("the new revision serves", through)
    assert max(map(len, seen)) == 1
    assert "Recreating" in said
    workplace.wait("iris")
    past = workplace.status("iris")["rollouts"][0]
    assert (past["strategy"], past["result"]) == ("Recreate", "Promoted")
    time.sleep(load.HEARSAY)
    report = load.start(workplace, "iris", {"2": iris(2)}).report()
    assert (report.failed, report.failures) == (0, ())


def test_with_recreate_a_broken_revision_gives_way_to_the_one_that_served(
    workplace: Workplace,
) -> None:
    workplace.provide_files(iris().path, truncated())
    workplace.apply(wish("iris-v1", strategy="Recreate"))
    workplace.wait("iris")
    first = stable(workplace)
    workplace.apply(wish("iris-truncated", strategy="Recreate"))
    seen: set[frozenset[str]] = set()

    def back() -> bool:
        seen.add(together(workplace))
        stalled = workplace.condition("iris", "Stalled").get("reason") == "RolledBack"
        return stalled and workplace.condition("iris", "Available")["status"] == "True"

    workplace.until("the old revision serves again", back, seconds=120)
    assert stable(workplace) == first
    assert len(set().union(*seen)) == 2
    assert max(len(together) for together in seen) == 1
    latest = workplace.get("mdeploy", "iris")["status"]["latestRevision"]
    entry = next(
        r for r in workplace.get("mdeploy", "iris")["status"]["revisions"] if r["name"] == latest
    )
    assert entry["refusal"]["reason"] == "ModelInvalid"


def updated(workplace: Workplace) -> int:
    """Count the pods that were replaced, and serve."""
    rollout = workplace.status("iris").get("rollout", {})
    return int(rollout.get("rollingUpdate", {}).get("updatedReplicas", 0))


def test_pods_are_replaced_bit_by_bit_there_and_back_without_a_failed_request(
    workplace: Workplace,
) -> None:
    def rolling(name: str, **more: object) -> Object:
        found = wish(name, strategy="RollingUpdate", rollingUpdate={"maxSurge": 1}, **more)
        found["spec"]["replicas"] = 3
        return found

    workplace.provide(iris(1), iris(2))
    workplace.apply(rolling("iris-v1"))
    workplace.wait("iris")
    first = stable(workplace)
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})

    def replaced() -> int:
        assert sum(d["spec"]["replicas"] for d in workplace.find("deployment")) <= 4
        return updated(workplace)

    workplace.apply(rolling("iris-v2"))
    workplace.until("some pods are replaced", lambda: replaced() >= 1)
    second = workplace.status("iris")["latestRevision"]
    assert workplace.condition("iris", "Available")["status"] == "True"
    workplace.apply(rolling("iris-v2", abort=second))
    workplace.until(
        "the first has all its pods again",
        lambda: (
            workplace.condition("iris", "Ready")["reason"] == "RolledBack"
            and workplace.status("iris")["rollout"]["phase"] == "RolledBack"
        ),
    )
    assert workplace.get("deployment", first)["spec"]["replicas"] == 3
    workplace.apply(rolling("iris-v2"))
    workplace.until(
        "all are replaced", lambda: replaced() == 0 and stable(workplace) == second, 120
    )
    workplace.wait("iris")
    assert workplace.get("deployment", second)["spec"]["replicas"] == 3
    assert workplace.get("deployment", first)["spec"]["replicas"] == 0
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert min(report.answers["1"], report.answers["2"]) > 100


def auto(name: str) -> Object:
    found = wish(name, strategy="Auto")
    found["spec"]["replicas"] = 3
    return found


def test_auto_replaces_pods_bit_by_bit_where_a_quota_has_no_room_for_both(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(auto("iris-v1"))
    workplace.wait("iris")
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.kubectl("create", "quota", "tight", "--hard=pods=5")  # with the client's
    workplace.apply(auto("iris-v2"))
    workplace.until(
        "status says why",
        lambda: "find room" in workplace.status("iris").get("rollout", {}).get("message", ""),
    )
    workplace.wait("iris")
    past = workplace.status("iris")["rollouts"][0]
    assert (past["strategy"], past["result"]) == ("RollingUpdate", "Promoted")
    assert [d["spec"]["replicas"] for d in workplace.find("deployment")].count(3) == 1
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert min(report.answers["1"], report.answers["2"]) > 50
    workplace.kubectl("delete", "quota", "tight")
    workplace.apply(auto("iris-v1"))
    workplace.wait("iris")
    assert workplace.status("iris")["rollouts"][0]["strategy"] == "BlueGreen"


def test_auto_gives_a_revision_up_that_breaks_while_a_quota_has_it_come_bit_by_bit(
    workplace: Workplace, tmp_path: Path
) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(auto("iris-v1"))
    workplace.wait("iris")
    first = stable(workplace)
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.kubectl("create", "quota", "tight", "--hard=pods=5")  # with the client's
    workplace.apply(auto("iris-v2"))
    workplace.until("its first pod has callers", lambda: updated(workplace) == 1)
    broken = tmp_path / iris(2).path.name
    shutil.copy(truncated(), broken)
    workplace.provide_files(iris(1).path, broken)
    workplace.until(
        "the first has all its pods again",
        lambda: (
            workplace.condition("iris", "Ready")["reason"] == "RolledBack"
            and workplace.status("iris")["rollout"]["phase"] == "RolledBack"
        ),
    )
    past = workplace.status("iris")["rollouts"][0]
    assert (past["strategy"], past["result"]) == ("RollingUpdate", "RolledBack")
    assert "DigestMismatch" in workplace.condition("iris", "Stalled")["message"]
    assert stable(workplace) == first
    assert workplace.get("deployment", first)["status"]["readyReplicas"] == 3
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert min(report.answers["1"], report.answers["2"]) > 20
