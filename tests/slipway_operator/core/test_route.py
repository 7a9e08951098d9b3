"""What gateways say of a route, and what the condition makes of it."""

from typing import Any

import pytest

from slipway_operator.core.conditions import route_accepted
from slipway_operator.core.route import Route, Routed

WEB = {"name": "web", "namespace": "infra"}
TLS = {**WEB, "sectionName": "tls"}


def said(parent: dict[str, Any], **conditions: str) -> dict[str, Any]:
    """Let a controller say ``Accepted`` and others; what is not True is its reason."""
    found = [
        {
            "type": kind,
            "status": "True" if word == "True" else "False",
            "reason": word,
            "message": f"it is {word}",
        }
        for kind, word in conditions.items()
    ]
    return {"parentRef": {"group": "gateway.networking.k8s.io", **parent}, "conditions": found}


def a_route(*weights: int) -> dict[str, Any]:
    """Build a route of the second generation, whose backends have these weights."""
    backends = [{"name": "fraud", "weight": weight} for weight in weights or (100,)]
    return {"metadata": {"generation": 2}, "spec": {"rules": [{"backendRefs": backends}]}}


def read(*told: dict[str, Any], parents: tuple[Any, ...] = (WEB,)) -> Routed:
    route = {**a_route(), "status": {"parents": list(told)}}
    return Routed.read(Route(parents), route, installed=True)


TAKEN = said(WEB, Accepted="True", ResolvedRefs="True")


@pytest.mark.parametrize(
    ("routed", "weighs", "expected"),
    [
        pytest.param(read(TAKEN), True, ("True", "Accepted", "infra/web brings"), id="taken"),
        pytest.param(read(), False, ("Unknown", "Pending", "infra/web has not"), id="no answer"),
        pytest.param(
            Routed.read(Route((WEB,)), None, installed=True),
            False,
            ("Unknown", "Pending", "infra/web has not"),
            id="no route yet",
        ),
        pytest.param(
            Routed.read(Route((WEB,)), None, installed=False),
            False,
            ("False", "GatewayApiMissing", "the cluster has no Gateway API. Install"),
            id="no Gateway API",
        ),
        pytest.param(
            read(said(WEB, Accepted="NotAllowedByListeners")),
            False,
            ("False", "NotAllowedByListeners", "does not take the route: it is NotAllowedByList"),
            id="not let in",
        ),
        pytest.param(
            read(said(WEB, Accepted="True", ResolvedRefs="BackendNotFound")),
            False,
            ("False", "BackendNotFound", "it is BackendNotFound"),
            id="no backend",
        ),
        pytest.param(
            read(said(WEB, PartiallyInvalid="True")), False, ("Unknown", "Pending", ""), id="other"
        ),
        pytest.param(
            read(TAKEN, parents=(TLS,)), False, ("Unknown", "Pending", "infra/web/tls"), id="whole"
        ),
        pytest.param(
            read(TAKEN, said(TLS, Accepted="NoMatchingParent"), parents=(WEB, TLS)),
            True,
            ("False", "NoMatchingParent", "infra/web/tls does not"),
            id="one of two",
        ),
    ],
)
def test_what_becomes_of_a_route(
    routed: Routed, weighs: bool, expected: tuple[str, str, str]
) -> None:
    found = route_accepted(routed)
    status, reason, part = expected
    assert routed.weighs is weighs
    assert (found.type, found.status, found.reason) == ("RouteAccepted", status, reason)
    assert part in found.message


@pytest.mark.parametrize(
    ("observed", "weights", "gives"),
    [(2, (90, 10), True), (1, (90, 10), False), (None, (90, 10), True), (2, (80, 20), False)],
)
def test_who_has_heard_of_a_weight(
    observed: int | None, weights: tuple[int, ...], gives: bool
) -> None:
    told = said(WEB, Accepted="True")
    if observed is not None:
        told["conditions"][0]["observedGeneration"] = observed
    route = {**a_route(*weights), "status": {"parents": [told]}}
    found = Routed.read(Route((WEB,)), route, installed=True)
    assert (found.gives(10), found.weighs) == (gives, True)
    assert read(TAKEN).gives(0)


@pytest.mark.parametrize("spec", [{}, {"rules": []}, {"rules": [{}]}])
def test_a_route_that_somebody_has_emptied_has_no_weight(spec: dict[str, Any]) -> None:
    route = {"metadata": {"generation": 2}, "spec": spec}
    assert Routed.read(Route((WEB,)), route, installed=True).weight == 0
