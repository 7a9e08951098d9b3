"""Copies of requests, and what their answers decide, before anybody is answered by a new model."""

import pytest

from fixtures.trained import iris
from support import load
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def wish(name: str, **shadow: object) -> Object:
    shadow = {"duration": "5s", "minRequests": 100, **shadow}
    return a_model_deployment(
        model={"uri": f"configMap://models/{name}.onnx"},
        replicas=2,
        rollout={"strategy": "Shadow", "shadow": shadow},
    )


def test_a_shadow_that_agrees_takes_over_and_one_that_does_not_is_given_up(
    workplace: Workplace,
) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish("iris-v1"))
    workplace.wait("iris")
    client = load.start(workplace, "iris", {"1": iris(1)})
    agreeing = wish("iris-v1")
    agreeing["spec"]["availability"] = {"drainSeconds": 6}
    workplace.apply(agreeing)
    workplace.wait("iris", seconds=150)
    past = workplace.status("iris")["rollouts"][0]
    assert (past["result"], past["strategy"]) == ("Promoted", "Shadow")
    assert past["shadow"]["agreed"] == past["shadow"]["requests"] >= 100
    assert past["shadow"]["agreement"] == "1"
    assert float(past["shadow"]["agreementAtLeast"]) > 0.9
    second = workplace.status("iris")["stableRevision"]
    workplace.apply(wish("iris-v2", duration="1h"))
    workplace.until(
        "the one that answers otherwise is given up",
        lambda: workplace.condition("iris", "Ready").get("reason") == "RolledBack",
        seconds=150,
    )
    message = workplace.condition("iris", "Stalled")["message"]
    assert "ShadowDisagrees" in message
    assert "probabilities[0, " in message
    past = workplace.status("iris")["rollouts"][0]
    assert past["result"] == "RolledBack"
    assert past["shadow"]["disagreed"] == past["shadow"]["requests"] > 0
    assert workplace.status("iris")["stableRevision"] == second
    workplace.until(
        "its Service is gone",
        lambda: [s["metadata"]["name"] for s in workplace.find("service")] == ["iris"],
        seconds=20,
    )
    report = client.report()
    assert (report.failed, report.failures, set(report.answers)) == (0, (), {"1"})
