"""A model behind gateways: its route, and a canary by weights."""

from math import ceil
from typing import Any

import pytest

from slipway_operator.core.manifest import BUDGET, Manifest
from support.builders import AUTOSCALING
from support.canaries import BAD, GOOD, MINUTE, NOTHING, end_a_step, rollout
from support.lives import Life, deaths
from support.passes import NEW_URI, change, condition, selected

ROUTE = {"parentRefs": [{"name": "web", "namespace": "infra"}], "hostnames": ["m.example.org"]}


async def begun(**spec: Any) -> tuple[Life, str, str]:
    """Serve a revision with three pods behind a gateway, and begin the canary of a second one."""
    life, first = Life.of(**{"replicas": 3, "rollout": rollout(), "route": ROUTE} | spec)
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.requests[second] = NOTHING
    await life.passes()
    return life, first, second


def weights(life: Life) -> dict[str, int]:
    """Tell how the route shares requests, by Service."""
    [rule] = life.cluster.get("HTTPRoute", "fraud")["spec"]["rules"]
    return {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}


def behind(life: Life, service: str) -> str:
    """Name the revision that a Service selects."""
    selector = life.cluster.get("Service", service)["spec"]["selector"]
    return f"fraud-{selector['slipway.dev/track']}"


def labels(life: Life, revision: str) -> set[str]:
    """Name the revisions whose traffic the pods of one take."""
    pods: list[Manifest] = life.cluster.pod_list
    mine = [p["metadata"]["labels"] for p in pods if p["metadata"]["name"].startswith(revision)]
    return {f"fraud-{label.get('slipway.dev/track', revision[-8:])}" for label in mine}


async def test_a_route_leads_to_the_model_and_goes_with_the_wish() -> None:
    life, _ = Life.of(route=ROUTE)
    await life.passes()
    spec = life.cluster.get("HTTPRoute", "fraud")["spec"]
    assert spec == {
        **ROUTE,
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/v2/models/fraud"}}],
                "backendRefs": [{"name": "fraud", "port": 80, "weight": 100}],
            }
        ],
    }
    assert condition(life.cluster, "RouteAccepted")["status"] == "True"
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before
    del life.cluster.get("ModelDeployment", "fraud")["spec"]["route"]
    change(life.cluster)
    await life.passes()
    assert life.cluster.names("HTTPRoute") == set()
    assert life.cluster.names("Service") == {"fraud"}


async def test_a_route_follows_the_name_of_the_model_that_serves() -> None:
    life, _ = Life.of(route=ROUTE)
    await life.passes()
    renamed = change(life.cluster, model={**NEW_URI, "name": "scores"})
    life.broken[renamed] = "Late"
    await life.passes()
    [rule] = life.cluster.get("HTTPRoute", "fraud")["spec"]["rules"]
    assert rule["matches"][0]["path"]["value"] == "/v2/models/fraud"
    del life.broken[renamed]
    await life.passes()
    [rule] = life.cluster.get("HTTPRoute", "fraud")["spec"]["rules"]
    assert rule["matches"][0]["path"]["value"] == "/v2/models/scores"


async def test_without_a_gateway_api_the_wish_is_told_to_be_in_vain_and_all_else_goes_on() -> None:
    life, _ = Life.of(route=ROUTE)
    life.cluster.gateway = False
    await life.passes()
    assert life.cluster.names("HTTPRoute") == set()
    assert condition(life.cluster, "RouteAccepted")["reason"] == "GatewayApiMissing"
    assert condition(life.cluster, "Ready")["status"] == "True"
    assert [event.reason for event in life.cluster.told if event.warning] == ["GatewayApiMissing"]


async def test_a_canary_gets_its_weight_and_then_all() -> None:
    life, first, second = await begun()
    assert weights(life) == {"fraud": 75, "fraud-canary": 25}
    assert (selected(life.cluster), behind(life, "fraud-canary")) == (first, second)
    assert labels(life, second) == {second}, "the Service goes on selecting what serves alone"
    canary = life.status["rollout"]["canary"]
    assert (canary["actualWeight"], canary["weightedBy"]) == (25, "HTTPRoute")
    assert condition(life.cluster, "Ready")["message"].endswith(
        "takes 25 % of the requests that come by the HTTPRoute: step 1 of 2"
    )
    await end_a_step(life, second)
    assert weights(life) == {"fraud": 50, "fraud-canary": 50}
    assert life.replicas(second) == 2
    life.now += MINUTE
    await life.passes()
    assert (selected(life.cluster), behind(life, "fraud-canary")) == (second, second)
    assert weights(life) == {"fraud": 100, "fraud-canary": 0}
    assert "rollout" not in life.status


async def test_one_that_fails_loses_its_weight_in_one_pass() -> None:
    life, first, second = await begun()
    life.requests[second] = BAD
    await life.passes(1)
    assert weights(life) == {"fraud": 100, "fraud-canary": 0}
    assert (selected(life.cluster), behind(life, "fraud-canary")) == (first, first)
    await life.passes()
    assert life.replicas(second) == 0
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"


async def test_one_whose_pods_are_gone_has_no_weight_until_they_are_back() -> None:
    life, first, second = await begun()
    life.broken[second] = "Late"
    await life.passes(1)
    assert weights(life) == {"fraud": 100, "fraud-canary": 0}
    assert behind(life, "fraud-canary") == first


async def test_where_no_gateway_takes_the_route_pods_make_the_share() -> None:
    life, first, second = await begun()
    life.closed = True
    await life.passes()
    assert weights(life) == {"fraud": 100, "fraud-canary": 0}
    assert labels(life, second) == {first}
    assert life.status["rollout"]["canary"]["weightedBy"] == "Pods"
    assert condition(life.cluster, "RouteAccepted")["reason"] == "NotAllowedByListeners"
    life.closed = False
    await life.passes()
    assert weights(life) == {"fraud": 75, "fraud-canary": 25}
    assert labels(life, second) == {second}


@pytest.mark.parametrize("numbers", [GOOD, BAD])
async def test_an_operator_that_dies_at_any_write_gives_no_weight_to_nobody(numbers: Any) -> None:
    async def begin() -> Life:
        life, _ = Life.of(replicas=3, rollout=rollout(), route=ROUTE)
        await life.passes()
        life.requests[change(life.cluster, model=NEW_URI)] = NOTHING
        return life

    def look(life: Life) -> None:
        [second] = life.requests
        serving = behind(life, "fraud-canary")
        assert life.cluster.get("Deployment", serving)["status"]["readyReplicas"] > 0
        assert life.replicas(selected(life.cluster)) == 3
        if weights(life)["fraud-canary"]:
            life.requests[second] = numbers
        elif life.requests[second] is NOTHING:
            assert "startedTime" not in life.status.get("rollout", {}).get("canary", {})

    lives = await deaths(begin, look)
    for life in lives:
        [second] = life.requests
        assert (selected(life.cluster) == second) is (numbers is GOOD)
        assert ("refusal" in life.entry(second)) is (numbers is BAD)
        assert weights(life) == {"fraud": 100, "fraud-canary": 0}
    assert len(lives) > 10


def steps(*shares: int) -> dict[str, Any]:
    """A canary of these weights, for a minute each."""
    found = [{"weight": weight, "duration": "1m"} for weight in shares]
    return rollout(canary={"steps": found, "minRequests": 100, "maxErrorRatio": "0.01"})


async def test_weight_waits_for_the_pods_that_carry_it() -> None:
    life, _, second = await begun(replicas=10, rollout=steps(10, 90))
    life.room, life.requests[second] = 11, GOOD
    life.now += MINUTE
    await life.passes()
    assert (life.replicas(second), life.placed[second]) == (9, 1)
    assert weights(life) == {"fraud": 90, "fraud-canary": 10}
    life.room = 100
    await life.passes()
    assert weights(life) == {"fraud": 10, "fraud-canary": 90}


async def test_a_service_of_somebody_else_gets_no_weight() -> None:
    life, first = Life.of(replicas=3, rollout=rollout(), route=ROUTE)
    owner = {"kind": "ModelDeployment", "name": "fraud-canary", "uid": "u2", "controller": True}
    metadata = {"name": "fraud-canary", "uid": "u", "ownerReferences": [owner]}
    life.cluster.add({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}})
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.requests[second] = NOTHING
    await life.passes()
    assert weights(life) == {"fraud": 100, "fraud-canary": 0}
    assert labels(life, second) == {first}
    assert condition(life.cluster, "Ready")["reason"] == "NameCollision"
    assert condition(life.cluster, "Available")["status"] == "True"


async def test_an_hpa_takes_no_pods_away_while_a_gateway_takes_requests_away() -> None:
    life, _ = Life.of(rollout=steps(10, 50), route=ROUTE)
    life.cluster.get("ModelDeployment", "fraud")["spec"].pop("replicas")
    first = change(life.cluster, autoscaling={**AUTOSCALING, "maxReplicas": 20})
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.requests[second] = NOTHING
    life.cluster.get("Deployment", first)["spec"]["replicas"] = 10
    await life.passes()
    life.requests[second] = GOOD
    while selected(life.cluster) == first:
        least = life.cluster.get("HorizontalPodAutoscaler", "fraud")["spec"]["minReplicas"]
        left = ceil(10 * weights(life)["fraud"] / 100)
        life.cluster.get("Deployment", first)["spec"]["replicas"] = max(least, left)
        life.now += MINUTE
        await life.passes()
    assert life.replicas(second) == 10
    assert life.cluster.get("HorizontalPodAutoscaler", "fraud")["spec"]["minReplicas"] == 2


async def test_the_service_of_a_canary_outlives_its_weight() -> None:
    life, _, _ = await begun()
    wish = rollout(strategy="BlueGreen")
    del wish["canary"]
    change(life.cluster, rollout=wish)
    life.behind = True
    await life.passes()
    assert weights(life) == {"fraud": 100, "fraud-canary": 0}
    assert "fraud-canary" in life.cluster.names("Service")
    life.behind = False
    await life.passes()
    assert weights(life) == {"fraud": 100}
    assert life.cluster.names("Service") == {"fraud"}


async def test_a_step_begins_when_gateways_have_heard_of_its_weight() -> None:
    life, _ = Life.of(replicas=3, rollout=rollout(), route=ROUTE)
    await life.passes()
    life.behind = True
    second = change(life.cluster, model=NEW_URI)
    life.requests[second] = NOTHING
    await life.passes()
    assert weights(life)["fraud-canary"] == 25
    assert "startedTime" not in life.status["rollout"]["canary"]
    life.behind = False
    await life.passes()
    assert "startedTime" in life.status["rollout"]["canary"]


async def test_a_drain_takes_the_pods_of_a_canary_one_by_one() -> None:
    life, first, second = await begun()

    def guarded() -> set[str]:
        budgets = [o for (kind, _), o in life.cluster.objects.items() if kind == BUDGET.kind]
        found = [b["spec"]["selector"]["matchLabels"]["slipway.dev/track"] for b in budgets]
        return {f"fraud-{track}" for track in found}

    assert guarded() == {first, second}
    life.requests[second] = BAD
    await life.passes()
    assert guarded() == {first}


async def test_an_operator_that_dies_leaves_no_weight_on_a_service_without_pods() -> None:
    async def begin() -> Life:
        life, _, _ = await begun()
        life.closed = True
        return life

    def look(life: Life) -> None:
        track = behind(life, "fraud-canary")
        tracks = set().union(*(labels(life, name) for name in life.cluster.names("Deployment")))
        assert track in tracks or not weights(life)["fraud-canary"]

    assert len(await deaths(begin, look)) > 3
