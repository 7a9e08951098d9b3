"""Devices are what nodes have few of: a revision that finds none is told so, and not for ever."""

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.trained import iris
from slipway_dev.cluster import Cluster
from support.faults import sized
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster

DEVICE = "slipway.example.org/accelerator"
DEADLINE = 30


@pytest.fixture
def device(slipway: Cluster) -> Iterator[None]:
    """Have one node offer one device, as a device plugin would."""
    node = slipway.run("get", "nodes", "--output=name").split()[-1]
    where = f'"path": "/status/capacity/{DEVICE.replace("/", "~1")}"'

    def patch(change: str) -> None:
        slipway.run("patch", node, "--subresource=status", "--type=json", f"--patch=[{change}]")

    patch(f'{{"op": "add", {where}, "value": "1"}}')
    yield
    patch(f'{{"op": "remove", {where}}}')


def wish(version: int, **rollout: Any) -> Object:
    return a_model_deployment(
        model={"uri": f"configMap://models/iris-v{version}.onnx"},
        resources=sized(**{DEVICE: "1"}),
        rollout={"progressDeadlineSeconds": DEADLINE, **rollout},
    )


@pytest.mark.usefixtures("device")
def test_a_revision_that_finds_no_device_is_given_up_and_another_strategy_needs_none(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(), iris(2))
    workplace.apply(wish(1))
    workplace.wait("iris")
    first = workplace.status("iris")["stableRevision"]
    workplace.apply(wish(2))
    missing = f"asks for {DEVICE} 1, the roomiest node has 0 free: 1 missing"
    workplace.until(
        "status says what is missing",
        lambda: missing in workplace.condition("iris", "Ready")["message"],
    )
    workplace.until(
        "it is given up",
        lambda: workplace.condition("iris", "Ready")["reason"] == "RolledBack",
        DEADLINE + 30,
    )
    workplace.until(
        "its pods are gone", lambda: len(workplace.find("pod", "slipway.dev/model")) == 1
    )
    assert workplace.status("iris")["stableRevision"] == first
    assert missing in workplace.condition("iris", "Ready")["message"]
    workplace.apply(wish(2, strategy="Recreate", retry="with Recreate"))
    workplace.wait("iris")
    assert workplace.status("iris")["stableRevision"] != first
