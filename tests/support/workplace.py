"""A namespace of a real cluster, and the verbs that the cluster tests use in it."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from fixtures.model import Model, Tensors
from slipway_dev import ask
from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure

Object = dict[str, Any]

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Workplace:
    """One namespace, whose pods must pass Pod Security `restricted`."""

    cluster: Cluster
    namespace: str

    @classmethod
    def open(cls, cluster: Cluster, *, restricted: bool = True) -> "Workplace":
        """Make a namespace that nobody else uses."""
        name = f"test-{uuid4().hex[:8]}"
        namespace = {"metadata": {"name": name, "labels": RESTRICTED if restricted else {}}}
        workplace = cls(cluster, name)
        workplace.apply({"apiVersion": "v1", "kind": "Namespace", **namespace})
        return workplace

    def close(self) -> None:
        """Remove it, without waiting for its pods to drain."""
        self.cluster.run("delete", "namespace", self.namespace, "--wait=false")

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.run("--namespace", self.namespace, *args, stdin=stdin)

    def apply(self, manifest: Object) -> None:
        """Apply an object as a user would."""
        self.kubectl("apply", "--filename=-", stdin=json.dumps(manifest))

    def apply_all(self, manifests: Iterable[Object]) -> None:
        """Apply several objects at once."""
        self.apply({"apiVersion": "v1", "kind": "List", "items": list(manifests)})

    def get(self, kind: str, name: str) -> Object:
        """Get an object that must be there."""
        found: Object = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def find(self, kind: str, selector: str = "") -> list[Object]:
        """List the objects of a kind."""
        query = ("get", kind, f"--selector={selector}", "--output=json")
        items: list[Object] = json.loads(self.kubectl(*query))["items"]
        return items

    def provide(self, *models: Model, name: str = "models") -> None:
        """Put models into a ConfigMap, under their file names."""
        self.provide_files(*(model.path for model in models), name=name)

    def provide_files(self, *paths: Path, name: str = "models") -> None:
        """Put files into a ConfigMap, under their own names."""
        files = (f"--from-file={path}" for path in paths)
        dry = ("--dry-run=client", "--output=yaml")
        content = self.kubectl("create", "configmap", name, *files, *dry)
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=content)

    def status(self, name: str) -> Object:
        """Get the status of a ModelDeployment; empty while there is none."""
        found: Object = self.get("mdeploy", name).get("status", {})
        return found

    def condition(self, name: str, kind: str) -> Object:
        """Get a condition of a ModelDeployment; empty while there is none."""
        found = self.status(name).get("conditions", ())
        return next((c for c in found if c["type"] == kind), {})

    def wait(self, name: str, condition: str = "Ready", seconds: int = 120) -> None:
        """Wait as a pipeline would, for the generation that the object has now.

        Raises:
            AssertionError: it did not come true in time.
        """
        generation = self.get("mdeploy", name)["metadata"]["generation"]
        observed = f"--for=jsonpath={{.status.observedGeneration}}={generation}"
        try:
            for goal in (observed, f"--for=condition={condition}"):
                self.kubectl("wait", goal, f"mdeploy/{name}", f"--timeout={seconds}s")
        except Failure as failure:
            raise AssertionError(f"{failure}\n{self.evidence()}") from failure

    def until(self, what: str, test: Callable[[], Any], seconds: float = 60) -> Any:
        """Ask again and again until the answer is true; return it.

        Raises:
            AssertionError: it did not come true in time.
        """
        end = time.monotonic() + seconds
        while not (answer := test()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}\n{self.evidence()}")
            time.sleep(0.5)
        return answer

    def evidence(self) -> str:
        """Collect what a person would look at."""
        looks = (
            ("get", "mdeploy,deployment,replicaset,pod", "--output=wide"),
            ("get", "mdeploy", "--output=jsonpath={.items[*].status}"),
            ("get", "events", "--sort-by=.lastTimestamp"),
        )
        return "\n".join(self.kubectl(*look) for look in looks)

    def predict(self, name: str, inputs: Tensors, model: str | None = None) -> Tensors:
        """Ask a model through its Service."""
        with ask.forwarded(self.cluster, self.namespace, name) as url:
            return ask.infer(f"{url}/v2/models/{model or name}/infer", inputs)

    def gone(self, kind: str, name: str) -> bool:
        """Say whether an object does not exist."""
        return not self.kubectl("get", kind, name, "--ignore-not-found").strip()


def a_model_deployment(name: str = "iris", **spec: Any) -> Object:
    """Build a ModelDeployment of the first iris model, small enough for many on one machine."""
    small = {
        "requests": {"cpu": "50m", "memory": "96Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }
    defaults: Object = {
        "model": {"uri": "configMap://models/iris-v1.onnx"},
        "resources": small,
        "availability": {"drainSeconds": 5},
    }
    if "autoscaling" not in spec:
        defaults["replicas"] = 1
    return {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {**defaults, **spec},
    }
