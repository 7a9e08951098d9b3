"""An operator as a process of this machine, with the rights of the namespaced overlay."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from support.manifests import OVERLAYS
from support.workplace import Workplace

ROOT = Path(__file__).parents[2]
KEPT = {"ServiceAccount", "Role", "RoleBinding", "Lease"}
MODULE = ("-m", "slipway_operator")


def give_rights(workplace: Workplace) -> None:
    """Apply all of the overlay but the operator itself."""
    built = workplace.cluster.run("kustomize", str(OVERLAYS / "namespaced"))
    objects = [d for d in yaml.safe_load_all(built) if d["kind"] in KEPT]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    workplace.kubectl("apply", "-f", "-", stdin=content.replace("my-models", workplace.namespace))


def server(workplace: Workplace) -> str:
    """Name the address of the API server."""
    return str(_config(workplace)["clusters"][0]["cluster"]["server"])


def kubeconfig(workplace: Workplace, folder: Path, by_way_of: str = "") -> Path:
    """Write a kubeconfig for the operator's account, which may lead through another address."""
    config = _config(workplace)
    token = workplace.kubectl("create", "token", "slipway-operator").strip()
    config["users"][0]["user"] = {"token": token}
    if by_way_of:
        config["clusters"][0]["cluster"] = {"server": by_way_of}
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config))
    return file


def _config(workplace: Workplace) -> dict[str, list[dict[str, dict[str, object]]]]:
    raw = workplace.cluster.run("config", "view", "--raw", "--minify", "--output=json")
    config: dict[str, list[dict[str, dict[str, object]]]] = json.loads(raw)
    return config


@contextmanager
def running(
    workplace: Workplace, config: Path, *program: str, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run an operator of one namespace, or a program in its place; it is told to end at the end."""
    with subprocess.Popen(
        [sys.executable, *(program or MODULE)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(config),
            "SLIPWAY_RUNTIME_IMAGE": "slipway-runtime:1",
            "SLIPWAY_NAMESPACES": workplace.namespace,
            "POD_NAMESPACE": workplace.namespace,
            "POD_NAME": "local",
            **environment,
        },
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
