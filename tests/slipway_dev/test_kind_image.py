import json
from pathlib import Path

import pytest

from slipway_dev.bare.binaries import ALL_MODULES, KUBERNETES, Binaries
from slipway_dev.kind_image import RECIPE, lay_out, pod_images, stage_of

CONTAINERD = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
"""


@pytest.fixture
def of_kind(tmp_path: Path) -> Path:
    """The files that kind puts into its own image."""
    folder = tmp_path / "of-kind"
    (folder / "etc/containerd").mkdir(parents=True)
    (folder / "etc/containerd/config.toml").write_text(CONTAINERD)
    return folder


@pytest.fixture
def binaries(tmp_path: Path) -> Binaries:
    """Programs that say their names, and a kubeadm that lists images."""
    made = Binaries(tmp_path / "bin")
    for module in ALL_MODULES:
        for program in module.programs:
            file = made.path(module, program)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"#!/bin/sh\necho registry.k8s.io/{program}:$4\n")
            file.chmod(0o755)
    return made


def test_the_images_are_kubeadms_and_containerds_and_that_of_metrics_server(
    binaries: Binaries, of_kind: Path
) -> None:
    assert pod_images(binaries, of_kind) == [
        "registry.k8s.io/kubeadm:--kubernetes-version=" + KUBERNETES.version,
        "registry.k8s.io/metrics-server/metrics-server:v0.7.2",
        "registry.k8s.io/pause:3.10",
    ]


@pytest.mark.parametrize(
    ("image", "stage"),
    [
        ("registry.k8s.io/coredns/coredns:v1.12.1", "coredns"),
        ("registry.k8s.io/metrics-server/metrics-server:v0.7.2", "metrics-server"),
        ("registry.k8s.io/pause:3.10", "pause"),
        ("registry.k8s.io/kube-proxy:v1.34.4", "kubernetes"),
        ("registry.k8s.io/etcd:3.6.5-0", "kubernetes"),
    ],
)
def test_an_image_whose_pods_name_no_program_starts_its_own(image: str, stage: str) -> None:
    assert stage_of(image) == stage
    assert f" AS {stage}\n" in (RECIPE / "Containerfile").read_text()


def test_programs_go_to_the_node_or_into_its_pods(
    tmp_path: Path, binaries: Binaries, of_kind: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()

    lay_out(context, binaries, of_kind)

    on_node = {file.name for file in (context / "node").iterdir()}
    in_pods = {file.name for file in (context / "pods").iterdir()}
    assert on_node == {"kubeadm", "kubectl", "kubelet"}
    assert on_node | in_pods >= set(KUBERNETES.programs)
    assert in_pods >= {"etcd", "coredns", "metrics-server", "pause"}
    assert (context / "files/kind/version").read_text() == KUBERNETES.version


def test_coredns_is_told_to_use_what_ours_is_built_with(
    tmp_path: Path, binaries: Binaries, of_kind: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()

    lay_out(context, binaries, of_kind)

    applied = json.loads((context / "files/kind/manifests/default-storage.yaml").read_text())
    assert applied["metadata"] == {"name": "coredns", "namespace": "kube-system"}
    assert "forward" not in applied["data"]["Corefile"]
