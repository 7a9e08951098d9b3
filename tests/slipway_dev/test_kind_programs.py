from pathlib import Path

import pytest

from slipway_dev.bare.binaries import KIND, Binaries
from slipway_dev.errors import Failure
from slipway_dev.kind_programs import bring_kubectl, find_kind, find_kubectl


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def install(environ: dict[str, str], name: str) -> Path:
    program = Path(environ["PATH"], name)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_kind_is_the_users_where_there_is_one(environ: dict[str, str]) -> None:
    found = install(environ, "kind")

    assert find_kind(environ) == found


def test_kind_is_built_once(environ: dict[str, str]) -> None:
    built = Binaries.of(environ).path(KIND)
    built.parent.mkdir(parents=True)

    assert find_kind(environ) == built


def test_without_kind_and_without_go_either_can_be_installed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway_dev.bare.binaries.GO_PLACES", ())
    monkeypatch.setenv("PATH", environ["PATH"])

    with pytest.raises(Failure, match=r"looking for Go(?s:.*)install kind 0.30 or newer, or"):
        find_kind(environ)


def test_kubectl_is_the_users_where_there_is_one(environ: dict[str, str], tmp_path: Path) -> None:
    found = install(environ, "kubectl")

    assert find_kubectl(environ, tmp_path / "copy") == found
    bring_kubectl(found, tmp_path / "copy", "slipway-control-plane")  # needs no docker


def test_kubectl_is_a_copy_of_the_nodes_where_there_is_none(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", environ["PATH"], prepend=":")
    docker = install(environ, "docker")
    docker.write_text('#!/bin/sh\necho "$1 $2" > $3\n')
    copy = tmp_path / "copy"

    found = find_kubectl(environ, copy)
    bring_kubectl(found, copy, "slipway-control-plane")

    assert found == copy
    assert copy.read_text() == "cp slipway-control-plane:/usr/bin/kubectl\n"
