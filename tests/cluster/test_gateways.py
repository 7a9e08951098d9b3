"""Behind a real gateway: a model is reached by its route, and a canary gets its weight exactly."""

import json
import time
from collections.abc import Iterator

import pytest

from fixtures.broken import renamed_input
from fixtures.trained import iris
from slipway_dev.cluster import Cluster
from slipway_operator.core.copies import Copies
from support import gateway, load
from support.gateway import Web
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]


GATHERS = 3.0
"""Seconds after which a gateway that has heard of weights shares by them."""
REFUSED = "iris-refused"
"""A name of its own: of two routes with one path the older one wins, also while it goes."""
ANY, SHADOWED = "iris-any", "iris-shadowed"
NOWHERE: Object = {"name": "web"}


@pytest.fixture(scope="module")
def web(slipway: Cluster) -> Iterator[Web]:
    with gateway.installed(slipway) as found:
        yield found


def wish(parent: Object, file: str, weight: int, duration: str, name: str = "iris") -> Object:
    canary = {"steps": [{"weight": weight, "duration": duration}], "minRequests": 100}
    return routed(parent, name, file, strategy="Canary", canary=canary)


def routed(parent: Object, name: str, file: str, number: int = 0, **rollout: object) -> Object:
    """Build an object of which every number is another revision."""
    return a_model_deployment(
        name,
        model={"uri": f"configMap://models/{file}.onnx"},
        replicas=2,
        template={"env": [{"name": "NUMBER", "value": str(number)}]},
        rollout=rollout,
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
    time.sleep(load.HEARSAY)
    later = load.start(workplace, REFUSED, {"1": iris(1)}, host=web.host).report()
    assert (later.failed, later.failures) == (0, ())
    report = client.report()
    assert report.failed > 0
    assert [failure for failure in report.failures if "status 400" not in failure] == []


def test_other_strategies_go_on_and_back_behind_a_gateway(workplace: Workplace, web: Web) -> None:
    workplace.provide(iris(1), iris(2))
    versions = {"1": iris(1), "2": iris(2)}

    def wish(number: int, file: str, strategy: str, **more: object) -> Object:
        return routed(web.parent, ANY, file, number, strategy=strategy, **more)

    def there_and_back(number: int, strategy: str, there: str, back: str, **more: object) -> None:
        workplace.apply(wish(number, there, strategy, **more))
        workplace.wait(ANY)
        past = workplace.status(ANY)["rollouts"][0]
        assert past["result"] == "Promoted"
        assert past["strategy"] == {"Auto": "BlueGreen"}.get(strategy, strategy)
        given_up(workplace, wish(number + 1, back, strategy, **more))

    workplace.apply(wish(0, "iris-v1", "BlueGreen"))
    workplace.wait(ANY)
    reached(workplace, web, ANY)
    clients = [load.start(workplace, ANY, versions, host=host) for host in (web.host, "")]
    there_and_back(1, "BlueGreen", "iris-v2", "iris-v1", rollbackWindow="1h")
    there_and_back(3, "Auto", "iris-v1", "iris-v2")
    there_and_back(5, "RollingUpdate", "iris-v2", "iris-v1", rollingUpdate={"maxSurge": 1})
    for report in [client.report() for client in clients]:
        assert (report.failed, report.failures) == (0, ())
        assert min(report.answers["1"], report.answers["2"]) > 50
    there_and_back(7, "Recreate", "iris-v1", "iris-v2")
    workplace.wait(ANY, "Available")
    reached(workplace, web, ANY)


def test_a_shadow_goes_on_and_back_behind_a_gateway(workplace: Workplace, web: Web) -> None:
    def wish(number: int, duration: str) -> Object:
        shadow = {"duration": duration, "minRequests": 20}
        return routed(web.parent, SHADOWED, "iris-v1", number, strategy="Shadow", shadow=shadow)

    workplace.provide(iris(1))
    workplace.apply(wish(0, "1s"))
    workplace.wait(SHADOWED)
    reached(workplace, web, SHADOWED)
    client = load.start(workplace, SHADOWED, {"1": iris(1)}, host=web.host)
    workplace.apply(wish(1, "1s"))
    workplace.wait(SHADOWED, seconds=150)
    past = workplace.status(SHADOWED)["rollouts"][0]
    assert (past["result"], past["strategy"]) == ("Promoted", "Shadow")
    given_up(workplace, wish(2, "1h"))
    report = client.report()
    assert (report.failed, report.failures) == (0, ())


def given_up(workplace: Workplace, wish: Object) -> None:
    """Make a change, abort it once it has begun, and see what served before serve on."""
    name = wish["metadata"]["name"]
    before = workplace.status(name)["stableRevision"]
    workplace.apply(wish)

    def underway() -> str:
        latest: str = workplace.status(name)["latestRevision"]
        return latest if latest != before and begun(workplace, name, latest) else ""

    wish["spec"]["rollout"]["abort"] = workplace.until("it has begun", underway, seconds=120)
    workplace.apply(wish)
    workplace.until(
        "it is given up",
        lambda: (
            workplace.condition(name, "Ready")["reason"] == "RolledBack"
            and workplace.status(name)["rollout"]["phase"] == "RolledBack"
        ),
    )
    assert workplace.status(name)["stableRevision"] == before
    assert "Aborted" in workplace.condition(name, "Stalled")["message"]


def begun(workplace: Workplace, name: str, revision: str) -> bool:
    """Say whether a revision has what its strategy gives first: callers, copies or a ready pod."""
    rollout = workplace.status(name).get("rollout", {})
    match workplace.get("mdeploy", name)["spec"]["rollout"]["strategy"]:
        case "RollingUpdate":
            return int(rollout.get("rollingUpdate", {}).get("updatedReplicas", 0)) > 0
        case "Shadow":
            return copied(workplace, name, revision) > 0
        case _:
            found = [d for d in workplace.find("deployment") if d["metadata"]["name"] == revision]
            return any(d["status"].get("readyReplicas", 0) for d in found)


def copied(workplace: Workplace, name: str, revision: str) -> int:
    """Count the copies that those who serve say they have sent to a revision."""
    stable, latest = (
        full.removeprefix(f"{name}-")
        for full in (workplace.status(name)["stableRevision"], revision)
    )
    folder = f"/api/v1/namespaces/{workplace.namespace}/pods"
    pods = workplace.find("pod", f"slipway.dev/model={name},slipway.dev/revision={stable}")
    paths = (f"{folder}/{pod['metadata']['name']}:8082/proxy/status" for pod in pods)
    said = (json.loads(workplace.kubectl("get", "--raw", path)) for path in paths)
    return sum(Copies.read(each, latest).requests for each in said)


def reached(workplace: Workplace, web: Web, name: str) -> None:
    """Wait until the gateway knows the pods: it gathers news for two seconds."""
    workplace.wait(name, "RouteAccepted")

    def answered() -> bool:
        return load.start(workplace, name, {"1": iris(1)}, host=web.host).report().failed == 0

    workplace.until("the gateway reaches them", answered)


def share(workplace: Workplace) -> Object:
    found: Object = workplace.status("iris").get("rollout", {}).get("canary", {})
    return found
