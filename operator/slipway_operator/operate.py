"""The composition root: clocks, clients, and the tasks that the operator is made of."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import aiohttp
import kopf
import uvloop
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from slipway_operator import handlers, logs
from slipway_operator.api import Api
from slipway_operator.audits import AWAY_SECONDS, Audits
from slipway_operator.cache import Cache
from slipway_operator.console import console
from slipway_operator.kube import KubeCluster
from slipway_operator.lease import Clocks, Lease, LostError
from slipway_operator.line import Line
from slipway_operator.login import log_in
from slipway_operator.metrics import Metrics
from slipway_operator.ports import ApiError, Ref, World
from slipway_operator.prometheus import PrometheusApi
from slipway_operator.queue import Queue
from slipway_operator.reconcile import reconcile
from slipway_operator.settings import Settings
from slipway_operator.signals import PodSignals

IDENTITY: Any = "slipway-operator"
"""Named here, because kopf would ask for a user name, and user 65532 has none."""
DISCOVER_SECONDS = 10.0
LAST_WORDS_SECONDS = 1.0
"""How long a write that is on its way may take before the lease is released."""

log = logging.getLogger("slipway_operator")


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts of one operator."""

    settings: Settings
    lease: Lease
    cluster: KubeCluster
    cache: Cache
    queue: Queue
    line: Line
    audits: Audits


def run() -> None:
    """Run the operator until it is told to stop; the process ends with it."""
    logs.configure()
    uvloop.run(operate(Settings.read()))


async def operate(settings: Settings) -> None:
    """Wait for the lease, lead, give the lease back, and end the process.

    It ends without waiting for its tasks, some of which take their time to be cancelled: whatever
    they were about to do is done by whoever leads next.
    """
    told = asyncio.Event()
    metrics = Metrics()
    metrics.workers(settings.workers)
    async with (
        _assembled(settings, metrics) as operator,
        console(settings.port, metrics, operator.queue.stuck),
    ):
        _heed(told)
        try:
            await first_to_end(told.wait(), lead(operator, told))
        except LostError as error:
            log.error("the operator ends: %s", error)  # noqa: TRY400 - where is no news
        except Exception:
            log.exception("the operator ends")
        await retire(operator)
        logging.shutdown()
        os._exit(0 if told.is_set() else 1)


async def lead(operator: Operator, told: asyncio.Event) -> None:
    """Acquire the lease, and work for as long as it is held."""
    await operator.lease.acquire()
    await first_to_end(operator.lease.hold(), work(operator, told))


async def work(operator: Operator, told: asyncio.Event) -> None:
    """Fill the memory, then watch."""
    await _discover(operator.cluster)
    await first_to_end(_outdated(operator.cluster, told), _work(operator, told))


async def _work(operator: Operator, told: asyncio.Event) -> None:
    settings, audits = operator.settings, operator.audits
    await audits.audit()
    operator.line.resume(operator.cache.models())
    await first_to_end(
        operator.queue.run(settings.workers),
        audits.now_and_then(settings.audit_seconds),
        audits.after_each_list(),
        _watch(operator, told),
    )


async def _discover(cluster: KubeCluster) -> None:
    """See which kinds there are; an API server that is away is waited for."""
    while True:
        try:
            return await cluster.discover()
        except ApiError as error:
            log.warning("no kinds can be seen: %s; again in 2 s", error)
            await asyncio.sleep(AWAY_SECONDS)


async def _outdated(cluster: KubeCluster, told: asyncio.Event) -> None:
    """End when a kind has come or gone that may be missing: watches begin with the process.

    An API server that has just started may not know all of its kinds yet, so it is asked twice.
    """
    times = 0
    while times < 2:
        await asyncio.sleep(DISCOVER_SECONDS)
        with suppress(ApiError):
            times = times + 1 if await cluster.outdated() else 0
    log.info("the Gateway API was installed or removed: the operator ends, to begin with it anew")
    told.set()


async def first_to_end(*parts: Coroutine[Any, Any, Any]) -> None:
    """Run all parts, and end as the first of them does; the others are left alone."""
    tasks = [asyncio.create_task(part) for part in parts]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def retire(operator: Operator) -> None:
    """Stop writing for good, let what is on its way arrive, and release the lease."""
    operator.lease.close()
    end = time.monotonic() + LAST_WORDS_SECONDS
    while operator.cluster.writing and time.monotonic() < end:  # noqa: ASYNC110 - seldom, and short
        await asyncio.sleep(0.01)
    await operator.lease.release()


async def _watch(operator: Operator, told: asyncio.Event) -> None:
    """Run kopf; it takes the signals for itself when it starts, and they are taken back."""
    registry, options = kopf.OperatorRegistry(), kopf.OperatorSettings()
    handlers.configure(options)
    handlers.register(registry, operator.cluster.kinds, operator.cache, operator.queue)
    kopf.on.login(registry=registry)(log_in(operator.audits.listed))
    ready = asyncio.Event()
    ready_then = asyncio.create_task(_heed_when(ready, told))
    namespaces = operator.settings.namespaces
    await kopf.operator(
        registry=registry,
        settings=options,
        identity=IDENTITY,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        ready_flag=ready,
    )
    ready_then.cancel()


def _heed(told: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)


async def _heed_when(ready: asyncio.Event, told: asyncio.Event) -> None:
    await ready.wait()
    _heed(told)


@asynccontextmanager
async def _assembled(settings: Settings, metrics: Metrics) -> AsyncIterator[Operator]:
    async with ApiClient(await _configured()) as client, aiohttp.ClientSession() as session:
        cache, api = Cache(), Api(client, metrics)
        lease = Lease(api, settings.home, settings.identity, Clocks(time.monotonic, _now))
        cluster = KubeCluster(api, cache, lambda: lease.held, settings.namespaces)
        line = Line(lambda ref: queue.add(ref))  # noqa: PLW0108 - the queue comes later
        signals, prometheus = PodSignals(session), PrometheusApi(session, settings.prometheus)
        world = World(cluster, signals, prometheus, _now, settings.runtime_image, line)
        queue = Queue(partial(one_pass, world=world, line=line), metrics)
        metrics.watch_lease(lambda: lease.held)
        metrics.watch_models(cache.answers)
        audits = Audits(cluster, cache, queue.add)
        yield Operator(settings, lease, cluster, cache, queue, line, audits)


async def one_pass(ref: Ref, world: World, line: Line) -> timedelta | None:
    """Reconcile one model, and let the next one be upgraded when it is done."""
    again = await reconcile(ref, world)
    line.settle(ref, world.cluster.model(ref))
    return again


async def _configured() -> Configuration:
    """Find out who we are, and where the API server is."""
    found = Configuration()
    try:
        load_incluster_config(found)
    except ConfigException:
        await load_kube_config(client_configuration=found)
    # Else each request asks a thread for proxies that kopf's watches do not use either.
    found.client_session_kwargs = {"trust_env": False}
    return found


def _now() -> datetime:
    return datetime.now(UTC)
