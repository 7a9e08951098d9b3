"""Behind a real gateway: a model is reached by its route, and a canary gets its weight exactly."""

import time
from collections.abc import Iterator

import pytest

from fixtures.broken import renamed_input
from fixtures.trained import iris
from slipway_dev.cluster import Cluster
from support import gateway, load
from support.gateway import Web
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]


GATHERS = 3.0
"""Seconds after which a gateway that has heard of weights shares by them."""
REFUSED = "iris-refused"
"""A name of its own: of two routes with one path the older one wins, also while it goes."""
NOWHERE: Object = {"name": "web"}


@pytest.fixture(scope="module")
def web(slipway: Cluster) -> Iterator[Web]:
    with gateway.installed(slipway) as found:
        yield found


def wish(parent: Object, file: str, weight: int, duration: str, name: str = "iris") -> Object:
    canary = {"steps": [{"weight": weight, "duration": duration}], "minRequests": 100}
    return a_model_deployment(
        name,
        model={"uri": f"configMap://models/{file}.onnx"},
        replicas=2,
        rollout={"strategy": "Canary", "canary": canary},
        route={"parentRefs": [parent]},
    )


def test_without_a_gateway_api_the_model_is_served_and_the_route_is_said_to_be_in_vain(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(1))
    workplace.apply(wish(NOWHERE, "iris-v1", 50, "5s"))
    workplace.wait("iris")
    found = workplace.condition("iris", "RouteAccepted")
    assert (found["status"], found["reason"]) == ("False", "GatewayApiMissing")


def test_a_canary_gets_its_weight_exactly_and_then_all(workplace: Workplace, web: Web) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish(web.parent, "iris-v1", 10, "20s"))
    workplace.wait("iris")
    reached(workplace, web, "iris")
    versions = {"1": iris(1), "2": iris(2)}
    workplace.apply(wish(web.parent, "iris-v2", 10, "20s"))
    workplace.until("it has a share", lambda: "startedTime" in share(workplace))
    assert share(workplace)["weightedBy"] == "HTTPRoute"
    assert share(workplace)["actualWeight"] == 10
    time.sleep(GATHERS)
    alone = load.start(workplace, "iris", versions, host=web.host).report()
    total = sum(alone.answers.values())
    assert total >= 100
    assert alone.answers["2"] / total == pytest.approx(0.1, abs=0.02)
    neighbour = load.start(workplace, "iris", {"1": iris(1)}).report()
    client = load.start(workplace, "iris", versions, host=web.host)
    workplace.wait("iris")
    for report in (alone, neighbour, client.report()):
        assert (report.failed, report.failures) == (0, ())
    last = load.start(workplace, "iris", {"2": iris(2)}, host=web.host).report()
    assert (last.failed, last.failures) == (0, ())


def test_a_canary_that_refuses_its_callers_loses_its_weight(workplace: Workplace, web: Web) -> None:
    workplace.provide_files(iris().path, renamed_input())
    workplace.apply(wish(web.parent, "iris-v1", 20, "1h", REFUSED))
    workplace.wait(REFUSED)
    reached(workplace, web, REFUSED)
    client = load.start(workplace, REFUSED, {"1": iris(1)}, host=web.host)
    workplace.apply(wish(web.parent, "iris-renamed", 20, "1h", REFUSED))
    workplace.until(
        "it is given up",
        lambda: workplace.condition(REFUSED, "Ready").get("reason") == "RolledBack",
    )
    assert "were refused (4xx)" in workplace.condition(REFUSED, "Stalled")["message"]
    later = load.start(workplace, REFUSED, {"1": iris(1)}, host=web.host).report()
    assert (later.failed, later.failures) == (0, ())
    report = client.report()
    assert report.failed > 0
    assert [failure for failure in report.failures if "status 400" not in failure] == []


def reached(workplace: Workplace, web: Web, name: str) -> None:
    """Wait until the gateway knows the pods: it gathers news for two seconds."""
    workplace.wait(name, "RouteAccepted")

    def answered() -> bool:
        return load.start(workplace, name, {"1": iris(1)}, host=web.host).report().failed == 0

    workplace.until("the gateway reaches them", answered)


def share(workplace: Workplace) -> Object:
    found: Object = workplace.status("iris").get("rollout", {}).get("canary", {})
    return found
