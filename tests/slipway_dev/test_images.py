import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_dev import base_image
from slipway_dev.engines import Engine, choose
from slipway_dev.image_context import Context

PYPROJECT = """[project]
[project.scripts]
slipway-runtime = "slipway_runtime.__main__:main"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, content in {
        "Containerfile": "FROM base\n",
        "pyproject.toml": PYPROJECT,
        "locks/runtime.txt": "",
        "locks/operator.txt": "",
        "runtime/slipway_runtime/__main__.py": "def main(): ...\n",
        "runtime/slipway_runtime/py.typed": "",
        "operator/slipway_operator/__main__.py": "",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["Containerfile", "locks/runtime.txt", "runtime/slipway_runtime/__main__.py"],
)
def test_a_change_of_what_goes_into_an_image_changes_its_tag(repository: Path, name: str) -> None:
    before = Context("runtime", repository).tag("base")

    (repository / name).write_text("# changed\n")

    assert Context("runtime", repository).tag("base") != before


def test_another_base_image_changes_the_tag(repository: Path) -> None:
    context = Context("runtime", repository)

    assert context.tag("another") != context.tag("base")


def test_another_entry_point_changes_the_tag(repository: Path) -> None:
    before = Context("runtime", repository).tag("base")

    (repository / "pyproject.toml").write_text(PYPROJECT.replace("__main__", "cli"))

    assert Context("runtime", repository).tag("base") != before


def test_renaming_a_source_changes_the_tag(repository: Path) -> None:
    before = Context("runtime", repository).tag("base")

    folder = repository / "runtime/slipway_runtime"
    (folder / "__main__.py").rename(folder / "cli.py")

    assert Context("runtime", repository).tag("base") != before


def test_what_does_not_go_into_an_image_leaves_its_tag(repository: Path) -> None:
    before = Context("runtime", repository).tag("base")

    (repository / "operator/slipway_operator/__main__.py").write_text("# changed\n")
    (repository / "locks/operator.txt").write_text("# changed\n")
    cache = repository / "runtime/slipway_runtime/__pycache__"
    cache.mkdir()
    (cache / "__main__.cpython-311.pyc").write_bytes(b"compiled")

    assert Context("runtime", repository).tag("base") == before


@pytest.fixture
def private_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private_umask")
def test_anyone_may_run_the_launcher_and_read_the_source(repository: Path) -> None:
    folder = Context("runtime", repository).prepare()

    launcher, source = folder / "bin/slipway-runtime", folder / "source/slipway_runtime/py.typed"
    assert "from slipway_runtime.__main__ import main" in launcher.read_text()
    assert launcher.stat().st_mode & 0o555 == 0o555
    assert source.stat().st_mode & 0o444 == 0o444
    assert source.parent.stat().st_mode & 0o555 == 0o555


def test_a_source_that_is_gone_leaves_the_context(repository: Path) -> None:
    folder = Context("runtime", repository).prepare()

    (repository / "runtime/slipway_runtime/py.typed").unlink()
    Context("runtime", repository).prepare()

    assert not (folder / "source/slipway_runtime/py.typed").exists()


@pytest.mark.parametrize(
    ("answering", "chosen"),
    [
        ({"docker": True, "podman": True, "buildah": True}, "docker"),
        ({"docker": False, "podman": True, "buildah": True}, "podman"),
        ({"docker": False, "buildah": True}, "buildah"),
    ],
)
def test_the_first_engine_that_answers_builds(
    answering: dict[str, bool], chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, answers in answering.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {0 if answers else 1}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    monkeypatch.setattr("slipway_dev.packages.SYSTEM_PATH", str(tmp_path))

    assert choose().name == chosen


@pytest.fixture
def base_named_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_BASE_IMAGE", raising=False)


def engine(folder: Path, script: str, *, can_pull: bool = True) -> Engine:
    program = folder / "engine"
    program.write_text(f'#!/bin/sh\ncase "$1" in\n{script}\nesac\n')
    program.chmod(0o755)
    return Engine("engine", (str(program),), can_pull=can_pull)


@pytest.mark.usefixtures("base_named_by_nobody")
def test_the_public_base_is_pulled_where_it_is_missing(tmp_path: Path) -> None:
    pulls = engine(tmp_path, f"inspect) exit 1 ;;\npull) echo $2 > {tmp_path}/pulled ;;")

    assert base_image.choose(pulls) == base_image.PUBLIC
    assert (tmp_path / "pulled").read_text().strip() == base_image.PUBLIC


@pytest.mark.usefixtures("base_named_by_nobody")
def test_a_base_that_is_there_is_not_pulled(tmp_path: Path) -> None:
    has = engine(tmp_path, "pull) exit 1 ;;")

    assert base_image.choose(has) == base_image.PUBLIC


@pytest.mark.usefixtures("base_named_by_nobody")
def test_an_engine_that_reaches_no_registry_builds_on_our_own_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offline = engine(tmp_path, "inspect) exit 1 ;;\npull) echo no such host >&2; exit 1 ;;")

    assert base_image.choose(offline) == base_image.IMAGE
    assert "can't be pulled: status 1: no such host" in capsys.readouterr().err


@pytest.mark.usefixtures("base_named_by_nobody")
def test_an_engine_without_registries_is_not_asked_to_pull(tmp_path: Path) -> None:
    local = engine(tmp_path, "inspect) exit 1 ;;\npull) exit 0 ;;", can_pull=False)

    assert base_image.choose(local) == base_image.IMAGE


def test_a_base_that_is_named_is_taken_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_BASE_IMAGE", "mirror/python:3.12")

    assert base_image.choose(engine(tmp_path, "*) exit 1 ;;")) == "mirror/python:3.12"
