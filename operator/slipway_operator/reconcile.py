"""One pass of the loop: observe, decide, render, apply, prune, report.

Create, update, restart and drift are the same call: what it does depends on the world alone.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from slipway_operator.core import names, upgrade
from slipway_operator.core.decide import decide, hindered, suspended
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.errors import SpecError
from slipway_operator.core.events import Event, events
from slipway_operator.core.manifest import (
    DEPLOYMENT,
    SERVICE,
    Key,
    Manifest,
    covers,
    digest,
    key,
    kind_of,
)
from slipway_operator.core.observed import Observed
from slipway_operator.core.plan import Plan
from slipway_operator.core.render import Owner, render
from slipway_operator.core.report import report, report_refusal
from slipway_operator.core.rollout import moves
from slipway_operator.core.spec import Spec
from slipway_operator.observe import confirm, controls, observe, owned
from slipway_operator.ports import BlockedError, Ref, World


async def reconcile(ref: Ref, world: World) -> timedelta | None:
    """Bring one model closer to its spec; return when to look again, None for not before news."""
    model = world.cluster.model(ref)
    if model is None or "deletionTimestamp" in model["metadata"]:
        return None
    try:
        spec = Spec.parse(ref.name, model["spec"])
    except SpecError as error:
        await refuse(model, error, world)
        return None
    spec = in_turn(ref, model, spec, world)
    seen = await observe(ref, model, spec, world)
    plan = decide(spec, seen)
    if spec.suspended:
        await publish(model, report(ref, seen, suspended(plan, seen), world.clock()), world)
        return plan.recheck_after
    if seen.track not in (None, plan.traffic.track):
        seen = await confirm(ref, seen, plan.traffic.track, world)
        plan = decide(spec, seen)
    owner = Owner(ref.namespace, ref.name, model["metadata"]["uid"])
    desired = [m for m in render(owner, spec, plan) if world.cluster.knows(kind_of(m))]
    if await outlived(ref, model, desired, world):
        return None
    await withdraw(ref, model, desired, plan, world)
    await share(ref, plan, seen, world)
    faults = await apply(ref, model, desired, world)
    if faults:
        plan = hindered(plan, seen, faults, (SERVICE.kind, ref.name))
    await scale(ref, model, plan, world)
    if plan.standing is not None and plan.standing.verify is not None:
        await world.signals.verify(plan.standing.verify)
    await prune(ref, model, desired, world)
    await publish(model, report(ref, seen, plan, world.clock()), world)
    return plan.recheck_after


def in_turn(ref: Ref, model: Manifest, spec: Spec, world: World) -> Spec:
    """Name in the spec the revision that it asks for: an upgraded one from its turn on."""
    status = model.get("status", {})
    if upgrade.outdated(spec, status, world.release_image) and world.turns.take(ref):
        return upgrade.upgraded(spec, status, world.release_image)
    return upgrade.asked(spec, status)


async def refuse(model: Manifest, error: SpecError, world: World) -> None:
    """Report a wish that can't be carried out; only a change of the spec can help."""
    status = model.get("status", {})
    seen = Observed(
        generation=model["metadata"]["generation"],
        now=world.clock(),
        conditions=tuple(status.get("conditions", ())),
    )
    fault = Fault(reason="SpecInvalid", message=str(error), final=True)
    await publish(model, report_refusal(seen, status, fault, world.clock()), world)


async def outlived(ref: Ref, model: Manifest, desired: Sequence[Manifest], world: World) -> bool:
    """Say whether memory holds a model that is gone, so that nothing is created for it."""
    have = {key(child) for child in owned(model, world.cluster.children(ref))}
    if all(key(manifest) in have for manifest in desired):
        return False
    fresh = await world.cluster.live(model)
    return (
        fresh is None
        or fresh["metadata"]["uid"] != model["metadata"]["uid"]
        or "deletionTimestamp" in fresh["metadata"]
    )


async def apply(
    ref: Ref, model: Manifest, desired: Sequence[Manifest], world: World
) -> Mapping[Key, Fault]:
    """Write each object that is missing or has drifted; return what can't be written."""
    children = {key(child): child for child in owned(model, world.cluster.children(ref))}
    faults: dict[Key, Fault] = {}
    for manifest in desired:
        try:
            await settle(model, manifest, children.get(key(manifest)), world)
        except BlockedError as blocked:
            faults[key(manifest)] = blocked.fault
    return faults


async def settle(model: Manifest, manifest: Manifest, child: Manifest | None, world: World) -> None:
    """Write one object unless it already is what it should be."""
    mark = digest(manifest)
    metadata = {**manifest["metadata"], "annotations": {names.APPLIED_ANNOTATION: mark}}
    marked = {**manifest, "metadata": metadata}
    if child is None:
        await refuse_foreign(model, manifest, world)
        await world.cluster.apply(marked)
        return
    same = child["metadata"].get("annotations", {}).get(names.APPLIED_ANNOTATION) == mark
    if same and covers(child, manifest):
        return
    if same:
        note = f"{manifest['kind']} {manifest['metadata']['name']} was changed by hand"
        await world.cluster.tell(model, Event("Repaired", f"{note}: put back"), world.clock())
    await restore(marked, world)


async def restore(manifest: Manifest, world: World) -> None:
    """Write an object that exists.

    An apply leaves what others put into a list beside ours, such as a port of a Service; where that
    keeps the object from being what it should be, the lists are replaced.
    """
    try:
        written = await world.cluster.apply(manifest)
    except BlockedError:
        written = {}
    if not covers(written, manifest):
        await world.cluster.overwrite(manifest)


async def refuse_foreign(model: Manifest, manifest: Manifest, world: World) -> None:
    """Stop before an object of the same name that is somebody else's.

    Raises:
        BlockedError: If there is one.
    """
    found = await world.cluster.live(manifest)
    if found is None or controls(model, found):
        return
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    raise BlockedError(
        Fault(
            reason="NameCollision",
            message=f"{what} exists and does not belong to this ModelDeployment",
            hint=f"Delete or rename that {manifest['kind']}, or rename the ModelDeployment.",
            final=not leaving(model, found),
        )
    )


def leaving(model: Manifest, found: Manifest) -> bool:
    """Say whether an object will soon be gone: its end has begun, or its owner was a namesake."""
    owners = found["metadata"].get("ownerReferences", ())
    former = any((o["kind"], o["name"]) == key(model) for o in owners)
    return former or "deletionTimestamp" in found["metadata"]


async def withdraw(
    ref: Ref, model: Manifest, desired: Sequence[Manifest], plan: Plan, world: World
) -> None:
    """Lead gateways away from a canary without weight, before its pods are taken elsewhere."""
    if plan.weight == 0:
        tried = SERVICE.kind, names.canary(ref.name)
        await apply(ref, model, [m for m in desired if key(m) == tried], world)


async def share(ref: Ref, plan: Plan, seen: Observed, world: World) -> None:
    """Give a canary's pods their share of the traffic, or take it back."""
    for move in moves(seen, plan.course, plan.latest):
        await world.cluster.move(ref, move)


async def scale(ref: Ref, model: Manifest, plan: Plan, world: World) -> None:
    """Write the replica counts that are ours to write, where they differ."""
    for child in owned(model, world.cluster.children(ref)):
        if child["kind"] != DEPLOYMENT.kind:
            continue
        count = plan.replicas.get(child["metadata"]["labels"].get(names.REVISION_LABEL, ""))
        if count is not None and child["spec"].get("replicas", 1) != count:
            await world.cluster.set_replicas(child, count)


async def prune(ref: Ref, model: Manifest, desired: Sequence[Manifest], world: World) -> None:
    """Delete what is owned but no longer desired, if the wish is still the one that was read."""
    keep = {key(manifest) for manifest in desired}
    children = owned(model, world.cluster.children(ref))
    gone = [c for c in children if key(c) not in keep and "deletionTimestamp" not in c["metadata"]]
    if not gone:
        return
    fresh = await world.cluster.live(model)
    if fresh is None or fresh["metadata"]["generation"] != model["metadata"]["generation"]:
        return
    for child in gone:
        await world.cluster.delete(child)


async def publish(model: Manifest, status: Mapping[str, Any], world: World) -> None:
    """Write the status if it changed, and tell people what came about."""
    old = model.get("status", {})
    if status == old:
        return
    for event in events(old, status):
        await world.cluster.tell(model, event, world.clock())
    await world.cluster.apply_status(model, status)
