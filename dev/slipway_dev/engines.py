"""The program that builds images: docker, podman or buildah, whichever answers first."""

from dataclasses import dataclass
from pathlib import Path

from slipway_dev.packages import need
from slipway_dev.state import state_folder
from slipway_dev.steps import run, succeeds


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to build images.

    Attributes:
        name: docker, podman or buildah.
        command: the program with the options that come before the verb.
        build_options: options of its `build`.
        keeps_to_itself: whether other programs can't see what it built.
        can_pull: whether the base image may come from a public registry.
    """

    name: str
    command: tuple[str, ...]
    build_options: tuple[str, ...] = ()
    keeps_to_itself: bool = False
    can_pull: bool = True

    def has(self, image: str) -> bool:
        """Whether the image is in the engine's storage."""
        return succeeds([*self.command, "inspect", "--type", "image", image])

    def build(self, image: str, containerfile: Path, context: Path, *options: str) -> None:
        """Build an image from a folder."""
        told = [*self.build_options, *options, "--tag", image, "--file", str(containerfile)]
        run([*self.command, "build", *told, str(context)])

    def push(self, image: str) -> None:
        """Send an image to the registry in its name, where layers that it has are skipped."""
        registry = image.partition("/")[0]
        plain = ["--tls-verify=false"] if self.keeps_to_itself and _is_local(registry) else []
        remedy = f"is the registry up? If it wants a password: {self.name} login {registry}"
        run([*self.command, "push", *plain, image], remedy=remedy)


def _is_local(registry: str) -> bool:
    return registry.partition(":")[0] in ("localhost", "127.0.0.1")


def choose() -> Engine:
    """Take docker when its engine answers, else podman, else buildah.

    Raises:
        Failure: there is none, and buildah can't be installed from here.
    """
    for name in ("docker", "podman"):
        if succeeds([name, "info"]):
            return Engine(name, (name,))
    need("buildah")
    return _buildah()


def _buildah() -> Engine:
    """Buildah in a storage of its own, so that all of it can be removed."""
    folder = state_folder() / "images"
    storage = ("--root", f"{folder}/storage", "--runroot", f"{folder}/run")
    return Engine(
        "buildah",
        ("buildah", *storage, "--storage-driver", "overlay"),
        build_options=("--isolation", "chroot", "--layers", "--quiet"),
        keeps_to_itself=True,
        can_pull=False,
    )
