"""Makes an image of kind's nodes on a machine that reaches no registry.

    export SLIPWAY_KIND_IMAGE=`python -m slipway_dev.kind_image`

It needs Docker, root for debootstrap, and Go. What kind's own image has and this one has not:
kindnet (so NetworkPolicy means nothing), storage that is provisioned, and any name or address
outside the cluster.
"""

import json
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import yaml

from slipway_dev import debian
from slipway_dev.bare import templates
from slipway_dev.bare.binaries import (
    COREDNS,
    ETCD,
    FETCH_REMEDY,
    KIND,
    KUBERNETES,
    METRICS_SERVER,
    PAUSE,
    Binaries,
    find_go,
)
from slipway_dev.engines import Engine
from slipway_dev.errors import Failure
from slipway_dev.kind import METRICS_IMAGE
from slipway_dev.steps import run, say, step

RECIPE = Path(__file__).parents[1] / "kind-node"
IMAGE = f"localhost/slipway-kind-node:{KUBERNETES.version}"
EMPTY = f"{IMAGE}-empty"  # before its pods' images are in it
PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "conntrack",
    "ethtool",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "mount",
    "nftables",
    "procps",
    "systemd",
)
DEBIAN = f"localhost/slipway-kind-debian:{debian.recipe(PACKAGES)}"
REMEDY = "name a node image of kind's that is there in SLIPWAY_KIND_IMAGE"
ON_NODES = ("kubeadm", "kubectl", "kubelet")
IN_PODS = {
    **{name: (KUBERNETES, name) for name in KUBERNETES.programs if name not in ON_NODES},
    "etcd": (ETCD, "server"),
    **{module.name: (module, module.name) for module in (COREDNS, METRICS_SERVER, PAUSE)},
}
STAGES = ("coredns", "metrics-server", "pause")  # whose pods name no program
STARTED = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'


def make(docker: Engine) -> None:
    """Build the node, then the images of its pods, and put these into it."""
    binaries = Binaries.of(os.environ)
    binaries.build()
    debian.ensure(docker, DEBIAN, PACKAGES, REMEDY)
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        lay_out(context, binaries, kind_files())
        images = pod_images(binaries, context / "kind")
        with step("build the node, and images of its pods"):
            _build(docker, context, "node", [EMPTY])
            for stage, named in groupby(sorted(images, key=stage_of), stage_of):
                _build(docker, context, stage, list(named))
    with step(f"make {IMAGE}"):
        _put_in(images)


def lay_out(context: Path, binaries: Binaries, of_kind: Path) -> None:
    """Lay out the folder that the Containerfile copies from.

    Args:
        context: an empty folder.
        binaries: built programs.
        of_kind: the files that kind puts into its own image.
    """
    shutil.copytree(of_kind, context / "kind", copy_function=shutil.copyfile)
    shutil.copytree(RECIPE / "files", context / "files")
    (context / "files/kind/version").write_text(KUBERNETES.version)
    (context / "files/kind/manifests/default-storage.yaml").write_text(_names())
    for folder in ("node", "pods"):
        (context / folder).mkdir()
    for name in ON_NODES:
        shutil.copy(binaries.path(KUBERNETES, name), context / "node")
    for name, (module, program) in IN_PODS.items():
        shutil.copy(binaries.path(module, program), context / "pods" / name)


def _names() -> str:
    """CoreDNS' settings: those of kubeadm ask for plugins that ours is built without.

    kind applies this last, as what is to be known of storage.
    """
    documents = yaml.safe_load_all(templates.render("coredns.yaml", image="", dns=""))
    return json.dumps(next(found for found in documents if found["kind"] == "ConfigMap"))


def kind_files() -> Path:
    """The files of kind's image, which its Go module brings along."""
    download: list[str | Path] = [find_go(), "mod", "download", "-json", "sigs.k8s.io/kind"]
    told = run(download, cwd=KIND.folder, remedy=FETCH_REMEDY)
    return Path(json.loads(told)["Dir"], "images", "base", "files")


def pod_images(binaries: Binaries, of_kind: Path) -> list[str]:
    """Name the images that a cluster needs: kubeadm's, containerd's sandbox and metrics-server."""
    kubeadm = binaries.path(KUBERNETES, "kubeadm")
    named = run([kubeadm, "config", "images", "list", f"--kubernetes-version={KUBERNETES.version}"])
    containerd = tomllib.loads((of_kind / "etc/containerd/config.toml").read_text())
    sandbox = containerd["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"]
    return sorted({*named.split(), sandbox, METRICS_IMAGE})


def stage_of(image: str) -> str:
    """The stage of the Containerfile that an image is."""
    name = image.rpartition("/")[2].partition(":")[0]
    return name if name in STAGES else "kubernetes"


def _build(docker: Engine, context: Path, stage: str, names: Sequence[str]) -> None:
    first, *others = names
    options = ["--target", stage, "--build-arg", f"DEBIAN={DEBIAN}"]
    options += [word for other in others for word in ("--tag", other)]
    docker.build(first, RECIPE / "Containerfile", context, *options)


def _put_in(images: Sequence[str]) -> None:
    """Let a node's containerd import the images, and keep what comes of it."""
    name = f"slipway-kind-node-{os.getpid()}"
    started = f"docker run --name={name} --interactive --security-opt=seccomp=unconfined"
    imports = f"{started} --entrypoint=import-images {EMPTY}"
    try:
        run(["sh", "-c", f"docker save {' '.join(images)} | {imports}"])
        run(["docker", "commit", f"--change={STARTED}", name, IMAGE])
    finally:
        run(["docker", "rm", "--force", name])
    # Under names of others they would mislead; their layers stay, for the next time.
    run(["docker", "rmi", "--no-prune", *images, EMPTY])


def main() -> None:
    """Make it, and print its name."""
    make(Engine("docker", ("docker",)))
    say(f"use it: export SLIPWAY_KIND_IMAGE={IMAGE}")
    print(IMAGE)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
