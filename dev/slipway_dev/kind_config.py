"""What kind is asked for, in its own configuration format."""

import json
from collections.abc import Mapping
from typing import Any

from slipway_dev import timings

API = "kind.x-k8s.io/v1alpha4"
KUBEADM = "kubeadm.k8s.io"
ZONE = "topology.kubernetes.io/zone"


def config(nodes: int) -> str:
    """Write the configuration of a control plane and some workers; JSON is YAML, too.

    Each worker is a zone of its own: while nodes lack the label of a zone, the scheduler leaves
    them out of all that a pod would rather have spread.
    """
    workers = [{"role": "worker", "labels": {ZONE: f"z{n}"}} for n in range(1, nodes + 1)]
    wanted = {
        "kind": "Cluster",
        "apiVersion": API,
        "nodes": [{"role": "control-plane"}, *workers],
        "kubeadmConfigPatches": [json.dumps(_kubelet()), json.dumps(_arguments_by_name())],
        "kubeadmConfigPatchesJSON6902": [_arguments_in_a_list()],
    }
    return json.dumps(wanted, indent=1)


def _kubelet() -> dict[str, Any]:
    lease = {"nodeLeaseDurationSeconds": timings.NODE_LEASE_SECONDS}
    return {"kind": "KubeletConfiguration", **lease}


def _arguments_by_name() -> dict[str, Any]:
    """For Kubernetes before 1.36, for which kind speaks v1beta3; ignored where it does not."""
    return {
        "kind": "ClusterConfiguration",
        "apiVersion": f"{KUBEADM}/v1beta3",
        "apiServer": {"extraArgs": timings.APISERVER},
        "controllerManager": {"extraArgs": timings.CONTROLLER_MANAGER},
    }


def _arguments_in_a_list() -> dict[str, str]:
    """For Kubernetes 1.36 and newer: v1beta4 has lists, which only grow this way."""
    added = [
        *_added("apiServer", timings.APISERVER),
        *_added("controllerManager", timings.CONTROLLER_MANAGER),
    ]
    matching = {"group": KUBEADM, "version": "v1beta4", "kind": "ClusterConfiguration"}
    return {**matching, "patch": json.dumps(added)}


def _added(component: str, settings: Mapping[str, str]) -> list[dict[str, Any]]:
    path = f"/{component}/extraArgs/-"
    return [
        {"op": "add", "path": path, "value": {"name": name, "value": value}}
        for name, value in settings.items()
    ]
