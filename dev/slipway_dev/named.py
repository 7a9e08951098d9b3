"""A cluster that the user names: used as it is, never made, never removed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from slipway_dev.errors import Failure
from slipway_dev.kubectl import Kubectl
from slipway_dev.state import state_folder
from slipway_dev.steps import say

OWN_KUBECONFIGS = ("kubeconfig", "kind.kubeconfig")


@dataclass(frozen=True, slots=True)
class Named:
    """What the user named.

    Attributes:
        kubeconfig: the file.
        context: the one context in it that may be touched.
        registry: where images go, from `SLIPWAY_REGISTRY`; "" when not said.
    """

    kubeconfig: Path
    context: str
    registry: str


def named_kubeconfig(environ: Mapping[str, str], context: str | None) -> Named | None:
    """Read which cluster the user named; None when nobody did, or when it is one of ours.

    Raises:
        Failure: there is a file without a context, or a context without a file.
    """
    text = environ.get("KUBECONFIG", "")
    chosen = context or environ.get("SLIPWAY_CONTEXT", "")
    own = {state_folder(environ) / name for name in OWN_KUBECONFIGS}
    if not text or Path(text).absolute() in own:
        if chosen:
            raise Failure(
                f"using the context {chosen}",
                "KUBECONFIG does not name a file that holds it",
                remedy="set KUBECONFIG, or take the context back",
            )
        return None
    if not chosen:
        raise Failure(
            "choosing a cluster",
            f"KUBECONFIG is {text}, but not which context in it may be touched",
            remedy="add --context NAME or set SLIPWAY_CONTEXT; or unset KUBECONFIG for a local one",
        )
    return Named(Path(text), chosen, environ.get("SLIPWAY_REGISTRY", ""))


class NamedCluster:
    """A cluster of the user's; see `slipway_dev.cluster.Cluster` for what its members mean."""

    audit_log = None
    kubectl = Path("kubectl")

    def __init__(self, named: Named) -> None:
        self._named = named
        self._kubectl = Kubectl(self.kubectl, named.kubeconfig, named.context)

    @property
    def kubeconfig(self) -> Path:
        """The user's own file."""
        return self._named.kubeconfig

    @property
    def context(self) -> str:
        """The context that the user named."""
        return self._named.context

    @property
    def registry(self) -> str:
        """Where the user said that images go.

        Raises:
            Failure: the user did not say.
        """
        if not self._named.registry:
            raise Failure(
                "choosing a registry",
                f"the nodes of {self.context} can't reach this host's images",
                remedy="set SLIPWAY_REGISTRY to one that you may push to and they may pull from",
            )
        return self._named.registry

    def up(self, nodes: int | None = None) -> None:
        """Only look whether it answers."""
        del nodes
        self.run("get", "--raw=/readyz")
        say(f"{self.context} answers; it is yours, so nothing was changed")

    def down(self, *, purge: bool = False) -> None:
        """Leave it alone."""
        del purge
        say(f"{self.context} was not made by this command, so it stays as it is")

    def status(self) -> str:
        """Its nodes."""
        return self.run("get", "nodes", "-o", "wide")

    def load_image(self, image: str, archive: Path | None = None) -> NoReturn:
        """Say how the user can do it.

        Raises:
            Failure: always.
        """
        del archive
        raise Failure(
            f"loading image {image}",
            f"{self.context} is a cluster of yours, and its nodes pull from a registry only",
            remedy=f"`docker push {image}` (or podman, or buildah), with your credentials",
        )

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl in the named context."""
        return self._kubectl.run(*args, stdin=stdin)

    def node(self, name: str) -> NoReturn:
        """Refuse.

        Raises:
            Failure: always.
        """
        raise Failure(f"reaching for node {name}", f"{self.context} is a cluster of yours")
