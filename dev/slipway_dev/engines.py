"""The program that builds images: docker, podman or buildah, whichever answers first."""

from dataclasses import dataclass
from pathlib import Path

from slipway_dev.errors import Failure
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
        can_pull: whether the base image may come from a public registry.
    """

    name: str
    command: tuple[str, ...]
    build_options: tuple[str, ...] = ()
    can_pull: bool = True

    def has(self, image: str) -> bool:
        """Whether the image is in the engine's storage."""
        return succeeds([*self.command, "inspect", "--type", "image", image])

    def pull(self, image: str) -> None:
        """Bring an image from its registry into the engine's storage."""
        run([*self.command, "pull", image])

    def build(self, image: str, containerfile: Path, context: Path, *options: str) -> None:
        """Build an image from a folder."""
        told = [*self.build_options, *options, "--tag", image, "--file", str(containerfile)]
        run([*self.command, "build", *told, str(context)])

    def push(self, image: str) -> None:
        """Send an image to the registry in its name, where layers that it has are skipped."""
        registry = image.partition("/")[0]
        remedy = f"is the registry up? If it wants a password: {self.name} login {registry}"
        run([*self.command, "push", *self._plain_http(registry), image], remedy=remedy)

    def _plain_http(self, registry: str) -> tuple[str, ...]:
        """Docker does without TLS for this machine's own registry, the others have to be told."""
        local = registry.partition(":")[0] in ("localhost", "127.0.0.1")
        return ("--tls-verify=false",) if local and self.name != "docker" else ()


def push(image: str) -> None:
    """Push an image that was built on this host to the registry that its name begins with.

    Raises:
        Failure: it was not built here, or the registry does not take it.
    """
    engine = choose()
    if not engine.has(image):
        raise Failure(
            f"looking for image {image}",
            f"{engine.name} does not have it",
            remedy="build it under this name, or give the OCI archive that holds it",
        )
    engine.push(image)


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
        can_pull=False,
    )
