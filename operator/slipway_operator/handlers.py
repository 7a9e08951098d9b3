"""Where Kubernetes wakes us: watch events go into the cache and ring the queue, and nothing else.

kopf is a watch front end here. Its state-changing handlers, indices, timers and daemons would put
annotations and finalizers on users' objects.
"""

from typing import Any

import kopf

from slipway_operator.cache import Cache
from slipway_operator.core import names
from slipway_operator.core.manifest import MODEL, OWNED, Kind
from slipway_operator.queue import Queue

EXIT_SECONDS = 20
"""When one watch fails for good, kopf may wait for the others without end; then it is killed."""


def configure(settings: kopf.OperatorSettings) -> None:
    """Set what keeps kopf lean, quiet, and awake when a watch dies silently."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = 0.05
    settings.queueing.worker_limit = 100
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 300
    settings.process.ultimate_exiting_timeout = EXIT_SECONDS
    for kind in OWNED:
        settings.watching.label_selectors[kind.plural] = names.SELECTOR


def register(registry: kopf.OperatorRegistry, cache: Cache, queue: Queue) -> None:
    """Watch ModelDeployments and everything that the operator makes for them."""
    for kind in (MODEL, *OWNED):
        _watch(registry, kind, cache, queue)


def _watch(registry: kopf.OperatorRegistry, kind: Kind, cache: Cache, queue: Queue) -> None:
    group, _, version = kind.api_version.rpartition("/")

    @kopf.on.event(group, version, kind.plural, registry=registry, id=kind.plural)
    async def wake(event: kopf.RawEvent, **_: Any) -> None:
        body = event["object"]
        ref = cache.drop(kind, body) if event["type"] == "DELETED" else cache.put(kind, body)
        if ref is not None:
            queue.add(ref)
