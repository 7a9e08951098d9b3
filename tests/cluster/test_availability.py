"""Two operators, one of which writes; and what they stand on goes away and comes back."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slipway_dev.bare.cluster import BareCluster
from slipway_dev.cluster import Cluster
from support.manifests import MANIFESTS
from support.operators import ACCOUNT, DEPLOYMENT, Operators, processes, until
from support.processes import kill, processes_of
from support.workplace import Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

TAKEOVER_SECONDS = 20
"""What is promised for an operator that dies without a word."""
HANDOVER_SECONDS = 2
"""What is promised for one that is told to stop."""
RECOVERY_SECONDS = 15


@pytest.fixture(scope="module")
def pair(slipway: Cluster) -> Iterator[Operators]:
    if not isinstance(slipway, BareCluster):
        pytest.skip("the faults are planted in processes of this machine")
    operators = Operators(slipway)
    patch = (MANIFESTS / "overlays" / "ha" / "two-operators.yaml").read_text()
    operators.kubectl("patch", DEPLOYMENT, f"--patch={patch}")
    operators.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
    yield operators
    operators.scale(1)


@pytest.fixture
def two(pair: Operators) -> Operators:
    """Both operators, one of which leads, on nodes that Kubernetes trusts.

    From one that was cut off a moment ago it may still be about to evict a pod.
    """
    until("no node is tainted", lambda: not tainted(pair), 60)
    pair.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
    until("one leads", lambda: pair.leader() in pair.restarts(), 30)
    return pair


def tainted(operators: Operators) -> list[str]:
    nodes = json.loads(operators.kubectl("get", "nodes", "--output=json"))["items"]
    return [node["metadata"]["name"] for node in nodes if node["spec"].get("taints")]


def other_than(operators: Operators, pod: str) -> bool:
    return operators.leader() not in {"", pod}


def looked_at(workplace: Workplace, name: str) -> bool:
    """Say whether an operator has seen the object as it is now."""
    model = workplace.get("mdeploy", name)
    return bool(model["status"]["observedGeneration"] == model["metadata"]["generation"])


def ask_and_wait(workplace: Workplace, name: str, seconds: float = RECOVERY_SECONDS) -> None:
    """Make a ModelDeployment and return when an operator has taken it up."""
    workplace.apply(a_model_deployment(name))
    until(f"{name} is looked at", lambda: looked_at(workplace, name), seconds)


def test_an_operator_that_dies_without_a_word_is_replaced(
    two: Operators, workplace: Workplace
) -> None:
    old = two.leader()
    two.signal(old, signal.SIGKILL)
    two.kubectl("delete", "pod", old, "--force", "--grace-period=0", "--wait=false")
    workplace.apply(a_model_deployment())
    until("the other one leads", lambda: other_than(two, old), TAKEOVER_SECONDS)
    until("it works", lambda: looked_at(workplace, "iris"), RECOVERY_SECONDS)


def test_an_operator_that_is_killed_and_started_anew_does_not_wait_for_itself(
    two: Operators, workplace: Workplace
) -> None:
    old = two.leader()
    two.signal(old, signal.SIGKILL)
    until("its container is started anew", lambda: two.restarts().get(old, 0) > 0, 15)
    ask_and_wait(workplace, "iris")
    assert two.leader() == old


def test_an_operator_that_is_told_to_stop_hands_over(two: Operators, workplace: Workplace) -> None:
    old = two.leader()
    two.signal(old, signal.SIGTERM)
    until("the other one leads", lambda: other_than(two, old), HANDOVER_SECONDS)
    two.kubectl("delete", "pod", old, "--wait=false")  # started anew ever later, it would be missed
    ask_and_wait(workplace, "iris")


def test_an_operator_that_was_frozen_writes_nothing_when_it_wakes(
    two: Operators, workplace: Workplace
) -> None:
    old = two.leader()
    ask_and_wait(workplace, "iris")
    frozen = two.signal(old, signal.SIGSTOP)
    written = len(two.writes(old))
    try:
        until("the other one leads", lambda: other_than(two, old), TAKEOVER_SECONDS)
        # What wakes has news of both, and would write.
        workplace.apply(a_model_deployment(replicas=2))
        until("the other one works", lambda: looked_at(workplace, "iris"), RECOVERY_SECONDS)
    finally:
        os.kill(frozen, signal.SIGCONT)
    until("it ended", lambda: not Path(f"/proc/{frozen}").exists(), 15)
    assert other_than(two, old)
    assert two.writes(old)[written:] == []


def test_an_operator_without_network_is_replaced_and_ends_when_it_is_back(
    two: Operators, workplace: Workplace
) -> None:
    old = two.leader()
    pod = two.pod(old)
    [process] = processes(pod["metadata"]["uid"])
    node = two.cluster.node(pod["spec"]["nodeName"])
    node.cut()
    try:
        until("the other one leads", lambda: other_than(two, old), TAKEOVER_SECONDS)
        ask_and_wait(workplace, "iris")
    finally:
        node.heal()
    until("the old one ended", lambda: not Path(f"/proc/{process}").exists(), 30)
    assert other_than(two, old)


def test_an_api_server_that_restarts_ends_no_operator(two: Operators, workplace: Workplace) -> None:
    before, leader = two.restarts(), two.leader()
    ask_and_wait(workplace, "before")
    kill(processes_of("slipway-host")["kube-apiserver"])
    two.cluster.up()
    workplace.kubectl("delete", "service", "before")
    ask_and_wait(workplace, "after")
    until("what was deleted is back", lambda: not workplace.gone("service", "before"), 15)
    assert (two.restarts(), two.leader()) == (before, leader)


def test_a_store_that_is_slow_ends_no_operator(two: Operators, workplace: Workplace) -> None:
    before = two.restarts()
    store = processes_of("slipway-host")["server"]
    os.kill(store, signal.SIGSTOP)
    try:
        time.sleep(9)  # longer than a leader writes without renewing its lease
    finally:
        os.kill(store, signal.SIGCONT)
    ask_and_wait(workplace, "iris")
    assert two.restarts() == before


@contextmanager
def throttled(cluster: Cluster) -> Iterator[None]:
    """Have the API server take one write of an operator at a time, and answer 429 to others.

    Those to its Lease are left out.
    """
    version, name = "flowcontrol.apiserver.k8s.io/v1", "slipway-test-throttle"
    rejects = {"limitResponse": {"type": "Reject"}, "borrowingLimitPercent": 0}
    limited = {"nominalConcurrencyShares": 0, **rejects}
    level = {
        "kind": "PriorityLevelConfiguration",
        "spec": {"type": "Limited", "limited": limited},
    }
    _, _, namespace, account = ACCOUNT.split(":")
    subject = {"namespace": namespace, "name": account}
    rule = {
        "subjects": [{"kind": "ServiceAccount", "serviceAccount": subject}],
        "resourceRules": [
            {
                "verbs": ["patch", "create", "delete"],
                "apiGroups": ["", "apps", "policy", "autoscaling", "slipway.dev"],
                "resources": ["*"],
                "namespaces": ["*"],
            }
        ],
    }
    schema = {
        "kind": "FlowSchema",
        "spec": {
            "matchingPrecedence": 2,
            "priorityLevelConfiguration": {"name": name},
            "rules": [rule],
        },
    }
    objects = [{"apiVersion": version, "metadata": {"name": name}, **o} for o in (level, schema)]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    try:
        cluster.run("apply", "--filename=-", stdin=content)
        yield
    finally:
        cluster.run("delete", "--ignore-not-found", "--filename=-", stdin=content)


def test_an_operator_that_is_throttled_waits_and_then_goes_on(
    two: Operators, workplace: Workplace
) -> None:
    before, leader = two.restarts(), two.leader()
    refused = 'rest_client_requests_total{code="429"'
    was = two.metric(leader, refused)
    nowhere = {"nodeSelector": {"example.org/nowhere": "here"}}
    names = [f"model-{number}" for number in range(12)]
    models = [a_model_deployment(name, template=nowhere) for name in names]
    with throttled(two.cluster):
        workplace.apply({"apiVersion": "v1", "kind": "List", "items": models})
        until("it is refused", lambda: two.metric(leader, refused) > was, 15)
        time.sleep(3)
        assert two.metric(leader, refused) - was < 200, "it asks without pause"
    until("all are made", lambda: len(workplace.find("service")) == len(names), RECOVERY_SECONDS)
    assert two.restarts() == before
