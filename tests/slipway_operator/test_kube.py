from typing import Any

import pytest

from slipway_operator.cache import Cache
from slipway_operator.core import manifest
from slipway_operator.core.manifest import DEPLOYMENT, ROUTE, Manifest
from slipway_operator.core.rollout import Move
from slipway_operator.kube import KubeCluster
from slipway_operator.metrics import Metrics
from slipway_operator.ports import ApiError, BlockedError, Ref

SERVICE: Manifest = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "fraud", "namespace": "risk"},
}


class Refusing:
    """An API that fails, and counts how often it is asked."""

    def __init__(self, error: ApiError) -> None:
        self.metrics = Metrics()
        self.asked = 0
        self._error = error

    async def send(self, method: str, url: str, **params: Any) -> Manifest:
        self.asked += 1
        raise self._error

    def writes(self, result: str) -> float | None:
        labels = {"resource": "services", "verb": "patch", "result": result}
        name = "slipway_operator_writes_total"
        return self.metrics.registry.get_sample_value(name, labels)


def a_cluster(api: Any, *, leads: bool = True) -> KubeCluster:
    return KubeCluster(api, Cache(), lambda: leads)


@pytest.mark.parametrize(
    "error",
    [
        ApiError(403, "exceeded quota"),
        ApiError(422, "spec.ports: Invalid value"),
        ApiError(
            500,
            "failed to create typed patch object (risk/fraud; v1, Kind=Service): "
            ".spec.nope: field not declared in schema",
        ),
    ],
    ids=str,
)
async def test_what_the_api_server_refuses_is_somebodys_to_correct(error: ApiError) -> None:
    with pytest.raises(BlockedError, match="the API server refuses Service fraud"):
        await a_cluster(Refusing(error)).apply(SERVICE)


async def test_a_slow_store_is_nobodys_to_correct() -> None:
    api = Refusing(ApiError(500, "etcdserver: request timed out"))
    with pytest.raises(ApiError):
        await a_cluster(api).apply(SERVICE)
    assert api.writes("error") == 1


class Obeying:
    """An API that does what it is told."""

    def __init__(self) -> None:
        self.metrics = Metrics()

    async def send(self, method: str, url: str, **params: Any) -> Manifest:
        return {
            **MODEL,
            **params["body"],
            "metadata": {**MODEL["metadata"], "resourceVersion": "2"},
        }


MODEL: Manifest = {
    "apiVersion": "slipway.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "fraud", "namespace": "risk", "uid": "u", "resourceVersion": "1"},
}


async def test_a_rollout_that_ends_is_counted_once_with_its_length() -> None:
    entry = {
        "revision": "fraud-b",
        "result": "Promoted",
        "strategy": "Canary",
        "startedTime": "2026-01-01T12:00:00Z",
        "finishedTime": "2026-01-01T12:01:30Z",
    }
    before = {**entry, "revision": "fraud-a"}
    api = Obeying()
    cluster = a_cluster(api)
    await cluster.apply_status(
        {**MODEL, "status": {"rollouts": [before]}}, {"rollouts": [entry, before]}
    )
    await cluster.apply_status(
        {**MODEL, "status": {"rollouts": [entry, before]}}, {"rollouts": [entry, before]}
    )
    labels = {"strategy": "Canary", "result": "Promoted"}
    name = "slipway_operator_rollout_duration_seconds"
    value = api.metrics.registry.get_sample_value
    assert (value(f"{name}_count", labels), value(f"{name}_sum", labels)) == (1.0, 90.0)


async def test_a_canary_s_pod_is_labelled_and_one_that_is_gone_is_no_failure() -> None:
    sent: list[Any] = []

    class Listening(Obeying):
        async def send(self, method: str, url: str, **params: Any) -> Manifest:
            sent.append((method, url, params["body"]["metadata"]))
            raise ApiError(404, "not found")

    await a_cluster(Listening()).move(Ref("risk", "fraud"), Move("fraud-b-x", "a", "[1]"))
    labels, notes = {"slipway.dev/track": "a"}, {"slipway.dev/canary-baseline": "[1]"}
    path = "/api/v1/namespaces/risk/pods/fraud-b-x"
    assert sent == [("patch", path, {"labels": labels, "annotations": notes})]
    with pytest.raises(ApiError, match="nobody"):
        await a_cluster(Refusing(ApiError(0, "nobody"))).move(Ref("risk", "fraud"), Move("x", "a"))


async def test_who_does_not_hold_the_lease_sends_no_write() -> None:
    api = Refusing(ApiError(0, "never asked"))
    cluster = a_cluster(api, leads=False)
    for write in (cluster.apply, cluster.overwrite):
        with pytest.raises(ApiError, match="does not hold the lease"):
            await write(SERVICE)
    known = {**SERVICE, "metadata": {**SERVICE["metadata"], "uid": "u", "resourceVersion": "1"}}
    with pytest.raises(ApiError, match="does not hold the lease"):
        await cluster.delete(known)
    assert api.asked == 0
    assert api.writes("unsent") == 2


class Discovering:
    """An API server that lists HTTPRoutes, or answers with a status that is no success."""

    def __init__(self, status: int = 200) -> None:
        self.metrics = Metrics()
        self.status = status

    async def send(self, method: str, url: str, **params: Any) -> Manifest:
        assert (method, params) == ("get", {"query": {"limit": "1"}})
        assert url == "/apis/gateway.networking.k8s.io/v1/httproutes"
        if self.status != 200:
            raise ApiError(self.status, "the server could not find the requested resource")
        return {"items": []}


@pytest.mark.parametrize(("status", "there"), [(404, False), (403, False), (200, True)])
async def test_a_kind_that_may_be_missing_is_looked_for(status: int, there: bool) -> None:
    cluster = a_cluster(Discovering(status))
    assert not cluster.knows(ROUTE)
    await cluster.discover()
    assert (cluster.knows(ROUTE), ROUTE in cluster.kinds) == (there, there)
    assert cluster.kinds[-1] is manifest.MODEL
    assert cluster.knows(DEPLOYMENT)


async def test_it_is_news_when_a_kind_has_come_or_gone() -> None:
    api = Discovering(404)
    cluster = a_cluster(api)
    await cluster.discover()
    assert not await cluster.outdated()
    api.status = 200
    assert await cluster.outdated()
    await cluster.discover()
    assert not await cluster.outdated()
    api.status = 404
    assert await cluster.outdated()


async def test_a_server_that_does_not_say_which_kinds_there_are_has_not_lost_any() -> None:
    with pytest.raises(ApiError):
        await a_cluster(Discovering(503)).outdated()
