"""The cluster that development and tests run on, whoever provides it.

    cluster = find()              # a named context, else kind, else processes on this host
    cluster.up()                  # does nothing when all of it runs already
    cluster.load_image(f"{cluster.registry}/slipway-runtime:dev")
    cluster.run("get", "pods", "-A")
    cluster.node("n2").off()

Nothing here knows how a provider works; no provider imports this module.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from slipway_dev.bare.cluster import BareCluster
from slipway_dev.kind import KindCluster, docker_answers
from slipway_dev.named import NamedCluster, named_kubeconfig


class Node(Protocol):
    """One node's power switch and network plug; each verb may be repeated.

    Providers whose nodes have none raise `Failure`.
    """

    def off(self) -> None:
        """Cut the power: every process of the node is gone at once, its disk stays."""

    def on(self) -> None:
        """Give power and network again; returns when the node is Ready."""

    def cut(self) -> None:
        """Unplug the network: the pods run on, unseen."""

    def heal(self) -> None:
        """Plug the network in again."""


class Cluster(Protocol):
    """A Kubernetes cluster that may be used, and thrown away, for development."""

    @property
    def kubeconfig(self) -> Path:
        """The file that `KUBECONFIG` should name; it exists once the cluster is up."""
        ...

    @property
    def context(self) -> str:
        """The context in `kubeconfig` to use, always its current one unless the user named it."""
        ...

    @property
    def kubectl(self) -> Path:
        """A kubectl that fits the cluster's version."""
        ...

    @property
    def registry(self) -> str:
        """What goes before `/NAME:TAG` so that every node can pull an image built on this host."""
        ...

    @property
    def audit_log(self) -> Path | None:
        """The API server's log of write requests, JSON lines of `audit.k8s.io/v1`, where known.

        System components and controllers are left out, service accounts outside kube-system
        are in it. It may be rotated: a reader compares line counts of one file only.
        """
        ...

    def up(self, nodes: int | None = None) -> None:
        """Bring up what is missing, repair what died, and return when it can be used.

        Args:
            nodes: how many nodes at least; None keeps what there is, or takes two.

        Raises:
            Failure: a step failed; the message says what, where its log is and what to do.
        """

    def down(self, *, purge: bool = False) -> None:
        """Stop and remove all that `up` made; a cluster that `up` did not make is left alone.

        Args:
            purge: also remove the cluster's data and logs. Built binaries stay in the cache.
        """

    def status(self) -> str:
        """Say in a few lines what runs and what does not."""
        ...

    def load_image(self, image: str, archive: Path | None = None) -> None:
        """Make an image that was built on this host pullable by every node.

        Args:
            image: its name, `REGISTRY/NAME:TAG` with `registry` from above.
            archive: an OCI archive that holds it; None takes it from the docker, podman or
                buildah that has it.
        """

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl against the cluster and return its stdout.

        Raises:
            Failure: kubectl ended with an error, which the message quotes.
        """
        ...

    def node(self, name: str) -> Node:
        """Reach for a node's switches.

        Raises:
            Failure: there is no such node.
        """
        ...


def find(environ: Mapping[str, str] = os.environ, context: str | None = None) -> Cluster:
    """Choose the provider of the cluster.

    ======================================  ======================================
    found                                   chosen
    ======================================  ======================================
    `KUBECONFIG` names a foreign file       that cluster, if its context is named too
    Docker answers                          kind
    otherwise                               processes on this host
    ======================================  ======================================

    Args:
        environ: `PATH`, `KUBECONFIG`, `SLIPWAY_CONTEXT` and the like are read from it.
        context: the context in `KUBECONFIG` that may be touched, before `SLIPWAY_CONTEXT`.

    Raises:
        Failure: `KUBECONFIG` is set, but nobody said which of its contexts may be touched.
    """
    named = named_kubeconfig(environ, context)
    if named:
        return NamedCluster(named)
    return KindCluster(environ) if docker_answers(environ) else BareCluster(environ)
