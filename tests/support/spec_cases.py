"""What the API server must accept, and what it must refuse with which words: data only.

A case is a set of changes to the smallest valid object, by path; None takes a field away. Keys
with dots in them stay whole because maps are given as values.
"""

from typing import Any

Changes = dict[str, Any]

MINIMAL: dict[str, Any] = {
    "apiVersion": "slipway.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "iris"},
    "spec": {"model": {"uri": "configMap://iris-model/model.onnx"}, "replicas": 1},
}

HEX64 = "0123456789abcdef" * 4

_MODEL = "spec.model"
_URI = "spec.model.uri"
_SESSION = "spec.runtime.session"
_LIMITS = "spec.runtime.limits"
_BATCHING = "spec.runtime.batching"
_RUNTIME = "spec.runtime"
_TEMPLATE = "spec.template"
_DEADLINE = "spec.rollout.progressDeadlineSeconds"
_ROLLOUT = "spec.rollout"
_CANARY = "spec.rollout.canary"
_SHADOW = "spec.rollout.shadow"
_BUDGET = "spec.availability.disruptionBudget.maxUnavailable"
_METRICS = "spec.autoscaling.metrics"


def signature(**changes: Any) -> Changes:
    """Promise one input, as ``changes`` say."""
    entry = {"name": "x", "datatype": "FP32", "shape": [-1, 4], **changes}
    return {"spec.signature": {"inputs": [{k: v for k, v in entry.items() if v is not None}]}}


def metric(name: str = "cpu", **target: Any) -> list[dict[str, Any]]:
    """One Resource metric, with a Utilization of 50 unless ``target`` says otherwise."""
    wanted = target or {"type": "Utilization", "averageUtilization": 50}
    return [{"type": "Resource", "resource": {"name": name, "target": wanted}}]


def container_metric(
    container: str = "serve", name: str = "cpu", **target: Any
) -> list[dict[str, Any]]:
    """One ContainerResource metric, with a Utilization of 50 unless ``target`` says otherwise."""
    wanted = target or {"type": "Utilization", "averageUtilization": 50}
    source = {"name": name, "container": container, "target": wanted}
    return [{"type": "ContainerResource", "containerResource": source}]


def autoscaled(**changes: Any) -> Changes:
    """Changes that make an object autoscaled up to 3, with ``changes`` in spec.autoscaling."""
    return {"spec.replicas": None, "spec.autoscaling": {"maxReplicas": 3, **changes}}


A_STEP = {"weight": 5, "duration": "1m"}


def canary(**changes: Any) -> Changes:
    """Changes that make a canary of new revisions, with ``changes`` in spec.rollout.canary."""
    return {"spec.rollout": {"strategy": "Canary", "canary": changes}}


A_QUERY = {"name": "errors", "query": "up", "max": "1"}


def asked(**changes: Any) -> Changes:
    """Changes that have a canary ask Prometheus, without a bound but for one in ``changes``."""
    return canary(queries=[{"name": "errors", "query": "up", **changes}])


def rolling(surge: int | str) -> Changes:
    """Changes that have pods replaced bit by bit."""
    return {
        "spec.rollout": {"strategy": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}},
    }


def shadow(**changes: Any) -> Changes:
    """Changes that make a shadow of new revisions, with ``changes`` in spec.rollout.shadow."""
    return {"spec.rollout": {"strategy": "Shadow", "shadow": changes}}


def routed(parent: Any = None, *hostnames: str) -> Changes:
    """Changes that have the model reached by a gateway."""
    hosts = {"hostnames": list(hostnames)} if hostnames else {}
    return {"spec.route": {"parentRefs": [{"name": "web"} | (parent or {})], **hosts}}


def policy(**changes: Any) -> Changes:
    """Changes that bound the scale-down by one policy."""
    entry = {"type": "Pods", "value": 1, "periodSeconds": 60, **changes}
    return autoscaled(behavior={"scaleDown": {"policies": [entry]}})


def constraint(**changes: Any) -> Changes:
    """Changes that spread the pods over zones by one constraint."""
    entry = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"slipway.dev/model": "iris"}},
        **changes,
    }
    entry = {key: value for key, value in entry.items() if value is not None}
    return {f"{_TEMPLATE}.topologySpreadConstraints": [entry]}


_VERIFICATION = "spec.verification"
_CASE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2.5]}],
    "outputs": [
        {"name": "y", "datatype": "FP32", "shape": [1], "data": [0.5]},
        {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["a"]},
    ],
}


def verified(*checks: Changes, **changes: Any) -> Changes:
    """Demand ``checks`` of a data set of one case, with ``changes`` in spec.verification."""
    found = {"datasets": [{"name": "golden", "cases": [_CASE]}], "checks": list(checks)}
    return {_VERIFICATION: {k: v for k, v in (found | changes).items() if v is not None}}


def check(kind: str = "Expected", name: str = "c", **demands: Any) -> Changes:
    """One check of a type; ``demands`` replace or, as None, remove what it says."""
    said = {k: v for k, v in ({"dataset": "golden"} | demands).items() if v is not None}
    return {"name": name, "type": kind, kind[:1].lower() + kind[1:]: said}


def dataset(**source: Any) -> Changes:
    """Take the data set from elsewhere."""
    return verified(check(), datasets=[{"name": "golden", **source}])


def score(**demands: Any) -> Changes:
    """One check of a score."""
    return verified(check("Metric", label="label", **demands))


def change_of(**demands: Any) -> Changes:
    """One check of changed inputs."""
    return verified(check("Metamorphic", **demands))


_FAR = "https://models.example.org/golden.npz"

ACCEPTED: list[Changes] = [
    {},
    {"metadata.name": "a"},
    {"metadata.name": "a" * 54},
    {"metadata.name": "fraud-detection-2"},
    {"metadata.name": None, "metadata.generateName": "iris-"},
    {f"{_MODEL}.name": "Fraud_v2.1-beta"},
    {f"{_MODEL}.name": "7"},
    {f"{_MODEL}.name": "m" * 128},
    {f"{_MODEL}.version": "7"},
    {f"{_MODEL}.version": "2024-06-01_rc.1"},
    {f"{_MODEL}.version": "v" * 63},
    {_URI: "https://models.example.org/fraud/7/model.onnx"},
    {_URI: "http://127.0.0.1:8000/model.onnx"},
    {_URI: "http://[::1]:8000/model.onnx"},
    {_URI: "https://models.example.org/m.onnx?version=7&part=a@b"},
    {_URI: "https://models.example.org/a%20model.onnx"},
    {_URI: "https://models.example.org/v1..v2/model.onnx"},
    {_URI: "https://models.example.org/.hidden/model.onnx"},
    {_URI: "https://models.example.org/" + "p" * 2021},
    {_URI: "pvc://models/model.onnx"},
    {_URI: "pvc://models.team-a/fraud/7/model@7.onnx"},
    {_URI: "configMap://iris-model/model.onnx"},
    {_URI: "configMap://iris.model/Model_v1-2.onnx"},
    {_URI: "file:///opt/models/model.onnx"},
    {f"{_MODEL}.sha256": HEX64},
    signature(),
    signature(shape=[]),
    {"spec.signature": {"outputs": [{"name": "y", "datatype": "BYTES", "shape": [-1]}]}},
    {"spec.runtime": {}},
    {"spec.runtime.image": "slipway-runtime"},
    {"spec.runtime.image": "localhost:5000/slipway-runtime:dev"},
    {"spec.runtime.image": f"registry.example.org/team/slipway-runtime:1.2@sha256:{HEX64}"},
    {f"{_SESSION}.intraOpNumThreads": "Auto"},
    {f"{_SESSION}.intraOpNumThreads": 1},
    {f"{_SESSION}.intraOpNumThreads": 64},
    {f"{_SESSION}.graphOptimizationLevel": "Disabled"},
    {f"{_SESSION}.configEntries": {"session.set_denormal_as_zero": "1"}},
    {f"{_RUNTIME}.executionProviders": ["CUDA", "CPU"], f"{_RUNTIME}.requireProvider": False},
    {f"{_RUNTIME}.upgradePolicy": "Automatic", "spec.suspend": True},
    {f"{_RUNTIME}.upgradePolicy": "OnChange", f"{_RUNTIME}.image": "example.org/runtime:1"},
    {f"{_BATCHING}.mode": "Disabled"},
    {f"{_BATCHING}.maxBatchSize": 4096},
    {f"{_BATCHING}.maxQueueDelay": "5ms"},
    {f"{_BATCHING}.maxQueueDelay": "1s"},
    {f"{_LIMITS}.maxQueue": 1},
    {f"{_LIMITS}.maxQueue": 65536},
    {f"{_LIMITS}.requestTimeout": "1ms"},
    {f"{_LIMITS}.requestTimeout": "1m30s"},
    {f"{_LIMITS}.requestTimeout": "10m"},
    {f"{_LIMITS}.maxRequestBytes": "1Ki"},
    {f"{_LIMITS}.maxRequestBytes": "1024"},
    {f"{_LIMITS}.maxRequestBytes": "1Gi"},
    {"spec.resources": {}, **autoscaled(metrics=metric(type="AverageValue", averageValue="1"))},
    {"spec.resources": {"requests": {"cpu": 2, "memory": "1.5Gi"}}},
    {"spec.resources": {"limits": {"ephemeral-storage": "2Gi"}}},
    {"spec.resources": {"limits": {"cpu": 1, "nvidia.com/gpu": 1, "amd.com/gpu": "2"}}},
    {"spec.resources": {"requests": {"cpu": "1000m"}, "limits": {"cpu": 1}}},
    {f"{_TEMPLATE}.metadata.labels": {"team": "risk", "example.org/cost-centre": ""}},
    {f"{_TEMPLATE}.metadata.labels": {"app.kubernetes.io/part-of": "shop"}},
    {f"{_TEMPLATE}.metadata.annotations": {"example.org/owner": "risk team <risk@example.org>"}},
    {f"{_TEMPLATE}.serviceAccountName": "model-reader"},
    {f"{_TEMPLATE}.nodeSelector": {"kubernetes.io/arch": "amd64"}},
    {f"{_TEMPLATE}.tolerations": [{"operator": "Exists"}]},
    {f"{_TEMPLATE}.tolerations": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 5}]},
    {f"{_TEMPLATE}.affinity": {"nodeAffinity": {}, "podAntiAffinity": {}}},
    {f"{_TEMPLATE}.priorityClassName": "important"},
    {f"{_TEMPLATE}.imagePullSecrets": [{"name": "registry"}]},
    constraint(),
    constraint(whenUnsatisfiable="DoNotSchedule", minDomains=2, nodeTaintsPolicy="Honor"),
    constraint(matchLabelKeys=["slipway.dev/revision"]),
    {f"{_TEMPLATE}.env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "A"}]},
    {"spec.rollout": {"progressDeadlineSeconds": 10}},
    {"spec.rollout": {"strategy": "Recreate", "paused": True}},
    {"spec.rollout": {"rollbackTo": "iris-0123abcd"}},
    {"spec.rollout": {"retry": "2026-11-27 10:00"}},
    {"spec.rollout": {"rollbackWindow": "1h30m", "promote": "iris-0123abcd"}},
    {"spec.rollout": {"promote": "iris-0123abcd", "abort": "iris-v2-dcba3210"}},
    canary(),
    canary(steps=[{"weight": 1, "duration": "0s"}, {"weight": 1, "duration": "24h"}]),
    canary(steps=[{"weight": 5, "requests": 1}, A_STEP, A_STEP | {"requests": 1000000}]),
    canary(steps=[{"weight": 5, "requests": 300}, {"weight": 5, "requests": 300}]),
    canary(minRequests=1, maxErrorRatio="0", maxP99="1s500ms"),
    canary(minAgreement="0.995", rtol="1e-3", atol="0"),
    asked(max="0.02"),
    asked(min="-1e-3", max="1", query="sum(rate(x{pod=~'$(revision)-.*',ns='$(namespace)'}[5m]))"),
    canary(queries=[A_QUERY | {"name": f"q{n}"} for n in range(5)]),
    {"spec.rollout": {"strategy": "Canary", "canary": {}, "rollbackWindow": "1h"}},
    {"spec.rollout": {"strategy": "RollingUpdate"}},
    {"spec.rollout": {"strategy": "Auto", "rollbackWindow": "0s"}},
    rolling(1),
    rolling(1000),
    rolling("1%"),
    rolling("100%"),
    routed(),
    routed({"namespace": "infra", "sectionName": "tls", "port": 443}, "a-b.example.org", "*.org"),
    shadow(),
    shadow(percent=1, duration="24h", minRequests=1, minAgreement="1.0", rtol="1e-3", atol="0"),
    {"spec.rollout": {"strategy": "Shadow", "shadow": {}, "canary": {}}},
    {"spec.replicas": 1000},
    autoscaled(),
    autoscaled(minReplicas=3),
    autoscaled(maxReplicas=1000),
    autoscaled(metrics=metric("memory", type="AverageValue", averageValue="800Mi")),
    autoscaled(metrics=metric("memory") + container_metric()),
    {**autoscaled(), "spec.resources": {"limits": {"cpu": "2"}}},
    autoscaled(behavior={}),
    autoscaled(behavior={"scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Min"}}),
    policy(),
    policy(type="Percent", value=100, periodSeconds=1800),
    verified(check()),
    verified(check(), compatibility="Any"),
    verified(check(rtol="0", atol="1e-4", maxMismatchRatio="0.01", minArgmaxAgreement="1")),
    verified(check("Output", output="y", min="-1.5", max="1e3", sum="1")),
    verified(check("BatchInvariance"), check("BatchInvariance", "d", sizes=[2, 256])),
    change_of(transform="GaussianNoise", amount="0.01", expect="SameArgmax", minAgreement="0.98"),
    change_of(transform="Permutation", expect="Close"),
    score(metric="Accuracy", min="0.95"),
    score(metric="RootMeanSquaredError", max="12.5"),
    score(metric="Accuracy", min="0.9", maxDrop="0.01"),
    score(metric="Accuracy", min="0.9", slices={"column": "region", "bound": "0.8"}),
    verified(check("Performance", duration="1m", maxP99="25ms", minThroughput="100")),
    verified(check("Performance", concurrency=64, maxMemory="512Mi")),
    verified(check(), continuous={}),
    verified(check(), continuous={"interval": "5s", "rows": 32, "failureThreshold": 1}),
    dataset(configMap={"name": "golden", "key": "golden.npz"}),
    dataset(configMap={"name": "golden", "key": "golden.parquet"}),
    dataset(uri=f"{_FAR}?version=7", sha256=HEX64),
    dataset(uri="https://models.example.org/golden.parquet?version=7", sha256=HEX64),
    {_BUDGET: 1},
    {_BUDGET: "1%"},
    {_BUDGET: "100%"},
    {"spec.availability.drainSeconds": 0},
    {"spec.availability.drainSeconds": 600},
    {"spec.availability.spread": "Required"},
    {"spec.availability": {"disruptionBudget": {}}},
]

REFUSED: list[tuple[Changes, str, str]] = [
    # changes, the field that the message begins with, words of the message
    ({"metadata.name": "7-iris"}, "metadata.name", "beginning with a letter"),
    ({"metadata.name": "iris.v2"}, "metadata.name", "lower-case letters, digits and '-'"),
    ({"metadata.name": "a" * 55}, "metadata.name", "at most 54"),
    ({"spec": None}, "spec", "Required value"),
    ({_MODEL: None}, "spec.model", "Required value"),
    ({_URI: None}, _URI, "Required value"),
    ({f"{_MODEL}.name": ""}, f"{_MODEL}.name", "must be letters, digits"),
    ({f"{_MODEL}.name": "a/b"}, f"{_MODEL}.name", "a part of the path of every request"),
    ({f"{_MODEL}.name": ".."}, f"{_MODEL}.name", "beginning with a letter or a digit"),
    ({f"{_MODEL}.name": "fraud model"}, f"{_MODEL}.name", "must be letters, digits"),
    ({f"{_MODEL}.name": "m" * 129}, f"{_MODEL}.name", "may not be more than 128"),
    ({f"{_MODEL}.version": 7}, f"{_MODEL}.version", "must be of type string"),
    ({f"{_MODEL}.version": ""}, f"{_MODEL}.version", "must be letters, digits"),
    ({f"{_MODEL}.version": "1/2"}, f"{_MODEL}.version", 'for example "7"'),
    ({f"{_MODEL}.version": "1-"}, f"{_MODEL}.version", "beginning and ending"),
    ({f"{_MODEL}.version": "v" * 64}, f"{_MODEL}.version", "may not be more than 63"),
    ({_URI: ""}, _URI, "must begin with https://"),
    ({_URI: "/models/model.onnx"}, _URI, "must begin with https://"),
    ({_URI: "s3://bucket/model.onnx"}, _URI, "must begin with https://"),
    ({_URI: "configmap://iris-model/model.onnx"}, _URI, "the M in configMap"),
    ({_URI: "HTTPS://models.example.org/model.onnx"}, _URI, "must begin with https://"),
    ({_URI: "https://models.example.org"}, _URI, "must name a host and a file"),
    ({_URI: "https://models.example.org/"}, _URI, "must name a host and a file"),
    ({_URI: "https:///model.onnx"}, _URI, "must name a host and a file"),
    ({_URI: "https://ann:secret@example.org/m.onnx"}, _URI, "must not hold a user name"),
    ({_URI: "http://token@example.org/m.onnx"}, _URI, "must not hold a user name"),
    ({_URI: "https://example.org/a/../m.onnx"}, _URI, "must not hold '..'"),
    ({_URI: "https://example.org/a/.."}, _URI, "must not hold '..'"),
    ({_URI: "https://example.org/a/%2e%2E/m.onnx"}, _URI, "must not hold '..'"),
    ({_URI: "https://example.org/m.onnx#part"}, _URI, "must not hold white space or '#'"),
    ({_URI: "https://example.org/my model.onnx"}, _URI, "must not hold white space"),
    ({_URI: "pvc://models/m.onnx\n"}, _URI, "must not hold white space"),
    ({_URI: "https://example.org:port/m.onnx"}, _URI, "must name a host and a file"),
    ({_URI: "https://example.org/" + "p" * 2029}, _URI, "may not be more than 2048"),
    ({_URI: "pvc://models"}, _URI, "must be pvc://CLAIM/PATH"),
    ({_URI: "pvc://models/"}, _URI, "must be pvc://CLAIM/PATH"),
    ({_URI: "pvc:///model.onnx"}, _URI, "must be pvc://CLAIM/PATH"),
    ({_URI: "pvc://Models/model.onnx"}, _URI, "must be pvc://CLAIM/PATH"),
    ({_URI: "pvc://models/../model.onnx"}, _URI, "must not hold '..'"),
    ({_URI: "pvc://models/m.onnx?x=1"}, _URI, "nor '?'"),
    ({_URI: "configMap://iris-model"}, _URI, "must be configMap://NAME/KEY"),
    ({_URI: "configMap://iris-model/a/b"}, _URI, "must be configMap://NAME/KEY"),
    ({_URI: "configMap://Iris/model.onnx"}, _URI, "must be configMap://NAME/KEY"),
    ({_URI: "file://model.onnx"}, _URI, "must be file:///PATH"),
    ({_URI: "file:///"}, _URI, "must be file:///PATH"),
    ({_URI: "file:///opt/../etc/passwd"}, _URI, "must not hold '..'"),
    ({f"{_MODEL}.sha256": ""}, f"{_MODEL}.sha256", "64 lower-case hex digits"),
    ({f"{_MODEL}.sha256": HEX64.upper()}, f"{_MODEL}.sha256", "64 lower-case hex digits"),
    ({f"{_MODEL}.sha256": HEX64[1:]}, f"{_MODEL}.sha256", "64 lower-case hex digits"),
    ({f"{_MODEL}.sha256": f"sha256:{HEX64}"}, f"{_MODEL}.sha256", "nothing before them"),
    ({f"{_MODEL}.format": "onnx"}, f"{_MODEL}.format", "unknown field"),
    ({"spec.runtime.image": ""}, "spec.runtime.image", "must be an image reference"),
    ({"spec.runtime.image": "https://a.org/b"}, "spec.runtime.image", "without https://"),
    ({"spec.runtime.image": "a.org/b c"}, "spec.runtime.image", "must be an image reference"),
    ({"spec.runtime.image": "b@sha256:12"}, "spec.runtime.image", "must be an image reference"),
    ({f"{_SESSION}.intraOpNumThreads": 0}, f"{_SESSION}.intraOpNumThreads", "Auto or a number"),
    ({f"{_SESSION}.intraOpNumThreads": 65}, f"{_SESSION}.intraOpNumThreads", "from 1 to 64"),
    ({f"{_SESSION}.intraOpNumThreads": "4"}, f"{_SESSION}.intraOpNumThreads", "without quotes"),
    ({f"{_SESSION}.intraOpNumThreads": "auto"}, f"{_SESSION}.intraOpNumThreads", "Auto"),
    (
        {f"{_SESSION}.graphOptimizationLevel": "Full"},
        f"{_SESSION}.graphOptimizationLevel",
        'supported values: "Disabled", "Basic", "Extended", "All"',
    ),
    ({f"{_SESSION}.configEntries": {"a b": "1"}}, f"{_SESSION}.configEntries", "keys must be"),
    ({f"{_SESSION}.configEntries": {"": "1"}}, f"{_SESSION}.configEntries", "keys must be"),
    ({f"{_SESSION}.configEntries": {"a": 1}}, f"{_SESSION}.configEntries.a", "of type string"),
    (
        {f"{_SESSION}.configEntries": {f"k{n}": "v" for n in range(33)}},
        f"{_SESSION}.configEntries",
        "must have at most 32",
    ),
    ({f"{_RUNTIME}.executionProviders": []}, f"{_RUNTIME}.executionProviders", "at least 1 items"),
    (
        {f"{_RUNTIME}.executionProviders": ["GPU"]},
        f"{_RUNTIME}.executionProviders[0]",
        "supported values",
    ),
    (
        {f"{_RUNTIME}.executionProviders": ["CPU", "CPU"]},
        f"{_RUNTIME}.executionProviders[1]",
        "Duplicate value",
    ),
    ({f"{_RUNTIME}.requireProvider": "yes"}, f"{_RUNTIME}.requireProvider", "of type boolean"),
    ({"spec.suspend": "yes"}, "spec.suspend", "of type boolean"),
    (
        {f"{_RUNTIME}.upgradePolicy": "Weekly"},
        f"{_RUNTIME}.upgradePolicy",
        '"OnChange", "Automatic"',
    ),
    (
        {f"{_RUNTIME}.upgradePolicy": "Automatic", f"{_RUNTIME}.image": "example.org/runtime:1"},
        _RUNTIME,
        "remove spec.runtime.image",
    ),
    ({f"{_BATCHING}.mode": "On"}, f"{_BATCHING}.mode", "supported values"),
    ({f"{_BATCHING}.maxBatchSize": 0}, f"{_BATCHING}.maxBatchSize", "greater than or equal to 1"),
    (
        {f"{_BATCHING}.maxBatchSize": 4097},
        f"{_BATCHING}.maxBatchSize",
        "less than or equal to 4096",
    ),
    ({f"{_BATCHING}.maxQueueDelay": "2s"}, f"{_BATCHING}.maxQueueDelay", "at most 1s"),
    ({f"{_BATCHING}.maxQueueDelay": "5"}, f"{_BATCHING}.maxQueueDelay", "unit ms or s"),
    ({f"{_LIMITS}.maxQueue": 0}, f"{_LIMITS}.maxQueue", "greater than or equal to 1"),
    ({f"{_LIMITS}.maxQueue": 65537}, f"{_LIMITS}.maxQueue", "less than or equal to 65536"),
    ({f"{_LIMITS}.requestTimeout": "0s"}, f"{_LIMITS}.requestTimeout", "more than 0"),
    ({f"{_LIMITS}.requestTimeout": "10"}, f"{_LIMITS}.requestTimeout", "with the units ms, s"),
    ({f"{_LIMITS}.requestTimeout": "1.5s"}, f"{_LIMITS}.requestTimeout", "whole numbers"),
    ({f"{_LIMITS}.requestTimeout": "-1s"}, f"{_LIMITS}.requestTimeout", "whole numbers"),
    ({f"{_LIMITS}.requestTimeout": "601s"}, f"{_LIMITS}.requestTimeout", "at most 10m"),
    ({f"{_LIMITS}.requestTimeout": 10}, f"{_LIMITS}.requestTimeout", "must be of type string"),
    ({f"{_LIMITS}.maxRequestBytes": "1023"}, f"{_LIMITS}.maxRequestBytes", "from 1Ki to 1Gi"),
    ({f"{_LIMITS}.maxRequestBytes": "2Gi"}, f"{_LIMITS}.maxRequestBytes", "from 1Ki to 1Gi"),
    ({f"{_LIMITS}.maxRequestBytes": "64MB"}, f"{_LIMITS}.maxRequestBytes", "as in 64Mi"),
    ({f"{_LIMITS}.maxRequestBytes": "1.5Mi"}, f"{_LIMITS}.maxRequestBytes", "a whole number"),
    (
        {"spec.resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        "spec.resources",
        "raise spec.resources.limits or lower spec.resources.requests",
    ),
    (
        {"spec.resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "2G"}}},
        "spec.resources",
        "no resource may have a request above its limit",
    ),
    (
        {"spec.resources": {"limits": {"gpu": 1}}},
        "spec.resources.limits",
        "these by their full name, as in nvidia.com/gpu",
    ),
    (
        {"spec.resources": {"limits": {"nvidia.com/gpu": "500m"}}},
        "spec.resources.limits",
        "whole numbers from 1 to 9999",
    ),
    (
        {"spec.resources": {"requests": {"nvidia.com/gpu": 1}}},
        "spec.resources.requests",
        "Put devices into spec.resources.limits",
    ),
    (
        {"spec.resources": {"limits": {"memory": "0Mi"}}},
        "spec.resources.limits[memory]",
        "Leave the resource out to set none",
    ),
    ({"spec.resources": {"requests": {"cpu": 0}}}, "spec.resources.requests[cpu]", "above 0"),
    ({"spec.resources": {"requests": {"cpu": -1}}}, "spec.resources.requests[cpu]", "above 0"),
    (
        {"spec.resources": {"requests": {"memory": "512MB"}}},
        "spec.resources.requests[memory]",
        "must be a quantity above 0",
    ),
    (
        {f"{_TEMPLATE}.metadata.labels": {"slipway.dev/track": "x"}},
        f"{_TEMPLATE}.metadata.labels",
        "Choose another key",
    ),
    (
        {f"{_TEMPLATE}.metadata.labels": {"app.kubernetes.io/name": "x"}},
        f"{_TEMPLATE}.metadata.labels",
        "Choose another key",
    ),
    (
        {f"{_TEMPLATE}.metadata.labels": {"pod-template-hash": "x"}},
        f"{_TEMPLATE}.metadata.labels",
        "Choose another key",
    ),
    (
        {f"{_TEMPLATE}.metadata.labels": {"a/b/c": "x"}},
        f"{_TEMPLATE}.metadata.labels",
        "as in example.org/team",
    ),
    (
        {f"{_TEMPLATE}.metadata.labels": {"team": "risk team"}},
        f"{_TEMPLATE}.metadata.labels",
        "values must be at most 63",
    ),
    (
        {f"{_TEMPLATE}.metadata.annotations": {"app.kubernetes.io/managed-by": "x"}},
        f"{_TEMPLATE}.metadata.annotations",
        "Choose another key",
    ),
    (
        {f"{_TEMPLATE}.metadata.annotations": {"-x": "y"}},
        f"{_TEMPLATE}.metadata.annotations",
        "keys must be a name",
    ),
    (
        {f"{_TEMPLATE}.serviceAccountName": "Model_Reader"},
        f"{_TEMPLATE}.serviceAccountName",
        "must be the name of a Kubernetes object",
    ),
    (
        {f"{_TEMPLATE}.nodeSelector": {"kubernetes.io/arch": "amd 64"}},
        f"{_TEMPLATE}.nodeSelector",
        "values must be at most 63",
    ),
    (
        {f"{_TEMPLATE}.nodeSelector": {"kubernetes.io arch": "amd64"}},
        f"{_TEMPLATE}.nodeSelector",
        "keys must be a name",
    ),
    (
        {f"{_TEMPLATE}.tolerations": [{"value": "x"}]},
        f"{_TEMPLATE}.tolerations[0]",
        "key must be set unless operator is Exists",
    ),
    (
        {f"{_TEMPLATE}.tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        f"{_TEMPLATE}.tolerations[0]",
        "value must not be set where operator is Exists",
    ),
    (
        {f"{_TEMPLATE}.tolerations": [{"key": "a", "tolerationSeconds": 5}]},
        f"{_TEMPLATE}.tolerations[0]",
        "needs effect NoExecute",
    ),
    (
        {f"{_TEMPLATE}.tolerations": [{"key": "a", "effect": "Evict"}]},
        f"{_TEMPLATE}.tolerations[0].effect",
        "supported values",
    ),
    (
        {f"{_TEMPLATE}.priorityClassName": ""},
        f"{_TEMPLATE}.priorityClassName",
        "must be the name of a Kubernetes object",
    ),
    (
        {f"{_TEMPLATE}.imagePullSecrets": [{"name": "Registry"}]},
        f"{_TEMPLATE}.imagePullSecrets[0].name",
        "must be the name of a Kubernetes object",
    ),
    (
        {f"{_TEMPLATE}.imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
        f"{_TEMPLATE}.imagePullSecrets[1]",
        "Duplicate value",
    ),
    (
        constraint(labelSelector=None),
        f"{_TEMPLATE}.topologySpreadConstraints[0].labelSelector",
        "Required value",
    ),
    (
        constraint(maxSkew=0),
        f"{_TEMPLATE}.topologySpreadConstraints[0].maxSkew",
        "greater than or equal to 1",
    ),
    (
        constraint(minDomains=2),
        f"{_TEMPLATE}.topologySpreadConstraints[0]",
        "minDomains needs whenUnsatisfiable DoNotSchedule",
    ),
    (
        {**constraint(), "spec.availability.spread": "Required"},
        "spec",
        "spec.template.topologySpreadConstraints take the place of spec.availability.spread",
    ),
    (
        {f"{_TEMPLATE}.env": [{"name": "ORT_DISABLE_TELEMETRY_EVENTS", "value": "0"}]},
        f"{_TEMPLATE}.env[0].name",
        "are set by Slipway",
    ),
    (
        {f"{_TEMPLATE}.env": [{"name": "SLIPWAY_X", "value": "0"}]},
        f"{_TEMPLATE}.env[0].name",
        "choose another name",
    ),
    (
        {f"{_TEMPLATE}.env": [{"name": "1A", "value": "0"}]},
        f"{_TEMPLATE}.env[0].name",
        "not beginning with a digit",
    ),
    (
        {f"{_TEMPLATE}.env": [{"name": "A", "value": "0"}, {"name": "A", "value": "1"}]},
        f"{_TEMPLATE}.env[1]",
        "Duplicate value",
    ),
    (
        {f"{_TEMPLATE}.env": [{"name": "A", "valueFrom": {"secretKeyRef": {}}}]},
        f"{_TEMPLATE}.env[0].valueFrom",
        "unknown field",
    ),
    ({f"{_TEMPLATE}.hostNetwork": True}, f"{_TEMPLATE}.hostNetwork", "unknown field"),
    ({f"{_TEMPLATE}.hostPID": True}, f"{_TEMPLATE}.hostPID", "unknown field"),
    (
        {f"{_TEMPLATE}.volumes": [{"name": "node", "hostPath": {"path": "/"}}]},
        f"{_TEMPLATE}.volumes",
        "unknown field",
    ),
    (
        {f"{_TEMPLATE}.securityContext": {"runAsUser": 0}},
        f"{_TEMPLATE}.securityContext",
        "unknown field",
    ),
    (
        {f"{_TEMPLATE}.envFrom": [{"secretRef": {"name": "s"}}]},
        f"{_TEMPLATE}.envFrom",
        "unknown field",
    ),
    (
        {f"{_TEMPLATE}.metadata.namespace": "other"},
        f"{_TEMPLATE}.metadata.namespace",
        "unknown field",
    ),
    ({"spec.model.namespace": "other"}, "spec.model.namespace", "unknown field"),
    ({"spec.replica": 2}, "spec.replica", "unknown field"),
    ({f"{_TEMPLATE}.env": [{"name": "A", "value": 1}]}, f"{_TEMPLATE}.env[0].value", "type string"),
    ({f"{_TEMPLATE}.affinity": {"hosts": {}}}, f"{_TEMPLATE}.affinity.hosts", "unknown field"),
    (
        {f"{_TEMPLATE}.metadata.labels": {"team": "no good"}},
        f"{_TEMPLATE}.metadata.labels",
        "beginning and ending",
    ),
    (
        {f"{_TEMPLATE}.metadata.annotations": {"a": 1}},
        f"{_TEMPLATE}.metadata.annotations.a",
        "type string",
    ),
    (
        {f"{_TEMPLATE}.nodeSelector": {"disk": "no good"}},
        f"{_TEMPLATE}.nodeSelector",
        "values must",
    ),
    (
        {f"{_TEMPLATE}.tolerations": [{"key": "a b"}]},
        f"{_TEMPLATE}.tolerations[0].key",
        "must be the key of a label or a taint",
    ),
    (
        {f"{_TEMPLATE}.tolerations": [{"operator": "Is"}]},
        f"{_TEMPLATE}.tolerations[0].operator",
        'supported values: "Exists", "Equal"',
    ),
    (
        constraint(topologyKey=""),
        f"{_TEMPLATE}.topologySpreadConstraints[0].topologyKey",
        "the key",
    ),
    (
        constraint(topologyKey=None),
        f"{_TEMPLATE}.topologySpreadConstraints[0].topologyKey",
        "Required value",
    ),
    (
        constraint(matchLabelKeys=["no good"]),
        f"{_TEMPLATE}.topologySpreadConstraints[0].matchLabelKeys[0]",
        "the key of a label",
    ),
    (
        constraint(whenUnsatisfiable="Wait"),
        f"{_TEMPLATE}.topologySpreadConstraints[0].whenUnsatisfiable",
        'supported values: "DoNotSchedule", "ScheduleAnyway"',
    ),
    (
        constraint(nodeAffinityPolicy="Maybe"),
        f"{_TEMPLATE}.topologySpreadConstraints[0].nodeAffinityPolicy",
        'supported values: "Honor", "Ignore"',
    ),
    (
        constraint(nodeTaintsPolicy="Maybe"),
        f"{_TEMPLATE}.topologySpreadConstraints[0].nodeTaintsPolicy",
        'supported values: "Honor", "Ignore"',
    ),
    (
        constraint(whenUnsatisfiable="DoNotSchedule", minDomains=0),
        f"{_TEMPLATE}.topologySpreadConstraints[0].minDomains",
        "or equal to 1",
    ),
    (
        {f"{_SESSION}.configEntries": {"session.x": 1}},
        f"{_SESSION}.configEntries.session.x",
        "type string",
    ),
    (
        autoscaled(metrics=container_metric(name="gpu")),
        f"{_METRICS}[0].containerResource.name",
        'supported values: "cpu", "memory"',
    ),
    (
        autoscaled(metrics=metric(type="Value", averageValue="1")),
        f"{_METRICS}[0].resource.target.type",
        'supported values: "Utilization", "AverageValue"',
    ),
    (
        autoscaled(behavior={"scaleUp": {"selectPolicy": "Never"}}),
        "spec.autoscaling.behavior.scaleUp.selectPolicy",
        'supported values: "Max", "Min", "Disabled"',
    ),
    (
        policy(type="Nodes"),
        "spec.autoscaling.behavior.scaleDown.policies[0].type",
        'supported values: "Pods", "Percent"',
    ),
    ({f"{_TEMPLATE}.containers": []}, f"{_TEMPLATE}.containers", "unknown field"),
    ({"spec.replicas": None}, "spec", "exactly one of spec.replicas and spec.autoscaling"),
    (
        {"spec.autoscaling": {"maxReplicas": 2}},
        "spec",
        "keep spec.replicas for a fixed number of pods, or spec.autoscaling",
    ),
    ({"spec.replicas": 0}, "spec.replicas", "greater than or equal to 1"),
    ({"spec.replicas": 1001}, "spec.replicas", "less than or equal to 1000"),
    (autoscaled(maxReplicas=None), "spec.autoscaling.maxReplicas", "Required value"),
    (autoscaled(minReplicas=0), "spec.autoscaling.minReplicas", "greater than or equal to 1"),
    (autoscaled(minReplicas=4), "spec.autoscaling", "Lower minReplicas or raise maxReplicas"),
    (autoscaled(maxReplicas=1001), "spec.autoscaling.maxReplicas", "less than or equal to 1000"),
    (autoscaled(metrics=[]), _METRICS, "at least 1 items"),
    (autoscaled(metrics=[{"type": "External"}]), f"{_METRICS}[0].type", "supported values"),
    (autoscaled(metrics=[{"type": "Resource"}]), f"{_METRICS}[0]", "resource must be set"),
    (
        autoscaled(metrics=[*container_metric(), {**container_metric()[0], **metric()[0]}]),
        f"{_METRICS}[1]",
        "containerResource must be set with type ContainerResource, and only then",
    ),
    (
        autoscaled(metrics=metric("disk")),
        f"{_METRICS}[0].resource.name",
        'supported values: "cpu", "memory"',
    ),
    (
        autoscaled(metrics=container_metric("sidecar")),
        f"{_METRICS}[0].containerResource.container",
        'supported values: "serve"',
    ),
    (
        autoscaled(metrics=metric(type="Utilization")),
        f"{_METRICS}[0].resource.target",
        "averageUtilization must be set with type Utilization",
    ),
    (
        autoscaled(metrics=metric(type="AverageValue")),
        f"{_METRICS}[0].resource.target",
        "averageValue must be set with type AverageValue",
    ),
    (
        autoscaled(metrics=metric(type="AverageValue", averageValue="much")),
        f"{_METRICS}[0].resource.target.averageValue",
        "must be a quantity above 0",
    ),
    (
        autoscaled(metrics=metric(type="Utilization", averageUtilization=0)),
        f"{_METRICS}[0].resource.target.averageUtilization",
        "greater than or equal to 1",
    ),
    (
        autoscaled(metrics=container_metric(type="Utilization")),
        f"{_METRICS}[0].containerResource.target",
        "averageUtilization must be set with type Utilization",
    ),
    (
        autoscaled(metrics=container_metric(type="AverageValue")),
        f"{_METRICS}[0].containerResource.target",
        "averageValue must be set with type AverageValue",
    ),
    (
        autoscaled(metrics=container_metric(type="AverageValue", averageValue=0)),
        f"{_METRICS}[0].containerResource.target.averageValue",
        "must be a quantity above 0",
    ),
    ({**autoscaled(), "spec.resources": {}}, "spec", "set that resource in spec.resources"),
    (
        {
            **autoscaled(metrics=container_metric(name="memory")),
            "spec.resources": {"requests": {"cpu": 1}},
        },
        "spec",
        "a target of type AverageValue",
    ),
    (policy(value=0), "spec.autoscaling.behavior.scaleDown.policies[0].value", "or equal to 1"),
    (
        policy(periodSeconds=1801),
        "spec.autoscaling.behavior.scaleDown.policies[0].periodSeconds",
        "less than or equal to 1800",
    ),
    (
        autoscaled(behavior={"scaleUp": {"stabilizationWindowSeconds": 3601}}),
        "spec.autoscaling.behavior.scaleUp.stabilizationWindowSeconds",
        "less than or equal to 3600",
    ),
    (
        autoscaled(behavior={"scaleUp": {"policies": []}}),
        "spec.autoscaling.behavior.scaleUp.policies",
        "at least 1 items",
    ),
    ({_BUDGET: 0}, _BUDGET, "could ever be drained"),
    ({_BUDGET: "0%"}, _BUDGET, "could ever be drained"),
    ({_BUDGET: "101%"}, _BUDGET, 'from "1%" to "100%"'),
    ({_BUDGET: "1"}, _BUDGET, "must be a number from 1 to 1000"),
    ({"spec.availability.drainSeconds": -1}, "spec.availability.drainSeconds", "or equal to 0"),
    ({"spec.availability.drainSeconds": 601}, "spec.availability.drainSeconds", "equal to 600"),
    ({"spec.availability.drainSeconds": "10s"}, "spec.availability.drainSeconds", "type integer"),
    ({"spec.availability.spread": "Never"}, "spec.availability.spread", "supported values"),
    ({"spec.signature": {}}, "spec.signature", "at least 1 properties"),
    ({"spec.signature": {"inputs": []}}, "spec.signature.inputs", "at least 1 items"),
    (signature(datatype="float32"), "spec.signature.inputs[0].datatype", "supported values"),
    (signature(shape=None), "spec.signature.inputs[0].shape", "Required value"),
    (signature(shape=[-2]), "spec.signature.inputs[0].shape[0]", "greater than or equal to -1"),
    (signature(name=""), "spec.signature.inputs[0].name", "at least 1 chars"),
    ({_DEADLINE: 9}, _DEADLINE, "greater than or equal to 10"),
    ({_DEADLINE: 86401}, _DEADLINE, "less than or equal to 86400"),
    (
        {f"{_ROLLOUT}.strategy": "Ramped"},
        f"{_ROLLOUT}.strategy",
        '"BlueGreen", "Canary", "Shadow"',
    ),
    ({f"{_ROLLOUT}.strategy": "Canary"}, _ROLLOUT, "strategy Canary needs canary"),
    ({f"{_ROLLOUT}.canary": {}}, _ROLLOUT, "canary needs strategy Canary or Shadow"),
    ({f"{_ROLLOUT}.strategy": "Shadow"}, _ROLLOUT, "shadow and strategy Shadow go together"),
    ({f"{_ROLLOUT}.shadow": {}}, _ROLLOUT, "shadow and strategy Shadow go together"),
    (shadow(percent=0), f"{_SHADOW}.percent", "greater than or equal to 1"),
    (shadow(percent=101), f"{_SHADOW}.percent", "less than or equal to 100"),
    (shadow(duration="25h"), f"{_SHADOW}.duration", "as in 30m"),
    (shadow(minRequests=0), f"{_SHADOW}.minRequests", "greater than or equal to 1"),
    (shadow(minAgreement="99%"), f"{_SHADOW}.minAgreement", 'as in "0.99"'),
    (shadow(rtol="-1"), f"{_SHADOW}.rtol", 'as in "0.001"'),
    (shadow(atol="x"), f"{_SHADOW}.atol", 'as in "0.001"'),
    (canary(steps=[]), f"{_CANARY}.steps", "at least 1 items"),
    (canary(steps=[A_STEP] * 11), f"{_CANARY}.steps", "must have at most 10 items"),
    (
        canary(steps=[A_STEP | {"weight": 0}]),
        f"{_CANARY}.steps[0].weight",
        "greater than or equal to 1",
    ),
    (
        canary(steps=[A_STEP | {"weight": 100}]),
        f"{_CANARY}.steps[0].weight",
        "less than or equal to 99",
    ),
    (
        canary(steps=[{"weight": 5}]),
        f"{_CANARY}.steps[0]",
        "duration, requests or both must be set",
    ),
    (canary(steps=[{"duration": "1m"}]), f"{_CANARY}.steps[0].weight", "Required value"),
    (
        canary(steps=[A_STEP | {"requests": 0}]),
        f"{_CANARY}.steps[0].requests",
        "greater than or equal to 1",
    ),
    (
        canary(steps=[A_STEP | {"requests": 1000001}]),
        f"{_CANARY}.steps[0].requests",
        "less than or equal to 1000000",
    ),
    (
        canary(steps=[A_STEP | {"requests": 9}, A_STEP, A_STEP | {"requests": 8}]),
        f"{_CANARY}.steps",
        "requests must not fall",
    ),
    (canary(steps=[A_STEP | {"duration": "1 h"}]), f"{_CANARY}.steps[0].duration", "as in 30m"),
    (canary(steps=[A_STEP, A_STEP | {"weight": 4}]), f"{_CANARY}.steps", "must not fall"),
    (canary(minRequests=0), f"{_CANARY}.minRequests", "greater than or equal to 1"),
    (canary(maxErrorRatio="1%"), f"{_CANARY}.maxErrorRatio", 'as in "0.01"'),
    (canary(maxP99="2m"), f"{_CANARY}.maxP99", "at most 1m"),
    (canary(maxP99="fast"), f"{_CANARY}.maxP99", "as in 50ms"),
    (canary(minAgreement="99%"), f"{_CANARY}.minAgreement", 'as in "0.99"'),
    (canary(minAgreement="1.1"), f"{_CANARY}.minAgreement", "a number from 0 to 1"),
    (canary(minAgreement="1", rtol="-1"), f"{_CANARY}.rtol", "a number of 0 or more"),
    (canary(minAgreement="1", atol="x"), f"{_CANARY}.atol", "a number of 0 or more"),
    (
        {_ROLLOUT: {"strategy": "Shadow", "shadow": {}, "canary": {"minAgreement": "1"}}},
        _ROLLOUT,
        "canary.minAgreement needs strategy Canary",
    ),
    (canary(queries=[A_QUERY] * 2), f"{_CANARY}.queries[1]", "Duplicate value"),
    (
        canary(queries=[A_QUERY | {"name": f"q{n}"} for n in range(6)]),
        f"{_CANARY}.queries",
        "at most 5 items",
    ),
    (asked(), f"{_CANARY}.queries[0]", "min, max or both must be set"),
    (asked(min="2", max="1"), f"{_CANARY}.queries[0]", "min must not be greater than max"),
    (asked(max="1%"), f"{_CANARY}.queries[0].max", "must be a number"),
    (asked(min=".5", max="1"), f"{_CANARY}.queries[0].min", "must be a number"),
    (asked(max="1", name="Error rate"), f"{_CANARY}.queries[0].name", "as in error-rate"),
    (asked(max="1", query="x{pod='$(pod)'}"), f"{_CANARY}.queries[0].query", "can stand there"),
    (asked(max="1", query=""), f"{_CANARY}.queries[0].query", "at least 1 chars"),
    (canary(queries=[{"name": "a", "max": "1"}]), f"{_CANARY}.queries[0].query", "Required value"),
    (
        {_ROLLOUT: {"strategy": "Recreate", "rollbackWindow": "5m"}},
        _ROLLOUT,
        "rollbackWindow needs the strategy BlueGreen, Canary or Shadow",
    ),
    (
        {_ROLLOUT: {"strategy": "Auto", "rollbackWindow": "5m"}},
        _ROLLOUT,
        "rollbackWindow needs the strategy BlueGreen, Canary or Shadow",
    ),
    ({_ROLLOUT: {"strategy": "Auto", "canary": {}}}, _ROLLOUT, "canary needs strategy Canary"),
    (
        {_ROLLOUT: {"strategy": "RollingUpdate", "rollbackWindow": "5m"}},
        _ROLLOUT,
        "rollbackWindow needs the strategy BlueGreen, Canary or Shadow",
    ),
    ({_ROLLOUT: {"rollingUpdate": {}}}, _ROLLOUT, "rollingUpdate needs strategy RollingUpdate"),
    (rolling(0), f"{_ROLLOUT}.rollingUpdate.maxSurge", "must be a number of pods from 1"),
    (rolling(1001), f"{_ROLLOUT}.rollingUpdate.maxSurge", "must be a number of pods from 1"),
    (rolling("0%"), f"{_ROLLOUT}.rollingUpdate.maxSurge", "as in 25%"),
    (rolling("101%"), f"{_ROLLOUT}.rollingUpdate.maxSurge", "as in 25%"),
    (rolling("2"), f"{_ROLLOUT}.rollingUpdate.maxSurge", "as in 25%"),
    ({f"{_ROLLOUT}.rollbackWindow": "25h"}, f"{_ROLLOUT}.rollbackWindow", "at most 24h"),
    ({f"{_ROLLOUT}.rollbackWindow": "5 min"}, f"{_ROLLOUT}.rollbackWindow", "as in 30m"),
    ({f"{_ROLLOUT}.paused": "yes"}, f"{_ROLLOUT}.paused", "must be of type boolean"),
    ({f"{_ROLLOUT}.promote": "0123abcd"}, f"{_ROLLOUT}.promote", "as in status.latestRevision"),
    ({f"{_ROLLOUT}.retry": ""}, f"{_ROLLOUT}.retry", "at least 1 chars long"),
    ({f"{_ROLLOUT}.retry": "x" * 64}, f"{_ROLLOUT}.retry", "may not be more than 63"),
    ({f"{_ROLLOUT}.rollbackTo": "v1"}, f"{_ROLLOUT}.rollbackTo", "as in status.latestRevision"),
    ({f"{_ROLLOUT}.abort": "iris-7"}, f"{_ROLLOUT}.abort", "as in status.latestRevision"),
    (
        {_ROLLOUT: {"promote": "iris-0123abcd", "abort": "iris-0123abcd"}},
        _ROLLOUT,
        "must not name the same revision",
    ),
    (verified(), f"{_VERIFICATION}.checks", "at least 1 items"),
    (verified(check(), datasets=None), f"{_VERIFICATION}.datasets", "Required value"),
    (
        verified(check(dataset="silver")),
        _VERIFICATION,
        "must be the name of one of spec.verification.datasets",
    ),
    (
        verified(check("Output"), continuous={}),
        _VERIFICATION,
        "add one to spec.verification.checks, or remove continuous",
    ),
    (
        verified(check(), compatibility="Forward"),
        f"{_VERIFICATION}.compatibility",
        'supported values: "Backward", "Any"',
    ),
    (verified(check(), check()), f"{_VERIFICATION}.checks[1]", "Duplicate value"),
    (verified(check(name="A")), f"{_VERIFICATION}.checks[0].name", "lower-case letters"),
    (
        verified({"name": "c", "type": "Expected", "output": {"dataset": "golden"}}),
        f"{_VERIFICATION}.checks[0]",
        "the field that is named like type must be set",
    ),
    (
        verified({"name": "c", "type": "Parity"}),
        f"{_VERIFICATION}.checks[0].type",
        "supported values",
    ),
    (
        verified(check(rtol="-1")),
        f"{_VERIFICATION}.checks[0].expected.rtol",
        "must be a number of 0 or more in quotes",
    ),
    (
        verified(check(rtol=0.001)),
        f"{_VERIFICATION}.checks[0].expected.rtol",
        "must be of type string",
    ),
    (
        verified(check(maxMismatchRatio="1.5")),
        f"{_VERIFICATION}.checks[0].expected.maxMismatchRatio",
        "from 0 to 1",
    ),
    (
        verified(check("Output", min="low")),
        f"{_VERIFICATION}.checks[0].output.min",
        "must be a number in quotes",
    ),
    (
        verified(check("BatchInvariance", sizes=[0])),
        f"{_VERIFICATION}.checks[0].batchInvariance.sizes[0]",
        "greater than or equal to 1",
    ),
    (
        change_of(transform="Scale", expect="Close"),
        f"{_VERIFICATION}.checks[0].metamorphic",
        "amount must be set with transform GaussianNoise",
    ),
    (
        change_of(transform="Shear", expect="Close"),
        f"{_VERIFICATION}.checks[0].metamorphic.transform",
        "supported values",
    ),
    (
        score(metric="Accuracy", max="0.5"),
        f"{_VERIFICATION}.checks[0].metric",
        "min must be set with Accuracy and MacroF1",
    ),
    (
        score(metric="MeanAbsoluteError", min="0.5", max="0.5"),
        f"{_VERIFICATION}.checks[0].metric",
        "and not the other",
    ),
    (
        score(metric="Accuracy", min="0.9", slices={"column": "region", "bound": "most"}),
        f"{_VERIFICATION}.checks[0].metric.slices.bound",
        "must be a number of 0 or more in quotes",
    ),
    (
        score(metric="Accuracy", min="0.9", maxDrop="-0.1"),
        f"{_VERIFICATION}.checks[0].metric.maxDrop",
        "must be a number of 0 or more in quotes",
    ),
    (
        verified(check("Performance")),
        f"{_VERIFICATION}.checks[0].performance",
        "at least one of maxP99, minThroughput and maxMemory",
    ),
    (
        verified(check("Performance", maxP99="25ms", duration="2m")),
        f"{_VERIFICATION}.checks[0].performance.duration",
        "from 1s to 1m",
    ),
    (
        verified(check("Performance", maxP99="0s")),
        f"{_VERIFICATION}.checks[0].performance.maxP99",
        "more than 0",
    ),
    (
        verified(check("Performance", maxMemory="0")),
        f"{_VERIFICATION}.checks[0].performance.maxMemory",
        "above 0",
    ),
    (
        verified(check(), continuous={"interval": "1s"}),
        f"{_VERIFICATION}.continuous.interval",
        "from 5s to 60m",
    ),
    (
        verified(check(), continuous={"rows": 33}),
        f"{_VERIFICATION}.continuous.rows",
        "less than or equal to 32",
    ),
    (dataset(), f"{_VERIFICATION}.datasets[0]", "exactly one of cases"),
    (
        dataset(cases=[_CASE], configMap={"name": "golden", "key": "g.npz"}),
        f"{_VERIFICATION}.datasets[0]",
        "exactly one of cases",
    ),
    (dataset(uri=_FAR), f"{_VERIFICATION}.datasets[0]", "sha256 must be set with uri"),
    (dataset(cases=[]), f"{_VERIFICATION}.datasets[0].cases", "at least 1 items"),
    (
        dataset(configMap={"name": "golden", "key": "g.csv"}),
        f"{_VERIFICATION}.datasets[0].configMap.key",
        "end in .json, .npz or .parquet",
    ),
    (
        dataset(uri="https://models.example.org/golden.arrow", sha256=HEX64),
        f"{_VERIFICATION}.datasets[0].uri",
        "ends in .json, .npz or .parquet",
    ),
    (
        dataset(uri="s3://golden.npz", sha256=HEX64),
        f"{_VERIFICATION}.datasets[0].uri",
        "must be https:// or http://",
    ),
    (
        dataset(uri=_FAR, sha256="9f"),
        f"{_VERIFICATION}.datasets[0].sha256",
        "64 lower-case hex digits",
    ),
    (
        verified(check(dataset="settings"), datasets=[{"name": "settings", "cases": [_CASE]}]),
        f"{_VERIFICATION}.datasets[0].name",
        "not settings, which is taken",
    ),
    ({"spec.stop": True}, "spec.stop", "unknown field"),
    ({"spec.route": {}}, "spec.route.parentRefs", "Required value"),
    ({"spec.route": {"parentRefs": []}}, "spec.route.parentRefs", "at least 1 items"),
    (routed({"port": 0}), "spec.route.parentRefs[0].port", "greater than or equal to 1"),
    (routed({"name": ""}), "spec.route.parentRefs[0].name", "at least 1 chars"),
    (routed({"kind": "Service"}), "spec.route.parentRefs[0].kind", "unknown field"),
    (routed({}, "Models.example.org"), "spec.route.hostnames[0]", "as in models.example.org"),
    (routed({}, "a.*.org"), "spec.route.hostnames[0]", "must be a host name in lower case"),
    (routed({}, "http://a.org"), "spec.route.hostnames[0]", "must be a host name in lower case"),
]
