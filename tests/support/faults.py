"""What can go wrong with a ModelDeployment: the cause, what status says of it, the cure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fixtures import broken
from fixtures.trained import iris
from support.pods import send
from support.workplace import Object, Workplace, a_model_deployment

GOOD: dict[str, Any] = {"model": {"uri": "configMap://models/iris-v1.onnx"}}
NOWHERE = "0" * 64
REGISTRY = "localhost:5999"
"""On every node, for the tests: kind has no registry that could lack an image."""


def sized(cpu: str = "1", memory: str = "512Mi", **limits: str) -> dict[str, Any]:
    """Resources of a small pod, with other limits."""
    limit = {"cpu": cpu, "memory": memory, **limits}
    return {"requests": {"cpu": "15m", "memory": "16Mi"}, "limits": limit}


def from_map(key: str, **model: str) -> dict[str, Any]:
    """Serve a model out of the ConfigMap of the test."""
    return {"model": {"uri": f"configMap://models/{key}", **model}}


Act = Callable[[Workplace], object]


def nothing(_: Workplace) -> None:
    """Do nothing: the spec itself is the cause, or the cure."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to be not well.

    ``cause`` and ``cure`` act on what is around the object; without a cure the user changes the
    spec to ``good``. ``hint`` and ``words`` are parts of what status says.
    """

    name: str
    reason: str
    words: str
    hint: str
    spec: dict[str, Any] = field(default_factory=dict)
    container: str | None = None
    exit_codes: tuple[int | None, ...] = (None,)
    log: str = ""
    final: bool = False
    cause: Act = nothing
    cure: Act | None = None
    good: dict[str, Any] = field(default_factory=lambda: GOOD)

    def manifest(self) -> Object:
        """Build the broken ModelDeployment."""
        defaults = GOOD | {"resources": sized()}
        return a_model_deployment(self.name, **defaults | self.spec)

    def mended(self) -> Object:
        """Build the ModelDeployment of a user who has read the hint."""
        return a_model_deployment(self.name, **{"resources": sized()} | self.good)


def create_claim(workplace: Workplace, name: str, **where: str) -> None:
    """Create a claim to which nothing gives a volume yet."""
    spec = {
        "accessModes": ["ReadOnlyMany"],
        "resources": {"requests": {"storage": "1Mi"}},
        **where,
    }
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}}
    workplace.apply(claim | {"spec": spec})


@contextmanager
def no_storage(workplace: Workplace) -> Iterator[str]:
    """Have a storage class that waits for a pod, and then has no volume for it; yield its name."""
    name = f"{workplace.namespace}-late"
    made = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    workplace.apply(made)
    yield name
    workplace.kubectl("delete", "storageclass", name)


def create_volume(workplace: Workplace) -> None:
    """Give the claim a volume whose folder does not exist."""
    spec = {
        "accessModes": ["ReadOnlyMany"],
        "capacity": {"storage": "1Mi"},
        "storageClassName": "",
        "hostPath": {"path": f"/var/tmp/{volume(workplace)}", "type": "Directory"},  # noqa: S108
        "claimRef": {"namespace": workplace.namespace, "name": "absent"},
    }
    metadata = {"name": volume(workplace)}
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
    workplace.apply(body)


def volume(workplace: Workplace) -> str:
    """Name the volume, which lives outside of the namespace."""
    return f"{workplace.namespace}-absent"


def put_file(workplace: Workplace) -> None:
    """Put the file there that was not found."""
    send(workplace, "files", iris().path, f"/tmp/{iris().path.name}")  # noqa: S108 - in the pod


def give_access(workplace: Workplace) -> None:
    """Let everybody read what was private."""
    workplace.kubectl("exec", "files", "--", "python3", "-c", "open('/tmp/open', 'w')")


def occupy(workplace: Workplace) -> None:
    """Take the name away that the Service will want."""
    workplace.kubectl("create", "service", "clusterip", "collides", "--tcp=80:80")


FILES = (
    broken.truncated, broken.ir_too_new, broken.opset_too_new, broken.without_external_data,
    broken.greedy_at_load, broken.greedy_when_asked, broken.unknown_operator,
)  # fmt: skip

PROMISE = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 30]}]}


def memory_target(amount: str) -> Object:
    """Aim at so much memory for each pod."""
    target = {"type": "AverageValue", "averageValue": amount}
    return {"type": "Resource", "resource": {"name": "memory", "target": target}}


AUTOSCALED = {"minReplicas": 1, "maxReplicas": 1, "metrics": [memory_target("1Mi")]}


def web(path: str) -> dict[str, Any]:
    """Fetch a model from the web server of the test."""
    return {"model": {"uri": f"http://files/{path}"}}


FAULTS = [
    Fault(
        name="no-claim", reason="VolumeClaimMissing", words="PersistentVolumeClaim absent",
        hint="Create the claim absent", spec={"model": {"uri": "pvc://absent/m.onnx"}},
    ),
    Fault(
        name="no-map", reason="ConfigMapMissing", words="no ConfigMap absent", container="fetch",
        exit_codes=(1,), log="fetch failed", hint="kubectl create configmap absent",
        spec={"model": {"uri": "configMap://absent/iris-v1.onnx"}},
        cure=lambda w: w.provide(iris(), name="absent"),
    ),
    Fault(
        name="not-found", reason="SourceNotFound", words="404", container="fetch", exit_codes=(1,),
        log="fetch failed", hint="put the file there", spec=web("late/iris-v1.onnx"), cure=put_file,
    ),
    Fault(
        name="denied", reason="SourceForbidden", words="403", container="fetch", exit_codes=(1,),
        log="fetch failed", hint="Give this pod access", spec=web("private/iris-v1.onnx"),
        cure=give_access,
    ),
    Fault(
        name="collides", reason="NameCollision", words="Service collides exists",
        hint="Delete or rename that Service", final=True, cause=occupy,
        cure=lambda w: w.kubectl("delete", "service", "collides"),
    ),
    Fault(
        name="image-lost", reason="ImageNotFound", words="no-such-image", hint="push the image",
        spec={"runtime": {"image": f"{REGISTRY}/no-such-image:1"}}, container="fetch",
    ),
    Fault(
        name="no-room", reason="Unschedulable", words="asks for cpu 500, the roomiest node has",
        hint="Lower spec.resources.requests[cpu]",
        spec={"resources": {"requests": {"cpu": "500", "memory": "32Mi"}}},
    ),
    Fault(
        name="no-node", reason="Unschedulable", words="the scheduler says", hint="nodeSelector",
        spec={"template": {"nodeSelector": {"example.org/disk": "none"}}},
    ),
    Fault(
        name="unreachable", reason="SourceUnavailable", words="refused", container="fetch",
        exit_codes=(1,), log="fetch interrupted", hint="tried again",
        spec={"model": {"uri": "http://127.0.0.1:9/m.onnx"}},
    ),
    Fault(
        name="other-digest", reason="DigestMismatch", words=iris().sha256, container="fetch",
        exit_codes=(1,), hint="correct spec.model.sha256", log="fetch failed", final=True,
        spec=from_map("iris-v1.onnx", sha256=NOWHERE),
    ),
    Fault(
        name="disk-full", reason="DiskFull", words="ephemeral", hint="ephemeral-storage",
        spec={**web("endless"), "resources": sized(**{"ephemeral-storage": "2Mi"})},
        container="fetch", exit_codes=(137,),
    ),
    Fault(
        name="corrupt", reason="ModelInvalid", words="not a complete ONNX file", hint="Export",
        container="serve", log="no model to serve", final=True,
        spec=from_map("iris-truncated.onnx"),
    ),
    Fault(
        name="ir-too-new", reason="ModelTooNew", words="IR version 99", hint="Export the model",
        container="serve", log="no model to serve", final=True,
        spec=from_map("iris-ir-too-new.onnx"),
    ),
    Fault(
        name="opset-too-new", reason="ModelTooNew", words="opset 99 of ai.onnx.ml",
        hint="Export the model", container="serve", log="no model to serve", final=True,
        spec=from_map("iris-opset-too-new.onnx"),
    ),
    Fault(
        name="unknown-operator", reason="ModelUnsupported", words="OfOurOwn",
        hint="custom libraries are not supported", container="serve", log="no model to serve",
        final=True, spec=from_map("iris-unknown-operator.onnx"),
    ),
    Fault(
        name="no-weights", reason="ExternalDataMissing", words="digits.weights", final=True,
        hint="Put the file beside", container="fetch", exit_codes=(1,), log="fetch failed",
        spec=from_map("digits-without-weights.onnx"),
    ),
    Fault(
        name="other-signature", reason="SignatureMismatch", words="there is no input 'x'",
        hint="correct spec.signature", container="serve", log="no model to serve", final=True,
        spec={**GOOD, "signature": PROMISE},
    ),
    Fault(
        name="no-provider", reason="ProviderUnavailable", words="CUDA can't be used",
        hint="spec.runtime.executionProviders", container="serve", log="no model to serve",
        final=True, spec={"runtime": {"executionProviders": ["CUDA", "CPU"]}},
    ),
    Fault(
        name="oom-fetching", reason="OutOfMemory", words="16Mi while it fetched the model",
        hint="Raise spec.resources.limits.memory", container="fetch", exit_codes=(137,),
        spec={"resources": sized(memory="16Mi")},
    ),
    Fault(
        name="oom-loading", reason="OutOfMemory", words="256Mi while it loaded the model",
        hint="the model does not fit", container="serve", exit_codes=(137,), log="listening",
        spec={**from_map("greedy-at-load.onnx"), "resources": sized(memory="256Mi")},
    ),
    Fault(
        name="crashes", reason="Crashing", words="exit code 1", hint="kubectl logs",
        container="fetch", exit_codes=(1,), log="ModuleNotFoundError: No module named 'encodings'",
        spec={"template": {"env": [{"name": "PYTHONHOME", "value": "/nonexistent"}]}},
    ),
    Fault(
        name="slow", reason="StartupTooSlow", words="was not loaded within the time",
        hint="spec.rollout.progressDeadlineSeconds", container="serve", exit_codes=(0, 137, 143),
        final=True,
        spec={"resources": sized(cpu="15m"), "rollout": {"progressDeadlineSeconds": 10}},
    ),
]  # fmt: skip
"""Those first that are cured at once: kubelets and controllers try again ever later."""

STRICT = [
    Fault(
        name="quota", reason="QuotaExceeded", words="exceeded quota: none", hint="ResourceQuota",
        cure=lambda w: w.kubectl("delete", "quota", "none"),
    ),
    Fault(
        name="policy", reason="PodsRefused", words="maximum cpu usage per Container is 1",
        hint="LimitRange", spec={"resources": sized(cpu="2")},
    ),
    Fault(
        name="no-account", reason="ServiceAccountMissing", words='account "nobody" not found',
        hint="Create the ServiceAccount", spec={"template": {"serviceAccountName": "nobody"}},
    ),
]  # fmt: skip
"""For a namespace with a quota that has no room and a bound on CPU."""
