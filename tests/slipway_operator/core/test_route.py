"""What gateways say of a route, and what the condition makes of it."""

from typing import Any

import pytest

from slipway_operator.core.conditions import route_accepted
from slipway_operator.core.route import Route, Routed

WEB = {"name": "web", "namespace": "infra"}
TLS = {**WEB, "sectionName": "tls"}
OTHER = {"name": "other", "sectionName": "tls"}


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
    metadata = {"generation": 2, "namespace": "risk"}
    return {"metadata": metadata, "spec": {"rules": [{"backendRefs": backends}]}}


def read(*told: dict[str, Any], parents: tuple[Any, ...] = (WEB,)) -> Routed:
    route = {**a_route(), "status": {"parents": list(told)}}
    return Routed.read(Route(parents), route, installed=True, backed=True)


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
            ("False", "GatewayApiMissing", "the cluster has no Gateway API that"),
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
            read(TAKEN, said(OTHER, Accepted="NoMatchingParent"), parents=(WEB, OTHER)),
            True,
            ("False", "NoMatchingParent", "other/tls does not"),
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
    assert (found.gives(10), found.weighs) == (gives, False), "there is no Service behind it"
    assert found.leaves


@pytest.mark.parametrize("spec", [{}, {"rules": []}, {"rules": [{}]}])
def test_a_route_that_somebody_has_emptied_has_no_weight(spec: dict[str, Any]) -> None:
    route = {"metadata": {"generation": 2, "namespace": "risk"}, "spec": spec}
    found = Routed.read(Route((WEB,)), route, installed=True)
    assert (found.weight, found.leaves) == (None, False)


@pytest.mark.parametrize(
    ("asked", "told", "same"),
    [
        ({"name": "web"}, {"name": "web", "namespace": "risk", "sectionName": "http"}, True),
        ({"name": "web", "namespace": "risk"}, {"name": "web"}, True),
        ({"name": "web"}, {"name": "web", "namespace": "infra"}, False),
        ({"name": "web", "port": 80}, {"name": "web"}, True),
        ({"name": "web", "port": 80}, {"name": "web", "port": 81}, False),
        ({"name": "web", "sectionName": "a"}, {"name": "web"}, False),
        ({"name": "web"}, {"name": "other"}, False),
    ],
)
def test_who_speaks_of_which_parent(
    asked: dict[str, Any], told: dict[str, Any], same: bool
) -> None:
    assert read(said(told, Accepted="True"), parents=(asked,)).weighs is same


def test_what_is_not_known_yet_is_no_refusal_and_a_long_word_is_cut() -> None:
    unsure = said(WEB, Accepted="True")
    unsure["conditions"][0]["status"] = "Unknown"
    assert route_accepted(read(unsure)).reason == "Pending"
    assert len(route_accepted(read(said(WEB, Accepted="N" * 1000))).reason) == 128
