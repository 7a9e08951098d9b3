"""Everything that a decision may depend on, read once.

In the steady state all of it comes from memory: pods are listed only for a revision that is not
well, or of which something is not known yet, or whose pods watch their own answers.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from slipway_operator import evidence
from slipway_operator.asking import ask, read
from slipway_operator.core import names
from slipway_operator.core.contract import Signature
from slipway_operator.core.manifest import (
    CONFIG_MAP,
    DEPLOYMENT,
    RECORD,
    ROUTE,
    SCALER,
    SERVICE,
    Kind,
    Manifest,
)
from slipway_operator.core.observed import Observed, Progress, Revision, Scaler, Workload
from slipway_operator.core.pods import Pod
from slipway_operator.core.refusal import Refusal
from slipway_operator.core.render import record
from slipway_operator.core.rollout import questions, running
from slipway_operator.core.route import Route, Routed
from slipway_operator.core.spec import Autoscaled, Spec, Strategy
from slipway_operator.core.standing import Inquiry, inquiry
from slipway_operator.core.units import moment
from slipway_operator.core.verdict import Verdict
from slipway_operator.ports import Ref, World


async def observe(ref: Ref, model: Manifest, spec: Spec, world: World) -> Observed:
    """Read the world of one model; its latest revision is in it, even before it exists."""
    status = model.get("status", {})
    children = owned(model, world.cluster.children(ref))
    services = (s for s in _of(children, SERVICE) if s["metadata"]["name"] == ref.name)
    service = next(services, None)
    selector = service["spec"].get("selector", {}) if service else {}
    scaler = next(_of(children, SCALER), None) if isinstance(spec.scale, Autoscaled) else None
    good = names.fingerprint(status["stableRevision"]) if "stableRevision" in status else None
    revisions = _with_latest(_revisions(children, status), ref.name, spec, world.release_image)
    known = Observed(
        generation=model["metadata"]["generation"],
        now=world.clock(),
        track=selector.get(names.TRACK_LABEL, selector.get(names.POOL_LABEL)),
        pooled=names.POOL_LABEL in selector,
        good=good,
        revisions=tuple(_again(revision, spec, good) for revision in revisions),
        scaler=Scaler.read(scaler) if scaler else None,
        route=_routed(ref, spec.route, children, world) if spec.route else None,
        conditions=tuple(status.get("conditions", ())),
        release=world.release_image if spec.follows else None,
        rollout=Progress.read(status),
        past=tuple(status.get("rollouts", ())),
    )
    whom = inquiry(spec, known)
    listed = await _list(ref, known, spec, whom, world)
    pods = await _looked(listed, whom, world)
    return replace(
        known,
        pods=pods,
        readings=await read(questions(spec, known, ref), ref.namespace, world),
        present=_present(listed) if spec.rollout.strategy is Strategy.RECREATE else None,
        revisions=learned(known.revisions, pods),
    )


async def confirm(ref: Ref, seen: Observed, fingerprint: str, world: World) -> Observed:
    """Ask the API server about the revision that is to take the traffic: a watch may have died."""
    name = names.revision(ref.name, fingerprint)
    metadata = {"name": name, "namespace": ref.namespace}
    found = await world.cluster.live({"kind": DEPLOYMENT.kind, "metadata": metadata})
    workload = Workload.read(found) if found else None
    revisions = tuple(
        replace(r, workload=workload) if r.fingerprint == fingerprint else r for r in seen.revisions
    )
    return replace(seen, revisions=revisions)


def owned(model: Manifest, children: Iterable[Manifest]) -> list[Manifest]:
    """Select what this very object controls: one of the same name may have been here before."""
    return [child for child in children if controls(model, child)]


def controls(model: Manifest, child: Manifest) -> bool:
    """Say whether ``child`` belongs to this very ModelDeployment."""
    owners = child["metadata"].get("ownerReferences", ())
    return any(o["uid"] == model["metadata"]["uid"] and o.get("controller") for o in owners)


def _of(children: Iterable[Manifest], kind: Kind) -> Iterator[Manifest]:
    return (child for child in children if child["kind"] == kind.kind)


def _routed(ref: Ref, wish: Route, children: Sequence[Manifest], world: World) -> Routed:
    """Read what gateways say of the route, and whether there is a Service for a canary."""
    tried = names.canary(ref.name)
    backed = any(s["metadata"]["name"] == tried for s in _of(children, SERVICE))
    route = next(_of(children, ROUTE), None)
    return Routed.read(wish, route, installed=world.cluster.knows(ROUTE), backed=backed)


def _revisions(children: Sequence[Manifest], status: Mapping[str, Any]) -> tuple[Revision, ...]:
    workloads = {d["metadata"]["name"]: Workload.read(d) for d in _of(children, DEPLOYMENT)}
    held = {r["name"]: r for r in status.get("revisions", ())}
    found = (
        _recalled(r, held.get(r["metadata"]["name"], {}), workloads.get(r["metadata"]["name"]))
        for r in (*_of(children, RECORD), *_lost_records(children))
    )
    return tuple(sorted(found, key=lambda r: r.number))


def _recalled(record: Manifest, held: Mapping[str, Any], workload: Workload | None) -> Revision:
    """Build a revision from its record and from what status holds of it."""
    return Revision(
        fingerprint=names.fingerprint(record["metadata"]["name"]),
        number=record["revision"],
        record=record["data"],
        digest=held.get("digest"),
        signature=Signature.read(held.get("signature")),
        verdict=Verdict.recall(held["verification"]) if "verification" in held else None,
        retired=moment(held, "retiredTime"),
        refusal=Refusal.read(held.get("refusal")),
        retry=held.get("retry"),
        workload=workload,
    )


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
                "progressDeadlineSeconds": deployment["spec"]["progressDeadlineSeconds"],
            }
            datasets = {k: v for k, v in settings[name].items() if k != names.SETTINGS_KEY}
            data |= {"datasets": datasets} if datasets else {}
            yield {"metadata": {"name": name}, "revision": 0, "data": data}


def _with_latest(
    known: tuple[Revision, ...], name: str, spec: Spec, release_image: str
) -> tuple[Revision, ...]:
    if any(r.fingerprint == spec.fingerprint for r in known):
        return known
    number = max((r.number for r in known), default=0) + 1
    born = record(name, spec, release_image)
    return (*known, Revision(fingerprint=spec.fingerprint, number=number, record=born))


def _again(revision: Revision, spec: Spec, good: str | None) -> Revision:
    """Forget why the latest was refused, where it is to be tried again."""
    if revision.fingerprint != spec.fingerprint or spec.rollout.retry in {None, revision.retry}:
        return revision
    if revision.fingerprint != good:
        revision = replace(revision, refusal=None, verdict=None)
    return replace(revision, retry=spec.rollout.retry)


async def _list(
    ref: Ref, known: Observed, spec: Spec, whom: Inquiry, world: World
) -> Sequence[Manifest]:
    """List the pods that matter, the eldest first; all of them where they make room for others."""
    several = sum(running(r) > 0 for r in known.revisions) > 1
    rolling = spec.rollout.strategy in {Strategy.ROLLING_UPDATE, Strategy.AUTO} and several
    every = known.pooled or rolling or spec.rollout.strategy is Strategy.RECREATE
    wanted = [
        r.fingerprint
        for r in known.revisions
        if every or _unwell(r, spec.fingerprint) or r.fingerprint in whom.one | whom.all
    ]
    return sorted(await world.cluster.pods(ref, wanted), key=_born) if wanted else ()


async def _looked(listed: Sequence[Manifest], whom: Inquiry, world: World) -> tuple[Pod, ...]:
    pods = await evidence.look([pod for pod in listed if _counts(pod, listed)], world)
    return await ask(pods, whom, world)


def _present(listed: Sequence[Manifest]) -> frozenset[str]:
    """Name the revisions that hold room: pods that have not ended, whatever they were told."""
    held = (p for p in listed if p.get("status", {}).get("phase") not in {"Failed", "Succeeded"})
    return frozenset(p["metadata"]["labels"].get(names.REVISION_LABEL, "") for p in held)


def _counts(pod: Manifest, all_pods: Sequence[Manifest]) -> bool:
    """Leave out pods that have ended or are told to: how they end is no fault of their revision.

    But for one that was evicted, or that nobody can end since its node is silent, until a younger
    one is ready.
    """
    leaving = "deletionTimestamp" in pod["metadata"]
    status = pod.get("status", {})
    if not leaving and status.get("phase") not in {"Failed", "Succeeded"}:
        return True
    lost = Pod.read(pod).orphaned if leaving else status.get("reason") == "Evicted"
    return lost and not any(_succeeds(other, pod) for other in all_pods)


def _succeeds(pod: Manifest, lost: Manifest) -> bool:
    """Say whether a pod makes up for one that was lost: it is younger, and as bad or ready."""
    same = pod["metadata"]["labels"] == lost["metadata"]["labels"]
    evicted = pod.get("status", {}).get("reason") == "Evicted"
    return same and _born(pod) > _born(lost) and (evicted or Pod.read(pod).ready)


def _born(pod: Manifest) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))


def _unwell(revision: Revision, latest: str) -> bool:
    workload = revision.workload
    if workload is None or workload.wanted == 0:
        return False
    unknown = revision.fingerprint == latest and revision.digest is None
    return unknown or workload.ready < workload.wanted


def learned(known: Iterable[Revision], pods: Sequence[Pod]) -> tuple[Revision, ...]:
    """Add what pods have told of their revision; what is known already holds against them."""
    digests = found_digests(pods)
    return tuple(_learned(r, digests, pods) for r in known)


def _learned(revision: Revision, digests: Mapping[str, str], pods: Iterable[Pod]) -> Revision:
    told = next((p for p in pods if p.fingerprint == revision.fingerprint and p.asked), None)
    digest = revision.digest or digests.get(revision.fingerprint)
    if told is None:
        return replace(revision, digest=digest)
    model = (told.runtime or {}).get("model")
    return replace(
        revision,
        digest=digest,
        signature=revision.signature or Signature.read(model),
        verdict=revision.verdict or Verdict.of(told.report, told.name),
    )


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
