"""Certificates and kubeconfigs, made by kubeadm; what exists is kept."""

from pathlib import Path

from slipway_dev.bare import templates
from slipway_dev.bare.addresses import BARE, HOST, PODS, SERVICES, Endpoints, NodeAddress
from slipway_dev.bare.binaries import KUBERNETES, Binaries
from slipway_dev.bare.folders import Folders
from slipway_dev.steps import run

ADMIN = "slipway-admin"
CLUSTER = "slipway"
CONTEXT = f"{ADMIN}@{CLUSTER}"
COMPONENTS = ("system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy")


def write(folders: Folders, binaries: Binaries, at: Endpoints = BARE) -> None:
    """Write the certificate authority, the control plane's credentials and the user's."""
    kubeadm = binaries.path(KUBERNETES, "kubeadm")
    config = templates.write(
        folders.config / "kubeadm.yaml",
        "kubeadm.yaml",
        cluster=CLUSTER,
        advertised=HOST,  # kubeadm takes no loopback address here
        host=at.host,
        pki=folders.pki,
        pods=PODS,
        port=at.api,
        services=SERVICES,
        version=KUBERNETES.version,
    )
    if not (folders.pki / "sa.pub").exists():  # the last one that kubeadm writes
        run([kubeadm, "init", "phase", "certs", "all", f"--config={config}"])
    for user in COMPONENTS:
        kubeconfig(folders, binaries, user)
    _credentials(folders.kubeconfig, kubeadm, config, ADMIN, "system:masters")


def kubeconfig(folders: Folders, binaries: Binaries, user: str, group: str = "") -> Path:
    """Write the kubeconfig of a component's user, and return where it is."""
    target = folders.kubeconfigs / f"{user.replace(':', '-')}.conf"
    kubeadm = binaries.path(KUBERNETES, "kubeadm")
    return _credentials(target, kubeadm, folders.config / "kubeadm.yaml", user, group)


def node_kubeconfig(folders: Folders, binaries: Binaries, node: NodeAddress) -> Path:
    """Write the kubeconfig of a node's kubelet."""
    return kubeconfig(folders, binaries, f"system:node:{node.name}", "system:nodes")


def _credentials(target: Path, kubeadm: Path, config: Path, user: str, group: str) -> Path:
    if not target.exists():
        organisation = [f"--org={group}"] if group else []
        name = f"--client-name={user}"
        text = run([kubeadm, "kubeconfig", "user", f"--config={config}", name, *organisation])
        partial = target.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(text)
        partial.rename(target)
    return target
