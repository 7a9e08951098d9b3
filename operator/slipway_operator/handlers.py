"""Where Kubernetes wakes us: watch events go into the cache and ring the queue, and nothing else.

kopf is a watch front end here. Its state-changing handlers, indices, timers and daemons would put
annotations and finalizers on users' objects.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any

import kopf

from slipway_operator.cache import Cache
from slipway_operator.core import names
from slipway_operator.core.manifest import OWNED, Kind
from slipway_operator.queue import Queue

EXIT_SECONDS = 20
"""When one watch fails for good, kopf may wait for the others without end; then it is killed."""


class Patience:
    """Seconds between tries while no API server answers: without end, and never long."""

    def __iter__(self) -> Iterator[float]:
        """Begin anew."""
        return chain((0.2, 0.5, 1.0, 2.0), repeat(3.0))


class NoMemory(kopf.DiffBaseStorage):
    """Does not find out what changed in an object.

    kopf would copy each object twice at each event to find out, which none of our handlers asks
    for, and which was half of what an event costs.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Find nothing essential in an object."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Know nothing of how an object was before."""

    def store(self, **_: Any) -> None:
        """Remember nothing."""


def configure(settings: kopf.OperatorSettings) -> None:
    """Set what keeps kopf lean, quiet, and awake when a watch dies silently.

    What is listed waits in memory for its turn, so it is listed in small pages; a limit of workers
    would only make it wait longer.
    """
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoMemory()
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = 0.05
    settings.watching.chunk_size = 100
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 300
    settings.process.ultimate_exiting_timeout = EXIT_SECONDS
    settings.networking.error_backoffs = Patience()
    for kind in OWNED:
        settings.watching.label_selectors[kind.plural] = names.SELECTOR


def register(
    registry: kopf.OperatorRegistry, kinds: Iterable[Kind], cache: Cache, queue: Queue
) -> None:
    """Watch ModelDeployments and everything that the operator makes for them."""
    for kind in kinds:
        _watch(registry, kind, cache, queue)


def _watch(registry: kopf.OperatorRegistry, kind: Kind, cache: Cache, queue: Queue) -> None:
    group, _, version = kind.api_version.rpartition("/")

    @kopf.on.event(group, version, kind.plural, registry=registry, id=kind.plural)
    async def wake(event: kopf.RawEvent, **_: Any) -> None:
        body = event["object"]
        ref = cache.drop(kind, body) if event["type"] == "DELETED" else cache.put(kind, body)
        if ref is not None:
            queue.add(ref)
