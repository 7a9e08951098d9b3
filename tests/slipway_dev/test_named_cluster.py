from pathlib import Path

import pytest

from slipway_dev.errors import Failure
from slipway_dev.named import Named, NamedCluster


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that only writes down how it was called."""
    calls = tmp_path / "calls"
    calls.touch()
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return calls


@pytest.fixture
def staging() -> NamedCluster:
    return NamedCluster(Named(Path("/home/me/config"), "staging", registry=""))


def test_every_call_says_which_cluster_it_means(staging: NamedCluster, calls: Path) -> None:
    staging.up()
    staging.run("get", "pods")
    where = "--kubeconfig=/home/me/config --context=staging"
    assert calls.read_text().splitlines() == [
        f"{where} get --raw=/readyz",
        f"{where} get pods",
    ]


def test_down_leaves_it_alone(staging: NamedCluster, calls: Path) -> None:
    staging.down(purge=True)
    assert calls.read_text() == ""


def test_loading_an_image_says_how_the_user_can_do_it(staging: NamedCluster) -> None:
    with pytest.raises(Failure, match=r"docker push example\.org/runtime:1"):
        staging.load_image("example.org/runtime:1")


def test_its_nodes_have_no_switches(staging: NamedCluster) -> None:
    with pytest.raises(Failure, match="cluster of yours"):
        staging.node("n1")


def test_without_a_registry_it_asks_for_one(staging: NamedCluster) -> None:
    with pytest.raises(Failure, match="SLIPWAY_REGISTRY"):
        _ = staging.registry
