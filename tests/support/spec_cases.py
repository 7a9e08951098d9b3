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
_TEMPLATE = "spec.template"
_BUDGET = "spec.availability.disruptionBudget.maxUnavailable"
_METRICS = "spec.autoscaling.metrics"


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
    {"spec.runtime": {}},
    {"spec.runtime.image": "slipway-runtime"},
    {"spec.runtime.image": "localhost:5000/slipway-runtime:dev"},
    {"spec.runtime.image": f"registry.example.org/team/slipway-runtime:1.2@sha256:{HEX64}"},
    {f"{_SESSION}.intraOpNumThreads": "Auto"},
    {f"{_SESSION}.intraOpNumThreads": 1},
    {f"{_SESSION}.intraOpNumThreads": 64},
    {f"{_SESSION}.graphOptimizationLevel": "Disabled"},
    {f"{_SESSION}.configEntries": {"session.set_denormal_as_zero": "1"}},
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
        {"spec.resources": {"limits": {"nvidia.com/gpu": 1}}},
        "spec.resources.limits",
        "only cpu, memory and ephemeral-storage",
    ),
    (
        {"spec.resources": {"requests": {"gpu": 1}}},
        "spec.resources.requests",
        "only cpu, memory and ephemeral-storage",
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
    ({"spec.suspend": True}, "spec.suspend", "unknown field"),
]
