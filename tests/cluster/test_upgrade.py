"""An operator of another release: who follows its runtime does, one by one; nobody else notices."""

import time
from collections import Counter

import pytest

from fixtures.trained import iris
from slipway_dev.bare.cluster import BareCluster
from slipway_dev.cluster import Cluster
from support.operators import Operators
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

AUTOMATIC = {"runtime": {"upgradePolicy": "Automatic"}}
FOLLOWERS = ("first", "second", "broken")


def the_same_by_digest(workplace: Workplace, model: str) -> str:
    """Name the runtime image that a model's pod has in another way."""
    (pod,) = workplace.find("pod", f"slipway.dev/model={model}")
    name: str = pod["status"]["containerStatuses"][0]["imageID"]
    assert "@sha256:" in name
    return name


def serve_all(workplace: Workplace) -> None:
    """Serve one model that stays, and followers, one of which can't start anew."""
    workplace.provide(iris())
    workplace.provide(iris(), name="passing")
    lost = {
        "model": {"uri": "configMap://passing/iris-v1.onnx"},
        "rollout": {"progressDeadlineSeconds": 10},
    }
    workplace.apply_all(
        [
            a_model_deployment("kept"),
            *(a_model_deployment(name, **AUTOMATIC) for name in FOLLOWERS[:2]),
            a_model_deployment("broken", **AUTOMATIC, **lost),
        ]
    )
    for name in ("kept", *FOLLOWERS):
        workplace.wait(name)
    workplace.kubectl("delete", "configmap", "passing")


def moving(model: Object) -> bool:
    """Say whether a model's latest revision is on its way."""
    status = model["status"]
    stalled = any(c["type"] == "Stalled" and c["status"] == "True" for c in status["conditions"])
    return bool(status["latestRevision"] != status["stableRevision"] and not stalled)


def runtime(model: Object) -> Object:
    found: Object = next(c for c in model["status"]["conditions"] if c["type"] == "RuntimeCurrent")
    return found


def seen_through(workplace: Workplace) -> Counter[int]:
    """Watch the upgrades to their end; count how many models were on their way at a time."""
    seen: Counter[int] = Counter()
    end = time.monotonic() + 120
    while time.monotonic() < end:
        models = {m["metadata"]["name"]: m for m in workplace.find("mdeploy")}
        seen[sum(map(moving, models.values()))] += 1
        waits = {runtime(models[name])["reason"] for name in FOLLOWERS}
        if not waits & {"Waiting", "RollingOut"} and len(seen) > 1:
            return seen
        time.sleep(0.2)
    raise AssertionError(f"it comes to no end\n{workplace.evidence()}")


def pods(workplace: Workplace, model: str) -> list[tuple[str, int]]:
    return sorted(
        (p["metadata"]["uid"], p["status"]["containerStatuses"][0]["restartCount"])
        for p in workplace.find("pod", f"slipway.dev/model={model}")
    )


def test_followers_are_upgraded_one_by_one_and_nobody_else_notices(
    workplace: Workplace, slipway: Cluster
) -> None:
    if not isinstance(slipway, BareCluster):
        pytest.skip("another name for the same image is known on the bare cluster only")
    serve_all(workplace)
    image, before = the_same_by_digest(workplace, "kept"), pods(workplace, "kept")
    with Operators(slipway).release(image):
        seen = seen_through(workplace)
        assert max(seen) == 1, seen
        assert pods(workplace, "kept") == before
        for name in FOLLOWERS[:2]:
            assert runtime(workplace.get("mdeploy", name))["reason"] == "UpToDate"
            (pod,) = workplace.find(
                "pod", f"slipway.dev/model={name},slipway.dev/track={track(workplace, name)}"
            )
            assert pod["spec"]["containers"][0]["image"] == image
        broken = workplace.get("mdeploy", "broken")
        assert runtime(broken)["reason"] == "ConfigMapMissing"
        assert workplace.condition("broken", "Available")["status"] == "True"
        served = next(r for r in broken["status"]["revisions"] if r["role"] == "Stable")
        assert served["image"] != image


def track(workplace: Workplace, name: str) -> str:
    selector = workplace.get("service", name)["spec"]["selector"]
    return str(selector["slipway.dev/track"])
