"""The folder that an image is built from: dependencies, launcher and source of one component.

Dependencies are brought here, on the host, so that the build itself needs no network.
"""

import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from slipway_dev.steps import run, step

PYTHON = "3.11"
# The C libraries that wheels may ask for: the base image has glibc 2.36.
GLIBC_MINORS = range(17, 37)
LAUNCHER = """#!/usr/bin/env python3
import sys

from {module} import {function}

sys.exit({function}())
"""


@dataclass(frozen=True, slots=True)
class Context:
    """What goes into one image.

    Attributes:
        component: operator or runtime.
        root: the repository.
    """

    component: str
    root: Path = Path(__file__).parents[2]

    @property
    def containerfile(self) -> Path:
        """The recipe of both images."""
        return self.root / "Containerfile"

    def tag(self, base: str) -> str:
        """Hash all that goes into the image: the same tag means the same image."""
        digest = sha256(f"{base} {platform.machine()} {self._launcher()}".encode())
        for file in (self.containerfile, self._lock, *self._sources()):
            digest.update(f"\0{file.relative_to(self.root)}\0".encode() + file.read_bytes())
        return digest.hexdigest()[:12]

    def prepare(self) -> Path:
        """Lay out the folder that the Containerfile copies from."""
        os.umask(0o022)  # the image's user has to read what root, or anyone, lays out here
        folder = self.root / "build" / "images" / self.component
        self._bring_dependencies(folder / "dependencies")
        self._write_launcher(folder / "bin")
        self._copy_source(folder / "source")
        return folder

    def _bring_dependencies(self, target: Path) -> None:
        """Install the locked wheels for the image's Python, whatever Python runs here."""
        wanted = sha256(self._lock.read_bytes() + platform.machine().encode()).hexdigest()
        done = target.with_suffix(".done")
        if done.exists() and done.read_text() == wanted:
            return
        done.unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", *_pip_options(platform.machine())]
        with step(f"bring the dependencies of the {self.component} image"):
            run([*pip, "--target", target, "--requirement", self._lock])
        for unused in (target / "bin", *target.rglob("tests")):
            shutil.rmtree(unused, ignore_errors=True)
        done.write_text(wanted)

    def _write_launcher(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file = folder / f"slipway-{self.component}"
        file.write_text(self._launcher())
        file.chmod(0o755)

    def _launcher(self) -> str:
        project = tomllib.loads((self.root / "pyproject.toml").read_text())["project"]
        entry = project["scripts"][f"slipway-{self.component}"]
        module, _, function = entry.partition(":")
        return LAUNCHER.format(module=module, function=function)

    def _copy_source(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for file in self._sources():
            copy = folder / file.relative_to(self.root / self.component)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)

    def _sources(self) -> Sequence[Path]:
        package = self.root / self.component / f"slipway_{self.component}"
        return sorted(
            file for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc"
        )

    @property
    def _lock(self) -> Path:
        return self.root / "locks" / f"{self.component}.txt"


def _pip_options(machine: str) -> list[str]:
    chosen = ["--quiet", "--require-hashes", "--no-deps", "--no-compile", "--only-binary=:all:"]
    chosen += ["--implementation=cp", f"--python-version={PYTHON}"]
    platforms = [f"manylinux2014_{machine}"]
    platforms += [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
    return chosen + [f"--platform={name}" for name in platforms]
