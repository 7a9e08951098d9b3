"""From a plan to Kubernetes manifests: whole dicts, one function per object, in apply order."""

from collections.abc import Iterator

from slipway_operator.core import names
from slipway_operator.core.manifest import Manifest
from slipway_operator.core.plan import Plan
from slipway_operator.core.render import identity, revision, traffic
from slipway_operator.core.render.owner import Owner
from slipway_operator.core.render.record import record
from slipway_operator.core.rollout import running
from slipway_operator.core.spec import Autoscaled, Spec

__all__ = ["Owner", "record", "render"]


def render(owner: Owner, spec: Spec, plan: Plan) -> Iterator[Manifest]:
    """Yield every object that should exist for one model.

    Replica counts are not in them: they are written apart, or left to the HPA.
    """
    if "serviceAccountName" not in spec.template:
        yield identity.service_account(owner)
    copying = plan.course.copying
    shadowing = revision.Shadowing(plan.latest, copying) if copying else None
    for kept in plan.keep:
        yield revision.history(owner, kept)
        if kept.workload is not None or kept.fingerprint in plan.course.active:
            serves = kept.fingerprint == plan.traffic.track
            yield revision.settings(owner, kept, shadowing if serves else None)
            yield revision.deployment(owner, kept)
    selector = plan.traffic.selector(owner.name)
    yield traffic.service(owner, selector)
    if copying is not None:
        yield traffic.aside(owner, plan.latest)
    serving = next((r for r in plan.keep if r.fingerprint == plan.traffic.track), None)
    if spec.route is not None:
        served = serving.model if serving else spec.model.name
        yield from _routed(owner, spec, plan)
        yield traffic.route(owner, spec.route, served, plan.weight)
    if isinstance(spec.scale, Autoscaled) and not plan.traffic.pooled:
        least = running(serving) if plan.weight else 0
        yield traffic.scaler(owner, spec.scale, plan.traffic.scaled(plan.latest), least)
    if traffic.several(spec.scale):
        yield traffic.budget(owner, owner.name, spec.availability, selector)


def _routed(owner: Owner, spec: Spec, plan: Plan) -> Iterator[Manifest]:
    """Yield what stands behind a canary's weight, as long as gateways may ask for it."""
    if plan.weight is None:
        return
    name, tried = names.canary(owner.name), names.serving(owner.name, plan.latest)
    yield traffic.canary(owner, tried if plan.weight else plan.traffic.selector(owner.name))
    if plan.weight and traffic.several(spec.scale):
        yield traffic.budget(owner, name, spec.availability, tried)
