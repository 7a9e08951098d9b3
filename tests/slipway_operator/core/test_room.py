from decimal import Decimal
from typing import Any

import pytest

from slipway_operator.core.pods import Pod, requests
from slipway_operator.core.room import amount, room

GPU = "nvidia.com/gpu"


def a_node(name: str, taints: Any = (), labels: Any = None, **allocatable: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"taints": list(taints)},
        "status": {"allocatable": allocatable},
    }


def a_pod(node: str | None, phase: str = "Running", **wants: str) -> dict[str, Any]:
    container = {"name": "c", "resources": {"requests": wants}}
    bound = {"nodeName": node} if node else {}
    return {"spec": {**bound, "containers": [container]}, "status": {"phase": phase}}


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def test_room_is_what_the_pods_of_the_roomiest_node_have_left() -> None:
    nodes = [
        a_node("a", cpu="4", memory="8Gi"),
        a_node("b", cpu="2", memory="4Gi"),
        a_node("c", cpu="1", memory="1Gi"),
    ]
    pods = [a_pod("a", cpu="3500m"), a_pod("a", memory="7Gi"), a_pod("b", cpu="500m")]
    assert room({}, nodes, pods) == {"cpu": Decimal("1.5"), "memory": Decimal(4 * 2**30)}


@pytest.mark.parametrize(
    "pod", [a_pod("a", "Succeeded", cpu="4"), a_pod("a", "Failed", cpu="4"), a_pod(None, cpu="4")]
)
def test_pods_that_take_no_room_do_not_count(pod: dict[str, Any]) -> None:
    assert room({}, [a_node("a", cpu="4")], [pod]) == {"cpu": 4}


def test_a_node_can_be_full_of_pods() -> None:
    assert room({}, [a_node("a", pods="2")], [a_pod("a"), a_pod("a")]) == {"pods": 0}


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({}, False),
        ({"tolerations": [{"operator": "Exists"}]}, True),
        ({"tolerations": [{"key": "gpu", "operator": "Exists"}]}, True),
        ({"tolerations": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}, True),
        ({"tolerations": [{"key": "gpu", "value": "no"}]}, False),
        ({"tolerations": [{"key": "tpu", "operator": "Exists"}]}, False),
        ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}]}, False),
    ],
)
def test_a_tainted_node_counts_for_pods_that_tolerate_it(
    spec: dict[str, Any], counts: bool
) -> None:
    assert bool(room(spec, [a_node("a", [TAINT], cpu="4")], [])) == counts


def test_a_taint_that_only_prefers_repels_nobody() -> None:
    prefers = {**TAINT, "effect": "PreferNoSchedule"}
    assert room({}, [a_node("a", [prefers], cpu="4")], []) == {"cpu": 4}


@pytest.mark.parametrize(("labels", "counts"), [({"disk": "ssd"}, True), ({}, False)])
def test_a_node_counts_if_the_pod_selects_it(labels: dict[str, str], counts: bool) -> None:
    spec = {"nodeSelector": {"disk": "ssd"}}
    assert bool(room(spec, [a_node("a", labels=labels, cpu="4")], [])) == counts


def test_a_pod_asks_for_its_containers_together_or_for_its_largest_init_container() -> None:
    def with_requests(**wants: str) -> dict[str, Any]:
        return {"resources": {"requests": wants}}

    spec = {
        "initContainers": [with_requests(cpu="1", memory="3Gi"), with_requests(cpu="2")],
        "containers": [with_requests(cpu="1500m", memory="1Gi"), with_requests(cpu="1500m")],
    }
    assert requests(spec) == {"cpu": 3, "memory": 3 * 2**30}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("cpu", "0.250", "0.25"),
        ("cpu", "500", "500"),
        (GPU, "1", "1"),
        ("memory", "536870912", "512Mi"),
        ("ephemeral-storage", "1610612736", "1.5Gi"),
    ],
)
def test_amounts_are_written_for_people(name: str, value: str, text: str) -> None:
    assert amount(name, Decimal(value)) == text


READY = "2026-01-01T12:00:0{}Z"


@pytest.mark.parametrize(
    ("ready", "initialized", "lapsed"),
    [
        pytest.param(("False", 1), ("True", 5), False, id="never ready"),
        pytest.param(("False", 5), ("True", 5), False, id="never ready, and quick"),
        pytest.param(("False", 9), ("True", 5), True, id="ready once"),
        pytest.param(("True", 9), ("True", 5), False, id="ready now"),
        pytest.param(("False", 9), ("False", 5), False, id="begins anew"),
    ],
)
def test_a_pod_that_was_ready_before_is_told_from_one_that_never_was(
    ready: tuple[str, int], initialized: tuple[str, int], lapsed: bool
) -> None:
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": READY.format(second)}
        for kind, (status, second) in (("Ready", ready), ("Initialized", initialized))
    ]
    pod = {"metadata": {"name": "p", "labels": {}}, "status": {"conditions": conditions}}
    assert Pod.read(pod).lapsed == lapsed
