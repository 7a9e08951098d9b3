"""Dashboard and alerts ask only for what the operator and the pods of models count."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from slipway_operator.core import names
from slipway_operator.core.render import pod
from slipway_operator.metrics import CONTROLLER, Metrics
from slipway_operator.ports import Ref
from slipway_operator.queue import Queue
from slipway_runtime import exposition
from slipway_runtime.metrics import Metrics as RuntimeMetrics
from support.builders import a_spec
from support.crd import SCHEMA
from support.manifests import MONITORING, base, documents

WORDS = {"sum", "min", "max", "rate", "by", "or", "vector", "histogram_quantile", "le"}
[OPERATOR, PODS] = documents(MONITORING / "scraping.yaml")
GIVEN = {"namespace", "pod", "le"} | {
    re.sub(r"\W", "_", label) for label in PODS["spec"]["podTargetLabels"]
}
"""Labels that Prometheus adds, or that every histogram has."""


class Query(NamedTuple):
    """One expression, and what it is for."""

    name: str
    text: str


def queries() -> Iterator[Query]:
    for panel in json.loads((MONITORING / "operator.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield Query(panel["title"], target["expr"])
    [rules] = documents(MONITORING / "alerts.yaml")
    for group in rules["spec"]["groups"]:
        for rule in group["rules"]:
            yield Query(rule["alert"], rule["expr"])


def counted() -> dict[str, set[str]]:
    """List the series of an operator that has worked, and of a pod, and the labels they have."""

    async def nothing(_: Ref) -> None: ...

    metrics = Metrics()
    Queue(nothing, metrics)
    metrics.watch_models(lambda: [(CONDITION,)])
    metrics.request("GET", "200", "host", 0.1)
    metrics.wrote("services", "patch", "ok")
    return series_of(metrics.text()) | series_of(told_by_a_pod())


def told_by_a_pod() -> bytes:
    metrics = RuntimeMetrics("m")
    metrics.answers_wrong = True
    return exposition.render(metrics, exposition.Now(True, {}))


def series_of(text: bytes) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in text.decode().splitlines():
        series = re.match(r"([a-z_]+)(?:\{(.*)\})? ", line)
        if series and not line.startswith("#"):
            labels = re.findall(r'(\w+)="', series[2] or "")
            found.setdefault(series[1], set()).update(labels)
    return found


STATUS = SCHEMA["properties"]["status"]["properties"]
QUESTIONS = set(re.findall(r"(\w+):", STATUS["conditions"]["description"]))
CONDITION = ("Ready", "True", "Ready")
COUNTED = counted()


def asked(query: str) -> Iterator[tuple[str, set[str]]]:
    """List the series that a query names, and the labels that it selects them by."""
    bare = re.sub(r'"[^"]*"', '""', query)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", bare))))
    bare = re.sub(r"by \([^)]*\)", "", bare)
    for name, selector in re.findall(r"\b([a-z_]{2,})\b(?:\{([^}]*)\})?", bare):
        if name not in WORDS and not name.isnumeric():
            yield name, set(re.findall(r"(\w+)\s*[=!]", selector)) | grouped


@pytest.mark.parametrize("query", [*queries()], ids=lambda query: query.name)
def test_a_query_names_series_and_labels_that_there_are(query: Query) -> None:
    named = list(asked(query.text))
    assert named
    for name, labels in named:
        assert name in COUNTED
        assert labels - GIVEN <= COUNTED[name], name


@pytest.mark.parametrize("query", [*queries()], ids=lambda query: query.name)
def test_a_query_selects_values_that_there_are(query: Query) -> None:
    known = {"controller": {CONTROLLER}, "status": {"True", "False", "Unknown"}}
    known |= {"type": QUESTIONS, "name": {CONTROLLER, "slipway-operator"}, "result": {"refused"}}
    for label, values in re.findall(r'(\w+)=~?"([^"]*)"', query.text):
        assert set(values.split("|")) <= known[label]


def test_every_pod_of_a_model_is_scraped_where_it_has_its_metrics() -> None:
    template = pod.template("fraud", a_spec(), "runtime:1")
    asked = PODS["spec"]
    assert asked["namespaceSelector"] == {"any": True}
    assert asked["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert asked["podTargetLabels"] == [names.MODEL_LABEL]
    [endpoint] = asked["podMetricsEndpoints"]
    ports = {p["name"]: p["containerPort"] for p in template["spec"]["containers"][0]["ports"]}
    assert (ports[endpoint["port"]], endpoint["path"]) == (names.ADMIN_PORT, "/metrics")


def test_the_operator_is_scraped_where_it_has_its_metrics() -> None:
    service = base("Service", "slipway-operator-metrics")
    [endpoint] = OPERATOR["spec"]["endpoints"]
    assert (
        OPERATOR["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_an_alert_says_what_to_do() -> None:
    [rules] = documents(MONITORING / "alerts.yaml")
    for group in rules["spec"]["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "action"}
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_the_names_are_those_of_other_operators() -> None:
    assert set(COUNTED) >= {
        "controller_runtime_reconcile_total",
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_reconcile_time_seconds_bucket",
        "controller_runtime_active_workers",
        "controller_runtime_max_concurrent_reconciles",
        "workqueue_depth",
        "workqueue_adds_total",
        "workqueue_retries_total",
        "workqueue_queue_duration_seconds_bucket",
        "workqueue_work_duration_seconds_bucket",
        "workqueue_unfinished_work_seconds",
        "workqueue_longest_running_processor_seconds",
        "rest_client_requests_total",
        "rest_client_request_duration_seconds_bucket",
        "leader_election_master_status",
    }
