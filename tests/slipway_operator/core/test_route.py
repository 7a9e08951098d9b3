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


def read(*told: dict[str, Any], parents: tuple[Any, ...] = (WEB,)) -> Routed:
    route = {"status": {"parents": list(told)}}
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
