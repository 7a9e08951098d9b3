"""From a plan to Kubernetes manifests: whole dicts, one function per object, in apply order."""

from collections.abc import Iterator

from slipway_operator.core import names
from slipway_operator.core.manifest import Manifest
from slipway_operator.core.plan import Plan
from slipway_operator.core.render import identity, revision, traffic
from slipway_operator.core.render.owner import Owner
from slipway_operator.core.render.record import record
from slipway_operator.core.route import Route
from slipway_operator.core.spec import Autoscaled, Spec

__all__ = ["Owner", "record", "render"]


def render(owner: Owner, spec: Spec, plan: Plan) -> Iterator[Manifest]:
    """Yield every object that should exist for one model.

    Replica counts are not in them: they are written apart, or left to the HPA.
    """
    if "serviceAccountName" not in spec.template:
        yield identity.service_account(owner)
    mirror = plan.course.mirror
    shadowing = revision.Shadowing(plan.latest, mirror.wish) if mirror else None
    for kept in plan.keep:
        yield revision.history(owner, kept)
        if kept.workload is not None or kept.fingerprint in plan.course.active:
            serves = kept.fingerprint == plan.traffic.track
            yield revision.settings(owner, kept, shadowing if serves else None)
            yield revision.deployment(owner, kept)
    selector = plan.traffic.selector(owner.name)
    yield traffic.service(owner, selector)
    if mirror is not None:
        yield traffic.aside(owner, plan.latest)
    if spec.route is not None:
        yield from _routed(owner, spec, spec.route, plan)
    if isinstance(spec.scale, Autoscaled) and not plan.traffic.pooled:
        yield traffic.scaler(owner, spec.scale, plan.traffic.scaled(plan.latest))
    if traffic.several(spec.scale):
        yield traffic.budget(owner, spec.availability, selector)


def _routed(owner: Owner, spec: Spec, wish: Route, plan: Plan) -> Iterator[Manifest]:
    """Yield what brings callers from gateways; it is there all the time that a canary may come."""
    weight = plan.course.weight if spec.rollout.canary is not None else None
    if weight is not None:
        shared = names.serving(owner.name, plan.latest) if weight else None
        yield traffic.canary(owner, shared or plan.traffic.selector(owner.name))
    serving = next((r for r in plan.keep if r.fingerprint == plan.traffic.track), None)
    yield traffic.route(owner, wish, serving.model if serving else spec.model.name, weight)
