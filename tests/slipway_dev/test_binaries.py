import re
import shutil
from pathlib import Path

import pytest

from slipway_dev.bare import binaries
from slipway_dev.bare.binaries import (
    ALL_MODULES,
    COREDNS,
    ETCD,
    GATEWAY,
    GRPC,
    KIND,
    KUBERNETES,
    KWOK,
    PACKAGING,
    Module,
    go_version,
)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ETCD.folder, tmp_path / "etcd")
    monkeypatch.setattr(binaries, "MODULES", tmp_path)
    return tmp_path / "etcd"


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_a_changed_pin_is_another_build(copy: Path, file: str) -> None:
    before = ETCD.build
    with (copy / file).open("a") as text:
        text.write("\n")
    assert ETCD.build != before


def test_the_same_content_is_the_same_build_in_every_checkout(copy: Path) -> None:
    elsewhere = ETCD.build
    shutil.rmtree(copy)
    shutil.copytree(Path(__file__).parents[2] / "dev/tools/etcd", copy)
    assert ETCD.build == elsewhere


@pytest.mark.parametrize(
    "module", [*ALL_MODULES, GATEWAY, GRPC, KIND, KWOK], ids=lambda module: module.name
)
def test_every_program_is_a_tool_of_its_go_mod(module: Module) -> None:
    text = (module.folder / "go.mod").read_text()
    tools = [line.split()[-1] for line in text.splitlines() if "tool" in line or "/cmd/" in line]
    named = [tool.rsplit("/", 1)[-1] for tool in tools]
    for program in module.programs:
        assert program in named or f"{program}/v3" in text


@pytest.mark.parametrize(
    ("one", "other"),
    [(COREDNS, PACKAGING), (COREDNS, GATEWAY), (PACKAGING, GATEWAY)],
)
def test_what_two_programs_need_is_pinned_in_one_version_and_so_compiled_once(
    one: Module, other: Module
) -> None:
    shared = pins(one).keys() & pins(other).keys()
    assert len(shared) > 40
    assert {name: pins(one)[name] for name in shared} == {
        name: pins(other)[name] for name in shared
    }


def pins(module: Module) -> dict[str, str]:
    text = (module.folder / "go.mod").read_text()
    return dict(re.findall(r"^\t(\S+) (v\S+)(?: // indirect)?$", text, re.MULTILINE))


def test_kubernetes_is_told_its_version() -> None:
    assert f"gitVersion={KUBERNETES.version}" in KUBERNETES.ldflags
    assert "gitMajor=1 " in KUBERNETES.ldflags


def test_kubernetes_stays_on_the_last_version_that_takes_cgroup_v1() -> None:
    assert KUBERNETES.version.startswith("v1.34.")


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8\n", (1, 26)), ("go1.24rc1", (1, 24)), ("devel +abc", (0, 0))],
)
def test_go_version(text: str, version: tuple[int, int]) -> None:
    assert go_version(text) == version
