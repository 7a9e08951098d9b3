"""Everything that a decision may depend on, read once.

In the steady state all of it comes from memory: pods are listed only for a revision that is not
well, or whose model's digest is not known yet.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from slipway_operator.core import names
from slipway_operator.core.manifest import (
    CONFIG_MAP,
    DEPLOYMENT,
    RECORD,
    SCALER,
    SERVICE,
    Kind,
    Manifest,
)
from slipway_operator.core.observed import Observed, Pod, Revision, Scaler, Workload
from slipway_operator.core.render import record
from slipway_operator.core.spec import Autoscaled, Spec
from slipway_operator.ports import Ref, World


async def observe(ref: Ref, model: Manifest, spec: Spec, world: World) -> Observed:
    """Read the world of one model; its latest revision is in it, even before it exists."""
    status = model.get("status", {})
    children = owned(model, world.cluster.children(ref))
    known = _with_latest(_revisions(children, status), ref.name, spec, world.release_image)
    found = await _pods(ref, known, spec.fingerprint, world)
    digests = found_digests(found)
    service = next(_of(children, SERVICE), None)
    scaler = next(_of(children, SCALER), None) if isinstance(spec.scale, Autoscaled) else None
    return Observed(
        generation=model["metadata"]["generation"],
        track=service["spec"].get("selector", {}).get(names.TRACK_LABEL) if service else None,
        good=names.fingerprint(status["stableRevision"]) if "stableRevision" in status else None,
        revisions=tuple(replace(r, digest=r.digest or digests.get(r.fingerprint)) for r in known),
        pods=found,
        scaler=Scaler.read(scaler) if scaler else None,
        conditions=tuple(status.get("conditions", ())),
    )


def owned(model: Manifest, children: Iterable[Manifest]) -> list[Manifest]:
    """Select what this very object controls: one of the same name may have been here before."""
    return [child for child in children if controls(model, child)]


def controls(model: Manifest, child: Manifest) -> bool:
    """Say whether ``child`` belongs to this very ModelDeployment."""
    owners = child["metadata"].get("ownerReferences", ())
    return any(o["uid"] == model["metadata"]["uid"] and o.get("controller") for o in owners)


def _of(children: Iterable[Manifest], kind: Kind) -> Iterator[Manifest]:
    return (child for child in children if child["kind"] == kind.kind)


def _revisions(children: Sequence[Manifest], status: Mapping[str, Any]) -> tuple[Revision, ...]:
    workloads = {d["metadata"]["name"]: Workload.read(d) for d in _of(children, DEPLOYMENT)}
    digests = {r["name"]: r.get("digest") for r in status.get("revisions", ())}
    found = (
        Revision(
            fingerprint=names.fingerprint(r["metadata"]["name"]),
            number=r["revision"],
            record=r["data"],
            digest=digests.get(r["metadata"]["name"]),
            workload=workloads.get(r["metadata"]["name"]),
        )
        for r in (*_of(children, RECORD), *_lost_records(children))
    )
    return tuple(sorted(found, key=lambda r: r.number))


def _lost_records(children: Sequence[Manifest]) -> Iterator[Manifest]:
    """Build again the records that somebody deleted, from what runs; one may be the good one."""
    recorded = {r["metadata"]["name"] for r in _of(children, RECORD)}
    settings = {c["metadata"]["name"]: c["data"] for c in _of(children, CONFIG_MAP)}
    for deployment in _of(children, DEPLOYMENT):
        name = deployment["metadata"]["name"]
        if name not in recorded and name in settings:
            data = {
                "settings": json.loads(settings[name][names.SETTINGS_KEY]),
                "template": deployment["spec"]["template"],
            }
            yield {"metadata": {"name": name}, "revision": 0, "data": data}


def _with_latest(
    known: tuple[Revision, ...], name: str, spec: Spec, release_image: str
) -> tuple[Revision, ...]:
    if any(r.fingerprint == spec.fingerprint for r in known):
        return known
    number = max((r.number for r in known), default=0) + 1
    born = record(name, spec, release_image)
    return (*known, Revision(fingerprint=spec.fingerprint, number=number, record=born))


async def _pods(ref: Ref, known: Iterable[Revision], latest: str, world: World) -> tuple[Pod, ...]:
    unwell = [r.fingerprint for r in known if _unwell(r, latest)]
    if not unwell:
        return ()
    found = await world.cluster.pods(ref, unwell)
    return tuple(await asyncio.gather(*(_pod(pod, world) for pod in found if _counts(pod))))


def _counts(pod: Manifest) -> bool:
    """Leave out pods that have ended or are told to: how they end is no fault of their revision."""
    ended = pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}
    return not ended and "deletionTimestamp" not in pod["metadata"]


def _unwell(revision: Revision, latest: str) -> bool:
    workload = revision.workload
    if workload is None or workload.wanted == 0:
        return False
    unknown = revision.fingerprint == latest and revision.digest is None
    return unknown or workload.ready < workload.wanted


async def _pod(manifest: Manifest, world: World) -> Pod:
    """Read a pod; one that runs and is not ready is asked for its own reason."""
    pod = Pod.read(manifest)
    serve = pod.container(names.SERVE)
    if pod.ready or pod.address is None or serve is None or not serve.running:
        return pod
    return replace(pod, runtime=await world.signals.status(pod.address))


DIGEST = re.compile(r"[0-9a-f]{64}")


def found_digests(pods: Iterable[Pod]) -> dict[str, str]:
    """Collect what the fetchers found, by revision; the first pod's word holds."""
    found: dict[str, str] = {}
    for pod in pods:
        fetch = pod.container(names.FETCH)
        report = fetch.report if fetch else {}
        digest = str(report.get("digest"))
        if report.get("reason") == "Fetched" and DIGEST.fullmatch(digest):
            found.setdefault(pod.fingerprint, digest)
    return found
