import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
# Spelled in parts, for this file is searched as well.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("npmjs", "org"),
    ]
]


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("folder", ["operator", "runtime", "tests/slipway_operator"])
def test_folders_that_would_shadow_a_package_are_none(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_merge_is_left_half_done() -> None:
    marks = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)
    assert [path for path in tracked() if marks.search(path.read_bytes())] == []


def test_no_file_names_a_registry_of_packages() -> None:
    named = re.compile("|".join(re.escape(host) for host in REGISTRY_HOSTS))

    assert [file for file in tracked() if named.search(file.read_text(errors="replace"))] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_locked_package_has_a_version_and_hashes(lock: Path) -> None:
    packages = re.split(r"\n(?=\S)", lock.read_text().strip())

    assert [
        package.splitlines()[0]
        for package in packages
        if not re.match(r"[\w.\[\]-]+==\S+", package) or "--hash=sha256:" not in package
    ] == []


def test_there_is_a_lock_for_each_image_and_each_environment() -> None:
    peers = [f"peer-{file.stem}" for file in sorted((ROOT / "bench" / "peers").glob("*.in"))]
    assert [lock.stem for lock in LOCKS] == sorted(
        ["clients", "dev", "fuzz", "operator", "runtime", *peers]
    )


@pytest.mark.parametrize(
    "page", [f for f in tracked() if f.suffix == ".md"], ids=lambda page: page.name
)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []
