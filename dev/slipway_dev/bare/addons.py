"""What runs as pods: DNS and metrics."""

import json
import socket
import struct
from collections.abc import Callable

from slipway_dev import oci
from slipway_dev.bare import templates
from slipway_dev.bare.addresses import API_NAME, API_SERVICE, DNS, REGISTRY
from slipway_dev.bare.binaries import COREDNS, METRICS_SERVER, PAUSE, PROBE, Binaries, Module
from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.steps import until

IMAGES = (PAUSE, PROBE, COREDNS, METRICS_SERVER)
READY_SECONDS = 180.0
RECURSION = 0x100
FORWARDED = (
    "where its pod is ready, a firewall on the host may drop forwarded packets, as Docker's goes "
    "on to do when Docker was stopped: traffic of `slip0` passes the FORWARD chain"
)


def image(module: Module) -> str:
    """The name of a module's one-binary image; its tag changes with its content."""
    return f"{REGISTRY}/slipway-dev/{module.name}:{module.build.rpartition('-')[2]}"


def push_images(binaries: Binaries) -> None:
    """Push the images that the registry lacks."""
    for module in IMAGES:
        oci.push_binary(image(module), binaries.path(module))


def apply(kubectl: Kubectl, nodes: int) -> None:
    """Apply DNS and metrics-server and wait until both answer.

    Args:
        kubectl: the cluster.
        nodes: how many nodes there must be metrics of.

    Raises:
        Failure: they do not.
    """
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests())
    _await("DNS", _dns_answers, kubectl)
    await_readings(kubectl, nodes, remedy=FORWARDED)


def await_readings(kubectl: Kubectl, nodes: int, remedy: str) -> None:
    """Wait until metrics-server has measured so many nodes.

    Raises:
        Failure: it does not.
    """
    _await("metrics API", lambda: _metered(kubectl) >= nodes, kubectl, remedy)


def _await(name: str, check: Callable[[], bool], kubectl: Kubectl, remedy: str = "") -> None:
    if not check():
        until(check, f"{name} answers", READY_SECONDS, lambda: _silent(name, kubectl, remedy))


def _dns_answers() -> bool:
    """Whether the cluster's DNS, asked through its Service, knows the API server's."""
    labels = "".join(f"{chr(len(part))}{part}" for part in API_NAME.split("."))
    query = struct.pack(">6H", 1, RECURSION, 1, 0, 0, 0) + labels.encode() + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.5)
        try:
            asking.sendto(query, (DNS, 53))
            return asking.recv(512).endswith(socket.inet_aton(API_SERVICE))
        except OSError:
            return False


def _metered(kubectl: Kubectl) -> int:
    """How many nodes metrics-server has measured."""
    try:
        answer = kubectl.run("get", "--raw=/apis/metrics.k8s.io/v1beta1/nodes")
    except Failure:
        return 0
    return len(json.loads(answer)["items"])


def _silent(name: str, kubectl: Kubectl, remedy: str) -> Failure:
    pods = kubectl.run("-n", "kube-system", "get", "pods", "-o", "wide")
    events = kubectl.run("-n", "kube-system", "get", "events", "--sort-by=.lastTimestamp")
    seen = f"{pods}and the last events are\n" + "\n".join(events.splitlines()[-5:])
    found = f"no answer after {READY_SECONDS:.0f} s\n{seen}"
    return Failure(f"waiting for the {name}", found, remedy=remedy)


def manifests() -> str:
    """Every object of the add-ons."""
    coredns = templates.render("coredns.yaml", image=image(COREDNS), dns=DNS)
    metrics = metrics_server(image(METRICS_SERVER))
    return "---\n".join([templates.render("rights.yaml"), coredns, metrics])


def metrics_server(name: str) -> str:
    """metrics-server's objects, with its image as the provider calls it."""
    return templates.render("metrics-server.yaml", image=name)
