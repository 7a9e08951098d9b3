"""What is wrong is said in status: which pod and container, why, the last lines, what to do.

Every fault is made for real, all at once to save time; then each is mended, and goes by itself.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from fixtures.trained import iris
from slipway_dev.bare.cluster import BareCluster
from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure
from support.faults import (
    AUTOSCALED,
    FAULTS,
    FILES,
    GOOD,
    REGISTRY,
    STRICT,
    Fault,
    create_claim,
    create_volume,
    memory_target,
    no_storage,
    sized,
    volume,
)
from support.operators import Operators
from support.pods import a_pod
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def each(faults: list[Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", faults, ids=[fault.name for fault in faults])


@pytest.fixture(scope="module")
def sick(slipway: Cluster, registry: str) -> Iterator[Workplace]:
    """A namespace in which everything is wrong that can be, and a registry at hand."""
    del registry  # one fault is an image that it lacks
    opened = Workplace.open(slipway)
    opened.provide_files(iris().path, *(make() for make in FILES))
    serve_files(opened)
    apply_all(opened, FAULTS)
    yield opened
    opened.close()
    slipway.run("delete", "pv", volume(opened), "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module")
def strict(sick: Workplace, slipway: Cluster) -> Iterator[Workplace]:
    """A namespace that lets no pod in."""
    opened = Workplace.open(slipway)
    opened.provide(iris())
    opened.kubectl("create", "quota", "none", "--hard=pods=0")
    bound = {"type": "Container", "max": {"cpu": "1"}}
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}}
    opened.apply(limits | {"spec": {"limits": [bound]}})
    apply_all(opened, STRICT)
    yield opened
    opened.close()


def apply_all(workplace: Workplace, faults: list[Fault]) -> None:
    for fault in faults:
        fault.cause(workplace)
    workplace.apply_all(fault.manifest() for fault in faults)


SERVER = """
import http.server, itertools, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        place, _, name = self.path.strip("/").rpartition("/")
        if name == "endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(300):
                self.wfile.write(bytes(1 << 20))
                time.sleep(1)
        elif place == "private" and not os.path.exists("/tmp/open"):
            self.send_error(403)
        elif not os.path.exists("/tmp/" + name):
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(open("/tmp/" + name, "rb").read())
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


def serve_files(workplace: Workplace) -> None:
    """Put a web server at http://files that has no file yet, and keeps some to itself."""
    workplace.apply(a_pod(workplace, "files", ["python3", "-c", SERVER]))
    workplace.kubectl("expose", "pod", "files", "--port=80", "--target-port=8000")
    workplace.kubectl("wait", "--for=condition=Ready", "pod/files", "--timeout=60s")


def failures(workplace: Workplace, name: str) -> list[Object]:
    """List what ails the latest revision, the winner first; nothing while there is none."""
    status = workplace.get("mdeploy", name).get("status", {})
    for revision in status.get("revisions", ()):
        if revision["name"] == status["latestRevision"] and "failure" in revision:
            return [revision["failure"], *revision.get("otherFailures", ())]
    return []


def wait_for(workplace: Workplace, name: str, reason: str, seconds: float = 150) -> Object:
    """Wait until a fault is the one that wins, and return it."""

    def found() -> Object:
        first = failures(workplace, name)[:1]
        return first[0] if first and first[0]["reason"] == reason else {}

    answer: Object = workplace.until(f"{name} says {reason}", found, seconds)
    workplace.until(f"an Event says {reason}", lambda: warnings(workplace, name, reason))
    return answer


def warnings(workplace: Workplace, name: str, reason: str) -> list[Object]:
    found = workplace.find("event")
    return [
        e
        for e in found
        if (e["involvedObject"]["kind"], e["involvedObject"]["name"]) == ("ModelDeployment", name)
        and e["reason"] == reason
    ]


def check(workplace: Workplace, fault: Fault) -> None:
    said = wait_for(workplace, fault.name, fault.reason)
    assert fault.words in said["message"]
    assert fault.hint in said["hint"]
    assert said.get("container") == fault.container
    assert said.get("exitCode") in fault.exit_codes
    assert fault.log in said.get("logTail", "")
    if fault.container:
        assert said["pod"].startswith(f"{fault.name}-")
    ready, stalled = (workplace.condition(fault.name, kind) for kind in ("Ready", "Stalled"))
    assert (ready["status"], ready["reason"]) == ("False", fault.reason)
    assert fault.hint in ready["message"]
    assert stalled["status"] == str(fault.final)
    (event,) = warnings(workplace, fault.name, fault.reason)
    assert event["type"] == "Warning"
    assert fault.words in event["message"]
    assert fault.hint in event["message"]
    if fault.cure:
        fault.cure(workplace)


@each(FAULTS)
def test_a_fault_is_told(sick: Workplace, fault: Fault) -> None:
    check(sick, fault)


@each(STRICT)
def test_pods_that_may_not_be_are_told(strict: Workplace, fault: Fault) -> None:
    check(strict, fault)


def test_a_claim_that_is_missing_then_unbound_then_not_mountable(sick: Workplace) -> None:
    create_claim(sick, "absent", storageClassName="", volumeName=volume(sick))
    assert "kubectl describe pvc absent" in wait_for(sick, "no-claim", "VolumeClaimUnbound")["hint"]
    create_volume(sick)
    said = wait_for(sick, "no-claim", "VolumeMountFailed")
    assert "hostPath type check failed" in said["message"]


def test_a_claim_that_waits_for_a_pod_and_finds_no_volume(sick: Workplace) -> None:
    with no_storage(sick) as name:
        create_claim(sick, "late", storageClassName=name)
        sick.apply(a_model_deployment("late", **{**GOOD, "model": {"uri": "pvc://late/m.onnx"}}))
        said = wait_for(sick, "late", "VolumeClaimUnbound")
    assert "kubectl describe pvc late" in said["hint"]


def test_what_does_not_win_stays_listed(sick: Workplace, registry: str) -> None:
    """A registry that wants a password, and a Secret with it that is not there."""
    template = {"imagePullSecrets": [{"name": "absent"}]}
    where = {"runtime": {"image": f"{registry}/private:1"}, "template": template}
    sick.apply(a_model_deployment("private", **GOOD, **where))
    assert "Secret absent" in wait_for(sick, "private", "SecretMissing")["message"]
    assert [f["reason"] for f in failures(sick, "private")] == [
        "SecretMissing",
        "ImageAccessDenied",
    ]
    login = ("--docker-server=x", "--docker-username=x", "--docker-password=x")
    sick.kubectl("create", "secret", "docker-registry", "absent", *login)
    said = wait_for(sick, "private", "ImageAccessDenied")
    assert "401" in said["message"]
    assert "spec.template.imagePullSecrets" in said["hint"]


def test_a_registry_that_is_in_trouble_itself(sick: Workplace, registry: str) -> None:
    sick.apply(a_model_deployment("registry", **GOOD, runtime={"image": f"{registry}/broken:1"}))
    assert "500" in wait_for(sick, "registry", "ImagePullFailed")["message"]


def test_an_image_without_the_runtime(sick: Workplace) -> None:
    operator = Operators(sick.cluster).image()
    sick.apply(a_model_deployment("stranger", **GOOD, runtime={"image": operator}))
    said = wait_for(sick, "stranger", "ContainerStartFailed")
    assert "slipway-runtime" in said["message"]


def test_an_object_that_may_not_be_made(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.kubectl("create", "quota", "none", "--hard=services=0")
    workplace.apply(a_model_deployment("refused", **GOOD))
    workplace.until(
        "status says who refuses what",
        lambda: workplace.condition("refused", "Stalled").get("reason") == "ManifestRefused",
    )
    said = workplace.condition("refused", "Available")
    assert "Service refused" in said["message"]
    assert "exceeded quota: none" in said["message"]
    workplace.kubectl("delete", "quota", "none")
    workplace.wait("refused")


DENY = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        image = "".join(self.path.split("/")[2:3])
        self.send_response({"no-such-image": 404, "broken": 500}.get(image, 401))
        self.send_header("WWW-Authenticate", 'Basic realm="models"')
        self.end_headers()
    do_HEAD = do_GET
http.server.HTTPServer(("127.0.0.1", 5999), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def registry(slipway: Cluster) -> Iterator[str]:
    """A registry on every node that lacks an image, breaks at one, and lets nobody at others."""
    opened = Workplace.open(slipway, restricted=False)
    for node in json.loads(slipway.run("get", "nodes", "--output=json"))["items"]:
        name = node["metadata"]["name"]
        if isinstance(slipway, BareCluster):  # its nodes ask one registry, whatever the image is
            hosts = slipway.node(name).disk.folder / "certs.d" / REGISTRY / "hosts.toml"
            hosts.parent.mkdir(exist_ok=True)
            hosts.write_text(f'server = "http://{REGISTRY}"\n')
        pod = a_pod(opened, f"deny-{name}", ["python3", "-c", DENY])
        pod["spec"] |= {"hostNetwork": True, "nodeName": name}
        opened.apply(pod)
    opened.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
    yield REGISTRY
    opened.close()
    if isinstance(slipway, BareCluster):
        for node in ("n1", "n2"):
            rmtree(slipway.node(node).disk.folder / "certs.d" / REGISTRY, ignore_errors=True)


@pytest.fixture(scope="module")
def mended(sick: Workplace, strict: Workplace) -> Workplace:
    """Everything put right, as far as it has not been already."""
    for workplace, faults in ((sick, FAULTS), (strict, STRICT)):
        for fault in faults:
            if fault.cure is None:
                workplace.apply(fault.mended())
    return sick


@each(FAULTS)
def test_a_fault_goes_when_its_cause_goes(mended: Workplace, fault: Fault) -> None:
    mended.wait(fault.name, seconds=200)
    assert failures(mended, fault.name) == []
    assert mended.condition(fault.name, "Stalled")["status"] == "False"


@each(STRICT)
def test_pods_come_to_be_when_they_may(mended: Workplace, strict: Workplace, fault: Fault) -> None:
    strict.wait(fault.name, seconds=200)
    assert failures(strict, fault.name) == []


def test_nobody_was_told_the_same_twice(mended: Workplace) -> None:
    told = [e for e in mended.find("event") if e["involvedObject"]["kind"] == "ModelDeployment"]
    often = [e["message"] for e in told if (e.get("count") or 1) > 1]
    seen = [(e["involvedObject"]["name"], e["reason"]) for e in told if e["type"] == "Warning"]
    assert often == []
    assert sorted(set(seen)) == sorted(seen)


TOLD_WITHIN_SECONDS = 10.0
PROMPT = (
    *("image-lost", "no-node", "no-room", "other-digest", "corrupt", "no-provider"),
    *("oom-fetching", "oom-loading", "crashes"),
)


def is_seen(pod: Object) -> bool:
    """Say whether the kubelet or the scheduler has told of a pod's trouble.

    A server without a model is up, and not ready.
    """
    status = pod["status"]
    containers = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    states = [c[when] for c in containers for when in ("state", "lastState") if when in c]
    ended = any(state.get("terminated", {}).get("exitCode", 0) for state in states)
    waits = {state.get("waiting", {}).get("reason") for state in states}
    unplaced = any(c.get("reason") == "Unschedulable" for c in status.get("conditions", ()))
    useless = any(c.get("started") and not c["ready"] for c in status.get("containerStatuses", ()))
    return ended or unplaced or useless or "ErrImagePull" in waits


def test_a_fault_is_told_within_ten_seconds_of_the_fact(mended: Workplace) -> None:
    faults = [replace(f, name=f"prompt-{f.name}") for f in FAULTS if f.name in PROMPT]
    apply_all(mended, faults)
    facts: dict[str, float] = {}
    told: dict[str, float] = {}

    def all_told() -> bool:
        found, now = mended.find("pod,mdeploy"), time.monotonic()
        for thing in found:
            model = thing["metadata"].get("labels", {}).get("slipway.dev/model", "")
            if thing["kind"] == "Pod" and is_seen(thing):
                facts.setdefault(model, now)
        for fault in faults:
            if [said["reason"] for said in failures(mended, fault.name)][:1] == [fault.reason]:
                told.setdefault(fault.name, time.monotonic())
        return len(told) == len(faults) and told.keys() <= facts.keys()

    mended.until("all is told", all_told, 90)
    late = {name: told[name] - facts[name] for name in told}
    assert max(late.values()) < TOLD_WITHIN_SECONDS, late


# Faults of models that served.


def serve(workplace: Workplace, name: str, **spec: object) -> Object:
    """Serve a model and return its pod."""
    workplace.apply(a_model_deployment(name, **{**GOOD, "resources": sized(), **spec}))
    workplace.wait(name)
    (pod,) = workplace.find("pod", f"slipway.dev/model={name}")
    return pod


def test_memory_that_runs_out_while_serving(mended: Workplace) -> None:
    uri = {"uri": "configMap://models/greedy-when-asked.onnx"}
    serve(mended, "greedy", model=uri, resources=sized(memory="256Mi"))
    for _ in range(2):
        mended.wait("greedy")
        with pytest.raises((Failure, OSError)):
            mended.predict("greedy", {"x": np.array([1 << 28])})
        mended.until(
            "the kernel has killed it",
            lambda: mended.condition("greedy", "Ready")["status"] == "False",
        )
    said = wait_for(mended, "greedy", "OutOfMemory")
    assert "256Mi while it served" in said["message"]
    assert (said["container"], said["exitCode"]) == ("serve", 137)
    assert "spec.runtime.limits" in said["hint"]
    assert len(warnings(mended, "greedy", "OutOfMemory")) == 1
    mended.wait("greedy")
    assert failures(mended, "greedy") == []


@contextmanager
def frozen(pod: Object) -> Iterator[None]:
    """Stop the server of a pod in its tracks, as a node without CPU to spare does."""
    uid = pod["metadata"]["uid"]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ours = uid in (process / "cgroup").read_text()
            if ours and b"slipway-runtime" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    assert found, "the pod's process is not on this machine"
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_server_that_no_longer_answers(mended: Workplace, bare: BareCluster) -> None:
    pod = serve(mended, "frozen")
    with frozen(pod):
        said = wait_for(mended, "frozen", "ReadinessLost")
        assert "Readiness probe failed" in said["message"]
        assert (said["pod"], said["container"]) == (pod["metadata"]["name"], "serve")
    mended.wait("frozen")
    assert failures(mended, "frozen") == []


def test_an_hpa_that_would_have_more_pods_than_it_may(mended: Workplace) -> None:
    serve(mended, "capped", autoscaling=AUTOSCALED)
    mended.until(
        "the HPA wants more",
        lambda: mended.condition("capped", "ScalingActive").get("reason") == "AtMaxReplicas",
        120,
    )
    scaling = mended.condition("capped", "ScalingActive")
    assert scaling["status"] == "True"
    assert "Raise spec.autoscaling.maxReplicas" in scaling["message"]
    assert len(warnings(mended, "capped", "AtMaxReplicas")) == 1
    assert mended.condition("capped", "Ready")["status"] == "True"
    enough = AUTOSCALED | {"maxReplicas": 2, "metrics": [memory_target("1Gi")]}
    at_once = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    mended.apply(
        a_model_deployment(
            "capped", **GOOD, resources=sized(), autoscaling=enough | {"behavior": at_once}
        )
    )
    mended.until(
        "the HPA has what it wants",
        lambda: mended.condition("capped", "ScalingActive").get("reason") != "AtMaxReplicas",
        120,
    )


@pytest.fixture
def bare(slipway: Cluster) -> BareCluster:
    if not isinstance(slipway, BareCluster):
        pytest.skip("processes and nodes can be stopped on the bare cluster only")
    return slipway


def scaling(workplace: Workplace) -> Object:
    return workplace.condition("scaled", "ScalingActive")


@pytest.mark.alone
def test_a_node_that_is_gone_and_an_hpa_without_metrics(
    workplace: Workplace, bare: BareCluster
) -> None:
    """Both at a time, for each takes its controllers half a minute to notice."""
    workplace.provide(iris())
    serve(workplace, "scaled", autoscaling=AUTOSCALED)
    on_n2 = {"nodeSelector": {"kubernetes.io/hostname": "n2"}}
    pod = serve(workplace, "stranded", template=on_n2)
    workplace.until("the HPA sees", lambda: scaling(workplace)["status"] == "True", 120)
    metrics = ("--namespace=kube-system", "scale", "deployment/metrics-server")
    bare.run(*metrics, "--replicas=0")
    node = bare.node("n2")
    node.cut()
    try:
        said = wait_for(workplace, "stranded", "NodeGone")
        assert said["pod"] == pod["metadata"]["name"]
        assert "node n2 is not ready" in said["message"]
        assert "kubectl delete pod" in said["hint"]
        workplace.until(
            "the HPA is blind",
            lambda: scaling(workplace)["reason"] == "MetricsUnavailable",
            120,
        )
    finally:
        node.heal()
        bare.run(*metrics, "--replicas=1")
    assert scaling(workplace)["status"] == "False"
    assert "kubectl top pods" in scaling(workplace)["message"]
    assert len(warnings(workplace, "scaled", "MetricsUnavailable")) == 1
    workplace.wait("stranded")
    assert failures(workplace, "stranded") == []
    workplace.until(
        "the HPA sees again",
        lambda: scaling(workplace)["status"] == "True",
        150,
    )
