"""An operator that dies after each single write gets there all the same: to the same objects."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.trained import iris
from slipway_dev.cluster import Cluster
from support.operators import Operators
from support.workplace import Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

ROOT = Path(__file__).parents[2]
KINDS = "deployment,service,configmap,serviceaccount,pdb,controllerrevision"
MORTAL = ROOT / "tests" / "support" / "mortal_operator.py"


def life(workplace: Workplace, image: str) -> str:
    """Let an operator live until its first write; return that, or nothing if none was left."""
    folders = (str(ROOT / name) for name in ("operator", "tests"))
    done = subprocess.run(
        [sys.executable, str(MORTAL)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(folders),
            "KUBECONFIG": str(workplace.cluster.kubeconfig),
            "SLIPWAY_RUNTIME_IMAGE": image,
            "SLIPWAY_NAMESPACES": workplace.namespace,
            "SLIPWAY_PORT": "18099",
            "POD_NAMESPACE": workplace.namespace,
            "POD_NAME": "mortal",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, 9}, done.stderr
    return done.stdout.strip()


def lives(workplace: Workplace, image: str) -> list[str]:
    """Let one operator after the other live and die until all is done; return their writes."""
    found = []
    for _ in range(60):
        written = life(workplace, image)
        found += written.splitlines()
        assert_served(workplace)
        if not written and workplace.condition("iris", "Ready").get("status") == "True":
            return found
    raise AssertionError(f"it never comes to rest: {found}\n{workplace.evidence()}")


def assert_served(workplace: Workplace) -> None:
    """Whoever was once available stays so: the Service selects a revision with ready pods."""
    if workplace.condition("iris", "Available").get("status") != "True":
        return
    [service] = workplace.find("service", "slipway.dev/model=iris")
    track = service["spec"]["selector"]["slipway.dev/track"]
    deployment = workplace.get("deployment", f"iris-{track}")
    assert deployment["status"].get("readyReplicas", 0) > 0


def content(workplace: Workplace) -> dict[str, Any]:
    """All that an operator made, without what is different each time."""
    found: dict[str, Any] = {}
    for made in workplace.find(KINDS, "slipway.dev/model=iris"):
        metadata = made["metadata"]
        owners = [{k: v for k, v in o.items() if k != "uid"} for o in metadata["ownerReferences"]]
        kept = {k: made[k] for k in ("spec", "data", "revision") if k in made}
        for assigned in ("clusterIP", "clusterIPs"):
            kept.get("spec", {}).pop(assigned, None)
        who = made["kind"], metadata["name"]
        found["/".join(who)] = {**kept, "labels": metadata["labels"], "owners": owners}
    return found


def first() -> dict[str, Any]:
    return a_model_deployment(replicas=2)


def second() -> dict[str, Any]:
    """Another model, which has to be promoted, and one pod, which needs no disruption budget."""
    return a_model_deployment(model={"uri": "configMap://models/iris-v2.onnx"})


def test_an_operator_that_dies_after_every_write_makes_the_same_as_one_that_lives(
    slipway: Cluster,
) -> None:
    undisturbed, mortal = Workplace.open(slipway), Workplace.open(slipway)
    wishes = (first(), second())
    for workplace in (undisturbed, mortal):
        workplace.provide(iris(), iris(2))
    for wish in wishes:
        undisturbed.apply(wish)
        undisturbed.wait("iris")
    operator = Operators(slipway)
    image = operator.runtime_image()
    written: list[str] = []
    with operator.none():
        for wish in wishes:
            mortal.apply(wish)
            written += lives(mortal, image)
    assert content(mortal) == content(undisturbed)
    assert any(line.startswith("delete") and "poddisruptionbudgets" in line for line in written)
    assert len(written) > 15, "each write was a life"
    for workplace in (undisturbed, mortal):
        workplace.close()
