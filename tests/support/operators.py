"""The operators of a cluster: who leads, what each has written, and how to hurt one."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway_dev import deploy
from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure

Object = dict[str, Any]

NAMESPACE = "slipway-system"
DEPLOYMENT = "deployment/slipway-operator"
SELECTOR = "--selector=app.kubernetes.io/name=slipway-operator"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:slipway-operator"
POD_NAME = "authentication.kubernetes.io/pod-name"


@dataclass(frozen=True)
class Operators:
    """The replicas of one cluster's operator."""

    cluster: Cluster

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl in their namespace."""
        return self.cluster.run("--namespace", NAMESPACE, *args, stdin=stdin)

    def scale(self, count: int) -> None:
        """Have so many of them, and return when they are ready."""
        self.kubectl("scale", DEPLOYMENT, f"--replicas={count}")
        if count:
            self.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
        else:
            self.kubectl("wait", "--for=delete", "pod", SELECTOR, "--timeout=60s")

    @contextmanager
    def none(self) -> Iterator[None]:
        """Go without for a while."""
        self.scale(0)
        try:
            yield
        finally:
            self.scale(1)

    def lease(self) -> Object:
        """Read what the Lease says."""
        found = self.kubectl("get", "lease", "slipway-operator", "--output=json")
        spec: Object = json.loads(found)["spec"]
        return spec

    def leader(self) -> str:
        """Name the pod that holds the Lease; empty when none does."""
        with suppress(Failure):
            return str(self.lease().get("holderIdentity", ""))
        return ""

    def pod(self, name: str) -> Object:
        """Get one of the pods."""
        pod: Object = json.loads(self.kubectl("get", "pod", name, "--output=json"))
        return pod

    def restarts(self) -> dict[str, int]:
        """Count how often the container of each pod that stays was started anew."""
        pods = json.loads(self.kubectl("get", "pod", SELECTOR, "--output=json"))["items"]
        return {
            pod["metadata"]["name"]: sum(
                c["restartCount"] for c in pod["status"]["containerStatuses"]
            )
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
        }

    def signal(self, name: str, number: signal.Signals) -> int:
        """Signal the operator's process in a pod, as its node would; return which that is."""
        [pid] = processes(self.pod(name)["metadata"]["uid"])
        os.kill(pid, number)
        return pid

    def writes(self, pod: str | None = None) -> list[Object]:
        """List the write requests, but those to the Lease, from the API server's audit log."""
        assert self.cluster.audit_log, "this cluster has no audit log: writes can't be counted"
        entries = map(json.loads, self.cluster.audit_log.read_text().splitlines())
        return [
            entry
            for entry in entries
            if entry.get("user", {}).get("username") == ACCOUNT
            and entry["objectRef"]["resource"] != "leases"
            and (pod is None or entry["user"].get("extra", {}).get(POD_NAME) == [pod])
        ]

    def image(self) -> str:
        """Name the image that they are."""
        return str(self._container()["image"])

    def runtime_image(self) -> str:
        """Name the image that new revisions get."""
        environment = {entry["name"]: entry.get("value") for entry in self._container()["env"]}
        return str(environment["SLIPWAY_RUNTIME_IMAGE"])

    def _container(self) -> Object:
        found = json.loads(self.kubectl("get", DEPLOYMENT, "--output=json"))
        [container] = found["spec"]["template"]["spec"]["containers"]
        return dict(container)

    @contextmanager
    def release(self, runtime_image: str) -> Iterator[None]:
        """Be of a release with another runtime for a while: deployed anew, in the same way."""
        mine = str(deploy.FOLDER)
        manifests = self.cluster.run("kustomize", mine)
        theirs = manifests.replace(self.runtime_image(), runtime_image)
        assert theirs != manifests
        try:
            self.cluster.run("apply", "--server-side", "--filename=-", stdin=theirs)
            self.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
            yield
        finally:
            self.cluster.run("apply", "--server-side", "--kustomize", mine)
            self.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")

    @contextmanager
    def told(self, name: str, value: str) -> Iterator[None]:
        """Have another value in their environment for a while, which is empty by default."""
        try:
            self._tell(name, value)
            yield
        finally:
            self._tell(name, "")

    def _tell(self, name: str, value: str) -> None:
        self.kubectl("set", "env", DEPLOYMENT, f"{name}={value}")
        self.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")

    def metric(self, pod: str, line: str, label: str = "") -> float:
        """Sum up the metrics of one of them that begin so and have a label; 0 while none does."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
        values = (
            text.rpartition(" ")[2]
            for text in self.cluster.run("get", f"--raw={path}").splitlines()
            if text.startswith(line) and label in text
        )
        return sum(map(float, values))


def processes(pod_uid: str) -> list[int]:
    """Find the processes of a pod on this machine, but the one that holds its namespaces."""
    names = {pod_uid, pod_uid.replace("-", "_")}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            groups = (folder / "cgroup").read_text()
            if any(n in groups for n in names) and (folder / "comm").read_text().strip() != "pause":
                found.append(int(folder.name))
    return found


def until(what: str, holds: Callable[[], Any], seconds: float) -> float:
    """Ask again and again until the answer is true; return how many seconds it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - begun
