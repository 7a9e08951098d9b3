from pathlib import Path

import pytest

from slipway_dev.bare.cluster import BareCluster
from slipway_dev.cluster import find
from slipway_dev.errors import Failure
from slipway_dev.kind import KindCluster
from slipway_dev.named import NamedCluster


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": str(tmp_path / "bin"), "SLIPWAY_DEV_STATE": str(tmp_path / "state")}


def install(environ: dict[str, str], name: str, script: str = "exit 0") -> None:
    program = Path(environ["PATH"], name)
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_kind_is_chosen_where_docker_answers(environ: dict[str, str]) -> None:
    install(environ, "docker")
    assert isinstance(find(environ), KindCluster)


def test_a_docker_client_without_an_engine_is_not_chosen(environ: dict[str, str]) -> None:
    install(environ, "kind")
    install(environ, "docker", "exit 1")
    assert isinstance(find(environ), BareCluster)


def test_a_named_context_comes_before_all_else(environ: dict[str, str]) -> None:
    install(environ, "kind")
    install(environ, "docker")
    named = find({**environ, "KUBECONFIG": "/home/me/config", "SLIPWAY_CONTEXT": "staging"})
    assert isinstance(named, NamedCluster)
    assert (named.kubeconfig, named.context) == (Path("/home/me/config"), "staging")


def test_the_context_on_the_command_line_wins(environ: dict[str, str]) -> None:
    named = {**environ, "KUBECONFIG": "/home/me/config", "SLIPWAY_CONTEXT": "staging"}
    assert find(named, context="test").context == "test"


def test_a_foreign_kubeconfig_is_refused_until_its_context_is_named(
    environ: dict[str, str],
) -> None:
    with pytest.raises(Failure, match=r"/home/me/config.*(?s:.*)--context NAME.*SLIPWAY_CONTEXT"):
        find({**environ, "KUBECONFIG": "/home/me/config"})


def test_our_own_kubeconfig_in_the_environment_is_not_foreign(environ: dict[str, str]) -> None:
    own = {**environ, "KUBECONFIG": f"{environ['SLIPWAY_DEV_STATE']}/kubeconfig"}
    assert isinstance(find(own), BareCluster)


def test_a_context_without_a_kubeconfig_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(Failure, match="KUBECONFIG does not name a file"):
        find(environ, context="staging")
