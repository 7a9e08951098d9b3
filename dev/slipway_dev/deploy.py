"""Installs the CRD and the operator from this checkout: `make deploy`.

The tags of the images flow in through a kustomization that is written over
`manifests/overlays/cluster`.
"""

import json
import sys
from pathlib import Path

from slipway_dev import evidence, images
from slipway_dev.cluster import Cluster, find
from slipway_dev.errors import Failure
from slipway_dev.state import alone
from slipway_dev.steps import step

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "deploy"
NAMESPACE = "slipway-system"
PATIENCE = "180s"


def deploy(cluster: Cluster) -> None:
    """Bring the images, apply everything, and return when the operator runs.

    Raises:
        Failure: something was refused, or the operator does not get ready.
    """
    with alone(FOLDER):
        _install(cluster, images.bring(cluster))


def _install(cluster: Cluster, names: dict[str, str]) -> None:
    with step("install the CRD and the operator"):
        # By force: somebody, or a test that was broken off, may have scaled it since.
        apply = ("apply", "--server-side", "--force-conflicts", "--kustomize")
        cluster.run(*apply, str(_overlay(names)))
        cluster.run("wait", "--for=condition=Established", "crd/modeldeployments.slipway.dev")
        try:
            rollout = ("rollout", "status", "deployment/slipway-operator", f"--timeout={PATIENCE}")
            cluster.run("--namespace", NAMESPACE, *rollout)
        except Failure as failure:
            raise Failure(
                "starting the operator",
                str(failure).splitlines()[-1].strip(),
                log=evidence.collect(cluster, NAMESPACE),
                remedy="read the whole log; `make deploy` tries again",
            ) from failure


def _overlay(names: dict[str, str]) -> Path:
    """Write the kustomization; JSON is YAML, too."""
    registry, _, tag = names["operator"].rpartition(":")
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../manifests/overlays/cluster"],
        "images": [{"name": "slipway-operator", "newName": registry, "newTag": tag}],
        "patches": [{"patch": json.dumps(_runtime_image(names["runtime"]))}],
    }
    (FOLDER / "kustomization.yaml").write_text(json.dumps(content, indent=2))
    return FOLDER


def _runtime_image(name: str) -> dict[str, object]:
    env = [{"name": "SLIPWAY_RUNTIME_IMAGE", "value": name}]
    container = {"name": "operator", "env": env}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "slipway-operator", "namespace": NAMESPACE},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


if __name__ == "__main__":
    try:
        deploy(find())
    except Failure as failure:
        sys.exit(str(failure))
