"""What the operator needs from the world, as small interfaces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from slipway_operator.core.diagnose import Fault
from slipway_operator.core.events import Event
from slipway_operator.core.manifest import Kind, Manifest
from slipway_operator.core.reading import Reading
from slipway_operator.core.rollout import Move


class Ref(NamedTuple):
    """The one object that a pass is about."""

    namespace: str
    name: str


class BlockedError(Exception):
    """One object can't be written, and trying again won't help until somebody acts."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class ApiError(Exception):
    """The API server did not do what it was asked; another try may succeed.

    ``status`` is 0 when no answer came; ``retry_after`` is how many seconds it asked to wait.
    """

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{message} (status {status})")
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether this is about the API server, not about what it was asked."""
        return self.status in {0, 429} or self.status >= 500


class Cluster(Protocol):
    """What is known of one API server, and writes to it.

    ``model`` and ``children`` answer from memory, kept up to date by watches and by our own
    writes; everything else is a request.
    """

    def model(self, ref: Ref) -> Manifest | None:
        """Find a ModelDeployment, or None if it is gone."""

    def children(self, ref: Ref) -> Sequence[Manifest]:
        """List the objects that carry the model's label."""
        ...

    def knows(self, kind: Kind) -> bool:
        """Say whether the API server has a kind that it may lack."""
        ...

    async def live(self, manifest: Manifest) -> Manifest | None:
        """Get the present state of an object, or None if there is none."""

    async def pods(self, ref: Ref, fingerprints: Sequence[str]) -> Sequence[Manifest]:
        """List the pods of some of a model's revisions."""
        ...

    async def glance(
        self, kind: Kind, namespace: str | None, fields: str, limit: int
    ) -> Sequence[Manifest] | None:
        """List what a field selector selects, in one namespace or in all.

        None if there are more than ``limit``, or the operator may not look, or nobody answers.
        """

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply one whole object, forcing ownership of its fields; return the result.

        Raises:
            BlockedError: If the API server refuses what the object says.
        """
        ...

    async def overwrite(self, manifest: Manifest) -> None:
        """Write one whole object so that its lists hold nothing of anybody else's.

        Raises:
            BlockedError: If the API server refuses what the object says.
        """

    async def set_replicas(self, deployment: Manifest, replicas: int) -> None:
        """Write the replica count of a Deployment, under a field manager of its own."""

    async def move(self, ref: Ref, move: Move) -> None:
        """Give a pod the label of another track, and note what it had answered before."""

    async def delete(self, child: Manifest) -> None:
        """Delete an object if it is still the one that is known; its pods drain."""

    async def apply_status(self, model: Manifest, status: Mapping[str, Any]) -> None:
        """Server-side apply the whole status."""

    async def tell(self, model: Manifest, event: Event, now: datetime) -> None:
        """Post an Event about the ModelDeployment; the same one twice is one."""


class Signals(Protocol):
    """What pods say of themselves."""

    async def status(self, address: str) -> Mapping[str, Any] | None:
        """Ask a runtime for its ``/status``; None when it does not answer."""

    async def verification(self, address: str) -> Mapping[str, Any] | None:
        """Ask a runtime what its verification found; None when it does not answer."""

    async def verify(self, address: str) -> None:
        """Tell a runtime to verify all rows; one that does so, or has, goes on as it is."""


class Prometheus(Protocol):
    """What has been measured elsewhere."""

    async def read(self, query: str, namespace: str) -> Reading:
        """Ask for one number, in PromQL, for a namespace; what comes instead is in the answer."""
        ...


class Turns(Protocol):
    """Whose turn it is where only one model at a time may be changed."""

    def take(self, ref: Ref) -> bool:
        """Say whether it is this model's turn; it keeps it until its status says it is done."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the core that one pass uses.

    ``release_image`` is the runtime image that new revisions get when the user names none; models
    that follow it are upgraded in ``turns``.
    """

    cluster: Cluster
    signals: Signals
    prometheus: Prometheus
    clock: Callable[[], datetime]
    release_image: str
    turns: Turns
