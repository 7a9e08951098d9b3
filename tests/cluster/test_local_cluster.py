"""The local cluster is a real one: names, metrics, networks, images and nodes that fail."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from slipway_dev.bare import cgroups, host
from slipway_dev.bare.addons import image
from slipway_dev.bare.binaries import PROBE
from slipway_dev.bare.cluster import BareCluster
from slipway_dev.bare.folders import Folders
from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure
from slipway_dev.state import state_folder
from slipway_dev.steps import run
from support.processes import kill, processes_of

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

SCOPES = ("slipway-host", "slipway-n1", "slipway-n2")


@pytest.fixture(scope="module")
def bare(cluster: Cluster) -> Cluster:
    if not isinstance(cluster, BareCluster):
        pytest.skip("the probe's image is in the bare cluster's registry only")
    return cluster


@pytest.fixture(scope="module")
def probes(bare: Cluster) -> Iterator[list[dict[str, str]]]:
    """A probe on each of two nodes, as name, node and ip."""
    namespace = f"probe-{uuid4().hex[:6]}"
    bare.run("create", "namespace", namespace)
    bare.run("apply", "-n", namespace, "-f", "-", stdin=probe_manifest())
    bare.run("-n", namespace, "rollout", "status", "deployment/probe", "--timeout=60s")
    found = json.loads(bare.run("-n", namespace, "get", "pods", "-o", "json"))["items"]
    yield [
        {
            "namespace": namespace,
            "name": pod["metadata"]["name"],
            "node": pod["spec"]["nodeName"],
            "ip": pod["status"]["podIP"],
        }
        for pod in found
    ]
    bare.run("delete", "namespace", namespace, "--wait=false")


def probe_manifest() -> str:
    labels = {"app": "probe"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    container = {"name": "probe", "image": image(PROBE), "args": ["serve"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "topologySpreadConstraints": [spread]},
            },
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "probe"},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return yaml.safe_dump_all([deployment, service])


def inside(cluster: Cluster, pod: dict[str, str], *command: str) -> str:
    """What a probe says when it is run in a pod."""
    return cluster.run("-n", pod["namespace"], "exec", pod["name"], "--", "/probe", *command)


def ready(cluster: Cluster, node: str) -> str:
    """The status of a node's Ready condition: True, False or Unknown."""
    path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    return cluster.run("get", "node", node, path)


def eventually(check: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (passed := check()) and time.monotonic() < end:
        time.sleep(0.2)
    return passed


def test_every_node_is_ready(cluster: Cluster) -> None:
    nodes = cluster.run("get", "nodes", "-o", "name").split()
    assert len(nodes) >= 2
    assert {ready(cluster, node.removeprefix("node/")) for node in nodes} == {"True"}


def test_kubectl_top_answers_for_nodes_and_pods(cluster: Cluster) -> None:
    cluster.run("top", "nodes", "--no-headers")
    cluster.run("-n", "kube-system", "top", "pods", "--no-headers")


def test_a_pod_finds_services_by_name(bare: Cluster, probes: list[dict[str, str]]) -> None:
    service = f"probe.{probes[0]['namespace']}.svc.cluster.local"
    address = bare.run(
        "-n", probes[0]["namespace"], "get", "service", "probe", "-o=jsonpath={.spec.clusterIP}"
    )
    assert inside(bare, probes[0], "lookup", service).split() == [address]
    assert inside(bare, probes[0], "lookup", "kubernetes.default").split() == ["198.19.0.1"]


def test_a_name_that_is_not_there_is_not_found(bare: Cluster, probes: list[dict[str, str]]) -> None:
    with pytest.raises(Failure, match="no such host"):
        inside(bare, probes[0], "lookup", "no-such-service")


def test_pods_reach_each_other_across_nodes_and_keep_their_address(
    bare: Cluster, probes: list[dict[str, str]]
) -> None:
    assert probes[0]["node"] != probes[1]["node"]
    for here, there in (probes, probes[::-1]):
        said = inside(bare, here, "get", f"http://{there['ip']}:8080")
        assert said == f"{there['name']} saw {here['ip']}\n"


def test_a_service_balances_over_the_nodes(bare: Cluster, probes: list[dict[str, str]]) -> None:
    said = {inside(bare, probes[0], "get", "http://probe").split()[0] for _ in range(20)}
    assert said == {probe["name"] for probe in probes}


def test_nothing_in_a_pod_gets_out_of_the_machine(
    bare: Cluster, probes: list[dict[str, str]]
) -> None:
    begun = time.monotonic()
    with pytest.raises(Failure, match="unreachable"):
        inside(bare, probes[0], "get", "http://192.0.2.200")
    assert time.monotonic() - begun < 3


def test_an_unknown_image_is_refused_at_once(bare: Cluster, probes: list[dict[str, str]]) -> None:
    namespace = probes[0]["namespace"]
    bare.run("-n", namespace, "run", "lost", "--image=example.org/no/such:1")
    reason = "-o=jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    assert eventually(
        lambda: "Pull" in bare.run("-n", namespace, "get", "pod", "lost", reason), seconds=15
    )
    bare.run("-n", namespace, "delete", "pod", "lost", "--wait=false")


def test_writes_by_people_are_in_the_audit_log_and_reads_are_not(bare: Cluster) -> None:
    log, name = bare.audit_log, f"seen-{uuid4().hex[:6]}"
    assert log
    bare.run("create", "configmap", name)
    bare.run("get", "configmap", name)
    bare.run("delete", "configmap", name)
    events = [json.loads(line) for line in log.read_text().splitlines() if name in line]
    assert [event["verb"] for event in events] == ["create", "delete"]


def test_up_again_restarts_nothing(bare: Cluster) -> None:
    before = [processes_of(scope) for scope in SCOPES]
    bare.up()
    assert [processes_of(scope) for scope in SCOPES] == before


def test_up_brings_back_what_died(bare: Cluster) -> None:
    before = processes_of("slipway-host")["kube-scheduler"]
    kill(before)
    bare.up()
    assert processes_of("slipway-host")["kube-scheduler"] != before


def test_a_killed_kubelet_comes_back_by_itself(bare: Cluster) -> None:
    before = processes_of("slipway-n1")["kubelet"]
    os.kill(before, signal.SIGKILL)
    assert eventually(
        lambda: processes_of("slipway-n1").get("kubelet", before) != before, seconds=10
    )


def test_a_node_without_power_is_not_ready_until_it_is_on_again(bare: Cluster) -> None:
    node = bare.node("n2")
    node.off()
    try:
        assert processes_of("slipway-n2") == {}
        assert eventually(lambda: ready(bare, "n2") == "Unknown", seconds=30)
    finally:
        node.on()
    assert ready(bare, "n2") == "True"


def test_a_node_without_network_is_not_ready_until_it_is_plugged_in_again(bare: Cluster) -> None:
    node = bare.node("n2")
    node.cut()
    try:
        assert eventually(lambda: ready(bare, "n2") == "Unknown", seconds=30)
        assert "kubelet" in processes_of("slipway-n2")
    finally:
        node.heal()
    assert eventually(lambda: ready(bare, "n2") == "True", seconds=60)


def commands() -> Iterator[str]:
    """List what runs on this machine, wherever it was started."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield process.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def traces() -> str:
    """All that the cluster has put on this machine, in words."""
    looks = (
        ("ip", "-brief", "link"),
        ("ip", "netns"),
        ("ip", "route"),
        ("iptables-save",),
        ("ip6tables-save",),
        ("nft", "list", "ruleset"),
        ("mount",),
    )
    seen = "".join(run(look) for look in looks)
    marks = ("slip", "198.18.", "198.19.", "KUBE", "CNI")
    ours = [line for line in seen.splitlines() if any(mark in line for mark in marks)]
    ours += [command for command in commands() if str(state_folder()) in command]
    ours += [str(path) for part in ("", "*/") for path in cgroups.ROOT.glob(f"{part}slipway-*")]
    return "\n".join(ours)


def kernel_settings(names: Iterable[str]) -> dict[str, str]:
    return {name: (host.SYSCTLS / name).read_text() for name in names}


def test_down_leaves_nothing_and_up_finds_all_that_was_kept(bare: Cluster) -> None:
    name = f"kept-{uuid4().hex[:6]}"
    bare.run("create", "configmap", name)
    assert "slip0" in traces()
    memory = Folders(state_folder()).host_memory
    before = json.loads(memory.read_text())["sysctls"]
    bare.down()
    left, settings = traces(), kernel_settings(before)
    bare.down()
    bare.up()
    assert left == ""
    assert settings == before
    bare.run("delete", "configmap", name)
