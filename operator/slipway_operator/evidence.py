"""A closer look at pods that are not well: their runtime's word, their Events, their node.

Only at those, only at a few of them, and only at what can explain them: a look costs requests.
Evidence that can't be had (no right, no answer) is left out; what is certain is said without it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from slipway_operator.core import names
from slipway_operator.core.diagnose import questions
from slipway_operator.core.manifest import EVENT, NODE, POD, Manifest
from slipway_operator.core.pods import Host, Note, Pod
from slipway_operator.core.room import room
from slipway_operator.ports import World

CLOSER = 3
"""How many pods of a kind are looked at closely: the others will have the same to say."""
EVENTS = 200
NODES = 200
PODS = 500
"""In a larger cluster it is not counted how much room is missing."""

QUESTIONS = (questions.silent, questions.homeless, attrgetter("orphaned"))

Stock = tuple[Sequence[Manifest], Sequence[Manifest]]


async def look(manifests: Sequence[Manifest], world: World) -> tuple[Pod, ...]:
    """Read pods, and for those that are not ready find out more."""
    pods = [Pod.read(manifest) for manifest in manifests]
    few = {pod.name for asks in QUESTIONS for pod in [p for p in pods if asks(p)][:CLOSER]}
    stock = await _stock(world) if any(map(questions.homeless, pods)) else None
    looks = (
        _closely(pod, manifest, stock, world) if pod.name in few else _from_afar(pod, world)
        for pod, manifest in zip(pods, manifests, strict=True)
    )
    return tuple(await asyncio.gather(*looks))


async def _from_afar(pod: Pod, world: World) -> Pod:
    return replace(pod, runtime=await _runtime(pod, world))


async def _closely(pod: Pod, manifest: Manifest, stock: Stock | None, world: World) -> Pod:
    return replace(
        await _from_afar(pod, world),
        notes=await _notes(manifest, world) if questions.silent(pod) else (),
        host=await _host(pod, world) if pod.orphaned else None,
        room=room(manifest["spec"], *stock) if stock and questions.homeless(pod) else {},
    )


async def _runtime(pod: Pod, world: World) -> Mapping[str, object] | None:
    """Ask a pod that runs and is not ready for its own reason."""
    serve = pod.container(names.SERVE)
    if pod.ready or pod.orphaned or pod.address is None or serve is None or not serve.running:
        return None
    return await world.signals.status(pod.address)


async def _notes(manifest: Manifest, world: World) -> tuple[Note, ...]:
    """Read the Events about a pod, the latest last."""
    metadata = manifest["metadata"]
    fields = f"regarding.uid={metadata['uid']}"
    found = await world.cluster.glance(EVENT, metadata["namespace"], fields, EVENTS)
    notes = (Note(e.get("reason", ""), e.get("note", ""), _last_seen(e)) for e in found or ())
    return tuple(sorted(notes, key=lambda note: note.time))


def _last_seen(event: Manifest) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("deprecatedLastTimestamp"),
             event.get("eventTime"))  # fmt: skip
    return max(time or "" for time in times)


async def _host(pod: Pod, world: World) -> Host | None:
    """Ask what became of a pod's node; None if nobody may know."""
    found = await world.cluster.glance(NODE, None, f"metadata.name={pod.node}", 1)
    return None if found is None else Host.read(next(iter(found), None))


async def _stock(world: World) -> Stock | None:
    """List all nodes, and what runs on them; None if that is too much, or nobody may see it."""
    nodes, pods = await asyncio.gather(
        world.cluster.glance(NODE, None, "", NODES),
        world.cluster.glance(POD, None, "spec.nodeName!=", PODS),
    )
    return None if nodes is None or pods is None else (nodes, pods)
