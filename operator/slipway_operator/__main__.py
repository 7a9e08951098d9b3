"""The composition root: settings, clock, clients, and the loop that ties them together."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
import kopf
import uvloop
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from slipway_operator import handlers
from slipway_operator.cache import Cache
from slipway_operator.core.manifest import MODEL, OWNED
from slipway_operator.kube import KubeCluster
from slipway_operator.ports import World
from slipway_operator.queue import Queue
from slipway_operator.reconcile import reconcile
from slipway_operator.settings import Settings
from slipway_operator.signals import PodSignals

LIVENESS = "http://0.0.0.0:8080/healthz"
IDENTITY: Any = "slipway-operator"
"""Named here, because kopf would ask for a user name, and user 65532 has none."""

log = logging.getLogger("slipway_operator")


def main() -> None:
    """Run the operator until it is told to stop."""
    kopf.configure(log_format=kopf.LogFormat.JSON)
    for chatty in ("kopf", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = Settings.read()
    with suppress(KeyboardInterrupt):
        uvloop.run(operate(settings))


async def operate(settings: Settings) -> None:
    """Fill the memory, start the workers, then watch."""
    async with _world(settings) as (world, cluster, cache):
        queue = Queue(partial(reconcile, world=world))
        await audit(cluster, cache, queue)
        registry, options = kopf.OperatorRegistry(), kopf.OperatorSettings()
        handlers.configure(options)
        handlers.register(registry, cache, queue)
        kopf.on.login(registry=registry)(_login)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(queue.run(settings.workers)),
                group.create_task(_audits(settings.audit_seconds, cluster, cache, queue)),
            ]
            # kopf waits 5 s at its end for tasks that are younger than itself: let ours be born.
            await asyncio.sleep(0)
            await kopf.operator(
                registry=registry,
                settings=options,
                identity=IDENTITY,
                standalone=True,
                clusterwide=True,
                liveness_endpoint=LIVENESS,
            )
            for task in background:
                task.cancel()


async def audit(cluster: KubeCluster, cache: Cache, queue: Queue) -> None:
    """List everything once: what a watch has missed is found, and what it never deleted is gone."""
    for kind in (*OWNED, MODEL):
        items, version = await cluster.everything(kind)
        for ref in cache.replace(kind, items, version):
            queue.add(ref)


async def _audits(period: float, cluster: KubeCluster, cache: Cache, queue: Queue) -> None:
    while True:
        await asyncio.sleep(period)
        try:
            await audit(cluster, cache, queue)
        except Exception:
            log.exception("the audit failed; again in %.0f s", period)


@asynccontextmanager
async def _world(settings: Settings) -> AsyncIterator[tuple[World, KubeCluster, Cache]]:
    await _configure_client()
    cache = Cache()
    async with ApiClient() as client, aiohttp.ClientSession() as session:
        cluster = KubeCluster(client, cache)
        world = World(cluster, PodSignals(session), _now, settings.runtime_image)
        yield world, cluster, cache


async def _configure_client() -> None:
    try:
        load_incluster_config()
    except ConfigException:
        await load_kube_config()


async def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
