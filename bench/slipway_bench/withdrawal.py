"""How long a canary that refuses its callers has some, as these see it, on the local cluster."""

import re
import statistics

from fixtures.broken import renamed_input
from fixtures.trained import iris
from slipway_dev.cluster import find
from slipway_dev.deploy import deploy
from support import load
from support.workplace import Object, Workplace, a_model_deployment

INTERVAL = 5.0
"""Seconds between two looks of the operator at a canary."""
ALLOWED = INTERVAL + 2.0
WHEN = re.compile(r"at ([0-9.]+) s, ")


def run(count: int) -> int:
    """Try ``count`` bad canaries one after the other; return 0 if each lost its traffic in time."""
    cluster = find()
    cluster.up()
    deploy(cluster)
    workplace = Workplace.open(cluster)
    try:
        workplace.provide_files(iris().path, renamed_input())
        took = [_tried(workplace, number) for number in range(count)]
    finally:
        workplace.close()
    print(
        f"{count} canaries; seconds from the first refused request to the last one: "
        f"median {statistics.median(took):.2f}, most {max(took):.2f}, to reach {ALLOWED:.0f}"
    )
    return 0 if max(took) <= ALLOWED else 1


def _tried(workplace: Workplace, number: int) -> float:
    """Let callers meet one bad canary; return for how many seconds they did."""
    workplace.apply(_wish("iris-v1", 0))
    workplace.wait("iris")
    client = load.start(workplace, "iris", {"1": iris()})
    workplace.apply(_wish("iris-renamed", number))
    workplace.until(
        "it is given up",
        lambda: workplace.condition("iris", "Ready").get("reason") == "RolledBack",
        180,
    )
    report = client.report()
    times = [float(found[1]) for text in report.failures if (found := WHEN.match(text))]
    took = max(times) - min(times)
    print(f"{number + 1}: {report.failed} refused, in {took:.2f} s", flush=True)
    return took


def _wish(name: str, number: int) -> Object:
    canary = {"steps": [{"weight": 34, "duration": "1h"}], "minRequests": 50}
    return a_model_deployment(
        model={"uri": f"configMap://models/{name}.onnx"},
        replicas=2,
        template={"env": [{"name": "NUMBER", "value": str(number)}]},
        rollout={"strategy": "Canary", "canary": canary},
    )
