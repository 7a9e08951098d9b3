"""Behind a real gateway: a model is reached by its route, and a canary gets its weight exactly."""

from collections.abc import Iterator

import pytest

from fixtures.trained import iris
from slipway_dev.cluster import Cluster
from support import gateway, load
from support.gateway import Web
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]


NOWHERE: Object = {"name": "web"}


@pytest.fixture(scope="module")
def web(slipway: Cluster) -> Iterator[Web]:
    with gateway.installed(slipway) as found:
        yield found


def wish(parent: Object, version: int, weight: int, duration: str, **more: str) -> Object:
    canary = {"steps": [{"weight": weight, "duration": duration}], "minRequests": 100, **more}
    return a_model_deployment(
        model={"uri": f"configMap://models/iris-v{version}.onnx"},
        replicas=2,
        rollout={"strategy": "Canary", "canary": canary},
        route={"parentRefs": [parent]},
    )


def test_without_a_gateway_api_the_model_is_served_and_the_route_is_said_to_be_in_vain(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(1))
    workplace.apply(wish(NOWHERE, 1, 50, "5s"))
    workplace.wait("iris")
    found = workplace.condition("iris", "RouteAccepted")
    assert (found["status"], found["reason"]) == ("False", "GatewayApiMissing")


def test_a_canary_gets_its_weight_exactly_and_then_all(workplace: Workplace, web: Web) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish(web.parent, 1, 10, "20s"))
    workplace.wait("iris")
    workplace.wait("iris", "RouteAccepted")
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)}, host=web.host)
    neighbour = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.apply(wish(web.parent, 2, 10, "20s"))
    workplace.until("it has a share", lambda: "startedTime" in share(workplace))
    assert share(workplace)["weightedBy"] == "HTTPRoute"
    assert share(workplace)["actualWeight"] == 10
    inside = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)}, host=web.host)
    outside = inside.report()
    total = sum(outside.answers.values())
    assert total >= 100
    assert outside.answers["2"] / total == pytest.approx(0.1, abs=0.03)
    workplace.wait("iris")
    for report in (outside, client.report(), neighbour.report()):
        assert (report.failed, report.failures) == (0, ())
    last = load.start(workplace, "iris", {"2": iris(2)}, host=web.host).report()
    assert (last.failed, last.failures) == (0, ())


def test_a_canary_that_fails_loses_its_weight_and_nobody_fails_with_it(
    workplace: Workplace, web: Web
) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish(web.parent, 1, 20, "1h"))
    workplace.wait("iris")
    workplace.wait("iris", "RouteAccepted")
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)}, host=web.host)
    workplace.apply(wish(web.parent, 2, 20, "1h", maxP99="10us"))
    workplace.until(
        "it is given up",
        lambda: workplace.condition("iris", "Ready").get("reason") == "RolledBack",
    )
    assert "took longer than 1e-05 s" in workplace.condition("iris", "Stalled")["message"]
    later = load.start(workplace, "iris", {"1": iris(1)}, host=web.host).report()
    for report in (later, client.report()):
        assert (report.failed, report.failures) == (0, ())


def share(workplace: Workplace) -> Object:
    found: Object = workplace.status("iris").get("rollout", {}).get("canary", {})
    return found
