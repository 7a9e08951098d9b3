"""A share of the traffic first: more and more of it where all is well, none any more where not."""

import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.broken import renamed_input
from fixtures.trained import iris
from support import load, prometheus
from support.operators import Operators
from support.verification import rows_of
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def wish(name: str, *steps: tuple[int, str], **more: Any) -> Object:
    shares = [{"weight": weight, "duration": duration} for weight, duration in steps]
    canary = {"steps": shares, "minRequests": 50, **more}
    return a_model_deployment(
        model={"uri": f"configMap://models/{name}.onnx"},
        replicas=2,
        rollout={"strategy": "Canary", "canary": canary},
    )


def share(workplace: Workplace) -> Object:
    found: Object = workplace.status("iris").get("rollout", {}).get("canary", {})
    return found


def endpoints(workplace: Workplace) -> dict[str, int]:
    """Count the pods behind the Service, by their revision."""
    ready = {
        endpoint["targetRef"]["name"]
        for piece in workplace.find("endpointslice", "kubernetes.io/service-name=iris")
        for endpoint in piece["endpoints"] or ()
        if endpoint["conditions"]["ready"]
    }
    labels = [
        pod["metadata"]["labels"]["slipway.dev/revision"]
        for pod in workplace.find("pod", "slipway.dev/model=iris")
        if pod["metadata"]["name"] in ready
    ]
    return {f"iris-{name}": labels.count(name) for name in set(labels)}


@pytest.mark.alone
def test_a_canary_takes_its_share_and_then_all_though_the_operator_is_killed(
    workplace: Workplace,
) -> None:
    steps = (34, "15s"), (50, "5s")
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish("iris-v1", *steps))
    workplace.wait("iris")
    first = workplace.status("iris")["stableRevision"]
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.apply(wish("iris-v2", *steps))
    workplace.until("the first step begins", lambda: "startedTime" in share(workplace))
    second = workplace.status("iris")["latestRevision"]
    workplace.until("it has a share", lambda: endpoints(workplace) == {first: 2, second: 1}, 10)
    assert (share(workplace)["actualWeight"], workplace.status("iris")["stableRevision"]) == (
        33,
        first,
    )
    operators = Operators(workplace.cluster)
    operators.signal(operators.leader(), signal.SIGKILL)
    workplace.until("the second step", lambda: endpoints(workplace) == {first: 2, second: 2})
    workplace.wait("iris")
    assert workplace.status("iris")["stableRevision"] == second
    workplace.until("it has all traffic", lambda: endpoints(workplace) == {second: 2}, 10)
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert min(report.answers["1"], report.answers["2"]) > 100


def test_a_canary_follows_what_an_hpa_scales_and_the_hpa_stays_until_it_has_taken_over(
    workplace: Workplace,
) -> None:
    idle = {"type": "Utilization", "averageUtilization": 1000}

    def scaled(name: str, low: int, **rollout: str) -> Object:
        found = wish(name, (34, "1h"))
        del found["spec"]["replicas"]
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": idle}}]
        bounds = {"minReplicas": low, "maxReplicas": 4, "metrics": metrics}
        found["spec"] |= {"autoscaling": bounds, "rollout": found["spec"]["rollout"] | rollout}
        return found

    def target() -> str:
        found: str = workplace.get("hpa", "iris")["spec"]["scaleTargetRef"]["name"]
        return found

    workplace.provide(iris(1), iris(2))
    workplace.apply(scaled("iris-v1", 2))
    workplace.wait("iris")
    first = workplace.status("iris")["stableRevision"]
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.apply(scaled("iris-v2", 2))
    workplace.until("it has a share", lambda: len(endpoints(workplace)) == 2)
    second = workplace.status("iris")["latestRevision"]
    assert (endpoints(workplace), target()) == ({first: 2, second: 1}, first)
    workplace.apply(scaled("iris-v2", 4))
    workplace.until("it follows", lambda: endpoints(workplace) == {first: 4, second: 2})
    assert target() == first
    workplace.apply(scaled("iris-v2", 4, promote=second))
    workplace.wait("iris")
    workplace.until("it has all traffic", lambda: endpoints(workplace) == {second: 4}, 20)
    assert target() == second
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
    assert min(report.answers["1"], report.answers["2"]) > 100


def test_a_canary_that_refuses_its_callers_loses_all_traffic_and_the_old_one_serves_on(
    workplace: Workplace,
) -> None:
    workplace.provide_files(iris().path, renamed_input())
    workplace.apply(wish("iris-v1", (34, "1h")))
    workplace.wait("iris")
    first = workplace.status("iris")["stableRevision"]
    client = load.start(workplace, "iris", {"1": iris(1)})
    workplace.apply(wish("iris-renamed", (34, "1h")))
    workplace.until("it has a share", lambda: len(endpoints(workplace)) == 2)
    workplace.until("it has none", lambda: endpoints(workplace) == {first: 2}, seconds=15)
    workplace.until(
        "status says so",
        lambda: workplace.condition("iris", "Ready").get("reason") == "RolledBack",
    )
    message = workplace.condition("iris", "Stalled")["message"]
    assert "CanaryFailed" in message
    assert "were refused (4xx)" in message
    assert workplace.condition("iris", "Available")["status"] == "True"
    time.sleep(load.HEARSAY)
    later = load.start(workplace, "iris", {"1": iris(1)})
    assert later.report().failed == 0
    report = client.report()
    assert all("status 400" in failure for failure in report.failures)
    assert report.answers["1"] > 10 * report.failed


def test_a_canary_ends_by_requests_and_is_judged_by_how_far_its_answers_agree(
    workplace: Workplace,
) -> None:
    def compared(name: str, **step: Any) -> Object:
        found = wish(name, minRequests=20, minAgreement="0.95")
        found["spec"]["rollout"]["canary"]["steps"] = [{"weight": 34, **step}]
        return found

    workplace.provide(iris(1), iris(2))
    workplace.apply(compared("iris-v1", requests=100))
    workplace.wait("iris")
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    same = compared("iris-v1", requests=100)
    same["spec"]["availability"] = {"drainSeconds": 6}
    workplace.apply(same)
    workplace.until("the step begins", lambda: "startedTime" in share(workplace))
    workplace.wait("iris", seconds=150)
    past = workplace.status("iris")["rollouts"][0]
    assert (past["result"], past["strategy"]) == ("Promoted", "Canary")
    assert past["canary"]["requests"] >= 100
    assert past["canary"]["agreed"] == past["canary"]["copies"] >= 20
    second = workplace.status("iris")["stableRevision"]
    workplace.apply(compared("iris-v2", duration="1h"))
    workplace.until(
        "the one that answers otherwise is given up",
        lambda: workplace.condition("iris", "Ready").get("reason") == "RolledBack",
        seconds=150,
    )
    message = workplace.condition("iris", "Stalled")["message"]
    assert "CanaryFailed" in message
    assert "were answered otherwise" in message
    past = workplace.status("iris")["rollouts"][0]
    assert past["canary"]["agreed"] < past["canary"]["copies"]
    assert workplace.status("iris")["stableRevision"] == second
    report = client.report()
    assert (report.failed, report.failures) == (0, ())


def test_a_canary_without_callers_is_judged_by_the_rows_that_it_asks_itself(
    workplace: Workplace, tmp_path: Path
) -> None:
    def verified(name: str, version: int) -> Object:
        rows = {"name": "golden", "configMap": {"name": "golden", "key": f"{version}.npz"}}
        parity = {"dataset": "golden", "output": "probabilities"}
        found = wish(name, (34, "5s"), minRequests=3)
        found["spec"]["verification"] = {
            "datasets": [rows],
            "checks": [{"name": "parity", "type": "Expected", "expected": parity}],
            "continuous": {"interval": "5s"},
        }
        return found

    workplace.provide(iris(1), iris(2))
    files = [rows_of(iris(version), tmp_path / f"{version}.npz") for version in (1, 2)]
    workplace.provide_files(*files, name="golden")
    workplace.apply(verified("iris-v1", 1))
    workplace.wait("iris")
    workplace.apply(verified("iris-v2", 2))
    workplace.until("it has a share", lambda: "startedTime" in share(workplace))
    workplace.wait("iris")
    past = workplace.status("iris")["rollouts"][0]
    assert (past["result"], past["canary"]["failed"]) == ("Promoted", 0)
    assert past["canary"]["requests"] >= 3


def loads_within(seconds: str, name: str, version: str) -> Object:
    """Have a canary whose pods must have loaded the model in so many seconds, as they say."""
    told = f"slipway_model_info{{model='$(name)', version='{version}'}}"
    text = f"max(slipway_model_load_seconds and on(instance) {told})"
    query = {"name": "load-time", "query": text, "max": seconds}
    found = wish(name, (34, "5s"), queries=[query])
    found["spec"]["model"]["version"] = version
    return found


@pytest.mark.alone
@pytest.mark.skipif(not shutil.which("apt-get"), reason="Prometheus comes as a Debian package")
def test_a_canary_goes_on_or_back_as_a_prometheus_says(workplace: Workplace) -> None:
    workplace.provide(iris(1), iris(2))
    workplace.apply(wish("iris-v1", (34, "5s")))
    url = prometheus.serve(workplace, "iris")
    workplace.wait("iris")
    client = load.start(workplace, "iris", {"1": iris(1), "2": iris(2)})
    workplace.apply(loads_within("60", "iris-v2", "2"))
    workplace.until(
        "it waits for a Prometheus",
        lambda: "set SLIPWAY_PROMETHEUS_URL" in workplace.condition("iris", "Ready")["message"],
    )
    with Operators(workplace.cluster).told("SLIPWAY_PROMETHEUS_URL", url):
        workplace.wait("iris")
        second = workplace.status("iris")["stableRevision"]
        (said,) = workplace.status("iris")["rollouts"][0]["canary"]["queries"]
        assert said["name"] == "load-time"
        assert 0 < float(said["value"]) < 60
        workplace.apply(loads_within("0.00001", "iris-v1", "3"))
        workplace.until(
            "it is given up",
            lambda: workplace.condition("iris", "Ready").get("reason") == "RolledBack",
        )
    message = workplace.condition("iris", "Stalled")["message"]
    assert "CanaryFailed: query load-time gives 0." in message
    assert workplace.status("iris")["stableRevision"] == second
    report = client.report()
    assert (report.failed, report.failures) == (0, ())
