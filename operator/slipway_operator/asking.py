"""Who is asked: pods that are well, about their answers, and Prometheus about a canary."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from slipway_operator.core.pods import Pod
from slipway_operator.core.reading import Reading
from slipway_operator.core.standing import Inquiry
from slipway_operator.ports import World


async def ask(pods: Sequence[Pod], whom: Inquiry, world: World) -> tuple[Pod, ...]:
    """Ask one ready pod of each revision in ``whom.one``, and all ready ones of ``whom.all``.

    The one is the first of ``pods``: the eldest, and so the same one in the next pass.
    """
    ready = {n: pod for n, pod in enumerate(pods) if pod.ready and pod.address is not None}
    first = {pod.fingerprint: n for n, pod in reversed(ready.items())}
    chosen = {n for fingerprint, n in first.items() if fingerprint in whom.one}
    asked = chosen | {n for n, pod in ready.items() if pod.fingerprint in whom.all}
    looks = {n: _heard(ready[n], world, verification=n in chosen) for n in asked}
    found = dict(zip(looks, await asyncio.gather(*looks.values()), strict=True))
    return tuple(found.get(n, pod) for n, pod in enumerate(pods))


async def _heard(pod: Pod, world: World, *, verification: bool) -> Pod:
    address = str(pod.address)
    told = replace(pod, runtime=await world.signals.status(address))
    if not verification:
        return told
    return replace(told, asked=True, report=await world.signals.verification(address))


async def read(questions: Mapping[str, str], namespace: str, world: World) -> dict[str, Reading]:
    """Ask Prometheus all questions at once; return its answers under the same names."""
    asked = (world.prometheus.read(question, namespace) for question in questions.values())
    return dict(zip(questions, await asyncio.gather(*asked), strict=True))
