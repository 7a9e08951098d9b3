"""What the operator counts about itself.

The names are those of controller-runtime and client-go, so that dashboards made for other
operators work; what they have no name for begins with ``slipway_operator_``. No label names a
ModelDeployment: their number is the users'.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

CONTROLLER = "modeldeployment"
LEASE = "slipway-operator"
ROLLOUT_SECONDS = (5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
Answers = tuple[tuple[str, str, str], ...]
"""Type, status and reason of each condition of one ModelDeployment."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Outcome(StrEnum):
    """How a pass ended, in controller-runtime's words."""

    SUCCESS = "success"
    REQUEUE_AFTER = "requeue_after"
    ERROR = "error"


class Metrics:
    """Every metric of the operator, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._passes()
        self._queue()
        self._requests()

    def text(self) -> bytes:
        """Write all of them down, in the text format of Prometheus."""
        return generate_latest(self.registry)

    def _passes(self) -> None:
        self._reconciles = self._counter(
            "controller_runtime_reconcile", "Passes by how they ended.", "controller", "result"
        )
        for outcome in Outcome:
            self._reconciles.labels(CONTROLLER, outcome)
        self._errors = self._counter(
            "controller_runtime_reconcile_errors", "Passes that failed.", "controller"
        ).labels(CONTROLLER)
        self._time = self._histogram(
            "controller_runtime_reconcile_time_seconds", "Length of a pass.", "controller"
        ).labels(CONTROLLER)
        self._active = self._gauge(
            "controller_runtime_active_workers", "Passes that run now.", "controller"
        ).labels(CONTROLLER)
        self._most = self._gauge(
            "controller_runtime_max_concurrent_reconciles", "Most passes at a time.", "controller"
        ).labels(CONTROLLER)
        self._applied = self._histogram(
            "slipway_operator_event_to_applied_seconds",
            "From the news of an object to the end of the pass that dealt with it.",
        )

    def _queue(self) -> None:
        self._depth = self._gauge("workqueue_depth", "Objects that wait.", "name").labels(
            CONTROLLER
        )
        self._adds = self._counter("workqueue_adds", "Passes asked for.", "name").labels(CONTROLLER)
        self._retries = self._counter("workqueue_retries", "Passes to repeat.", "name").labels(
            CONTROLLER
        )
        self._waited = self._histogram(
            "workqueue_queue_duration_seconds", "How long an object waited.", "name"
        ).labels(CONTROLLER)
        self._worked = self._histogram(
            "workqueue_work_duration_seconds", "How long a pass took.", "name"
        ).labels(CONTROLLER)
        self._unfinished = self._gauge(
            "workqueue_unfinished_work_seconds", "Age of all running passes together.", "name"
        ).labels(CONTROLLER)
        self._longest = self._gauge(
            "workqueue_longest_running_processor_seconds", "Age of the oldest running pass.", "name"
        ).labels(CONTROLLER)

    def _requests(self) -> None:
        self._sent = self._counter(
            "rest_client_requests", "Requests to the API server.", "code", "method", "host"
        )
        self._took = self._histogram(
            "rest_client_request_duration_seconds", "Length of a request.", "verb", "host"
        )
        self._writes = self._counter(
            "slipway_operator_writes",
            "Writes by what became of them.",
            "resource",
            "verb",
            "result",
        )
        self._rollouts = Histogram(
            "slipway_operator_rollout_duration_seconds",
            "Length of the rollouts that have ended, by what came of them.",
            ("strategy", "result"),
            registry=self.registry,
            buckets=ROLLOUT_SECONDS,
        )
        self._leader = self._gauge(
            "leader_election_master_status", "Whether this operator leads.", "name"
        ).labels(LEASE)

    def watch_queue(self, depth: Callable[[], int], ages: Callable[[], Sequence[float]]) -> None:
        """Ask a queue for its length and the ages of its passes whenever somebody looks."""
        self._depth.set_function(depth)
        self._active.set_function(lambda: len(ages()))
        self._unfinished.set_function(lambda: sum(ages()))
        self._longest.set_function(lambda: max(ages(), default=0.0))

    def watch_lease(self, held: Callable[[], bool]) -> None:
        """Ask whether this operator leads whenever somebody looks."""
        self._leader.set_function(held)

    def watch_models(self, models: Callable[[], Iterable[Answers]]) -> None:
        """Count the ModelDeployments and their conditions whenever somebody looks."""
        self.registry.register(Models(models))

    def workers(self, count: int) -> None:
        """Tell how many passes there can be at a time."""
        self._most.set(count)

    def added(self) -> None:
        """Count an object that wants a pass."""
        self._adds.inc()

    def begun(self, waited: float) -> None:
        """Count a pass that begins after its object waited ``waited`` seconds."""
        self._waited.observe(waited)

    def passed(self, outcome: Outcome, took: float) -> None:
        """Count a pass that took ``took`` seconds."""
        self._reconciles.labels(CONTROLLER, outcome).inc()
        self._time.observe(took)
        self._worked.observe(took)
        if outcome is Outcome.ERROR:
            self._errors.inc()

    def retried(self) -> None:
        """Count a pass that has to be repeated."""
        self._retries.inc()

    def applied(self, took: float) -> None:
        """Count news that were dealt with ``took`` seconds after they came."""
        self._applied.observe(took)

    def request(self, method: str, code: str, host: str, took: float) -> None:
        """Count a request to the API server that took ``took`` seconds."""
        self._sent.labels(code, method, host).inc()
        self._took.labels(method, host).observe(took)

    def wrote(self, resource: str, verb: str, result: str) -> None:
        """Count a write."""
        self._writes.labels(resource, verb, result).inc()

    def rolled_out(self, strategy: str, result: str, took: float) -> None:
        """Count a rollout that has ended, after ``took`` seconds."""
        self._rollouts.labels(strategy, result).observe(took)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=SECONDS)


class Models(Collector):
    """ModelDeployments and their conditions, as counts."""

    def __init__(self, models: Callable[[], Iterable[Answers]]) -> None:
        self._models = models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count them."""
        models = list(self._models())
        yield GaugeMetricFamily(
            "slipway_operator_models", "ModelDeployments that there are.", value=len(models)
        )
        tally = Tally(answer for answers in models for answer in answers)
        found = GaugeMetricFamily(
            "slipway_operator_model_conditions",
            "ModelDeployments by the answer to each question of their status.",
            labels=["type", "status", "reason"],
        )
        for labels, count in sorted(tally.items()):
            found.add_metric(labels, count)
        yield found
