"""The manifests in the repository, read without kubectl."""

from pathlib import Path
from typing import Any

import yaml

from support.crd import ROOT

Manifest = dict[str, Any]

MANIFESTS = ROOT / "manifests"
BASE = MANIFESTS / "base"
OVERLAYS = MANIFESTS / "overlays"
CLUSTER = OVERLAYS / "cluster"
EXAMPLE = OVERLAYS / "example"
GITOPS = MANIFESTS / "gitops"
MONITORING = MANIFESTS / "monitoring"
POLICY = MANIFESTS / "policy"
SAMPLES = sorted((MANIFESTS / "samples").glob("*.yaml"))


def documents(path: Path) -> list[Manifest]:
    """Read every document of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def models(path: Path) -> list[Manifest]:
    """Read the ModelDeployments of a file."""
    return [found for found in documents(path) if found["kind"] == "ModelDeployment"]


def base(kind: str, name: str) -> Manifest:
    """Find an object of manifests/base, or of what the whole cluster gets beside it."""
    [whole] = documents(CLUSTER / "kustomization.yaml")
    beside = [CLUSTER / resource for resource in whole["resources"] if resource.endswith(".yaml")]
    files = [*sorted(BASE.glob("*.yaml")), *beside]
    everything = [d for path in files for d in documents(path) if "metadata" in d]
    [found] = [d for d in everything if d["kind"] == kind and d["metadata"]["name"] == name]
    return found
