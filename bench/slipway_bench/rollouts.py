"""Many rollouts under load on the local cluster, half of them given up, with an operator that dies.

What counts is what the callers see: requests that fail, and answers of a revision that was not
verified. Every change makes a revision of its own, since a number in its environment differs.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from fixtures.model import Model
from fixtures.trained import iris
from slipway_dev.cluster import find
from slipway_dev.deploy import deploy
from slipway_dev.errors import Failure
from support import load
from support.operators import Operators
from support.workplace import Object, Workplace, a_model_deployment

BAD = 3
"""The version that answers otherwise than it should: it must never be heard."""
SEGMENT = 120
"""Seconds after which another client takes over."""
PATIENCE = 180
ROWS = 3
DEATH = 0.5
"""How often the operator is killed while a change is on its way."""
STRATEGIES: tuple[Object, ...] = (
    {"strategy": "BlueGreen", "rollbackWindow": "1h"},
    {
        "strategy": "Canary",
        "rollbackWindow": "1h",
        "canary": {"steps": [{"weight": 50, "duration": "2s"}], "minRequests": 20},
    },
    {"strategy": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
)


@dataclass
class Seen:
    """What callers saw, over all clients."""

    answers: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    wrongly: list[str] = field(default_factory=list)
    deaths: int = 0


def run(count: int, more: int, seed: int) -> int:
    """Roll out ``count`` revisions, give up as many, and roll out ``more``.

    Return 0 if no caller noticed, and none was refused that should not be.
    """
    cluster = find()
    cluster.up()
    deploy(cluster)
    workplace = Workplace.open(cluster)
    try:
        kinds = ["promoted"] * (count + more) + ["aborted"] * (count // 2)
        kinds += ["refused"] * (count - count // 2)
        seen = _all(workplace, kinds, random.Random(seed))  # noqa: S311 - no secrets
    finally:
        workplace.close()
    return _tell(seen)


def _all(workplace: Workplace, kinds: list[str], chance: random.Random) -> Seen:
    models = {version: iris(version) for version in (1, 2, BAD)}
    workplace.provide(*models.values())
    workplace.apply(_wish(models, 0, 1, STRATEGIES[0]))
    workplace.wait("iris")
    seen, client, begun = Seen(), None, 0.0
    chance.shuffle(kinds)
    for number, kind in enumerate(kinds, 1):
        if client is not None and time.monotonic() - begun > SEGMENT:
            _add(seen, client.report())
            client = None
        if client is None:
            named = {str(version): model for version, model in models.items()}
            client = load.start(workplace, "iris", named)
            begun = time.monotonic()
        with _mortal(workplace, chance, seen):
            ended = _change(workplace, models, number, kind, chance)
        seen.ended[kind] += 1
        seen.wrongly += [f"change {number}: {ended}"] if kind == "promoted" and ended else []
        print(f"{number} of {len(kinds)}: {kind}, {time.monotonic() - begun:.0f} s", flush=True)
    if client is not None:
        _add(seen, client.report())
    return seen


def _change(
    workplace: Workplace, models: dict[int, Model], number: int, kind: str, chance: random.Random
) -> str:
    """Change the model once, and wait until that has come to its end; return why it was refused."""
    version = BAD if kind == "refused" else 1 + number % 2
    wish = _wish(models, number, version, chance.choice(STRATEGIES))
    workplace.apply(wish)
    if kind == "aborted":
        time.sleep(chance.uniform(0, 8))
        wish["spec"]["rollout"]["abort"] = _latest(workplace, number)
        workplace.apply(wish)
    ends = ["Serving"] if kind == "promoted" else []

    def ended() -> Object | None:
        _latest(workplace, number)
        ready: Object = workplace.condition("iris", "Ready")
        return ready if ready["reason"] in ("RolledBack", *ends) else None

    ready = workplace.until(f"{kind} {number}", ended, PATIENCE)
    return str(ready["message"]) if ready["status"] == "False" else ""


def _latest(workplace: Workplace, number: int) -> str:
    """Wait until status names the revision of a change."""

    def found() -> str:
        status = workplace.get("mdeploy", "iris")
        generation = status["metadata"]["generation"]
        looked_at = status["status"]["observedGeneration"] == generation
        return str(status["status"]["latestRevision"]) if looked_at else ""

    return str(workplace.until(f"{number} is looked at", found, PATIENCE))


def _wish(models: dict[int, Model], number: int, version: int, rollout: Object) -> Object:
    """Build the object of a change; the bad version is promised to answer as the first one does."""
    promised = models[1 if version == BAD else version]
    return a_model_deployment(
        model={"uri": f"configMap://models/iris-v{version}.onnx"},
        replicas=2,
        template={"env": [{"name": "NUMBER", "value": str(number)}]},
        rollout=dict(rollout),
        verification=_golden(promised),
    )


def _golden(model: Model) -> Object:
    rows = {
        "datatype": "FP32",
        "shape": [ROWS, 4],
        "data": model.inputs["X"][:ROWS].ravel().tolist(),
    }
    probabilities = model.expected["probabilities"][:ROWS]
    answers = {"datatype": "FP32", "shape": [ROWS, 3], "data": probabilities.ravel().tolist()}
    case = {"inputs": [{"name": "X", **rows}], "outputs": [{"name": "probabilities", **answers}]}
    expected = {"dataset": "golden", "output": "probabilities"}
    return {
        "datasets": [{"name": "golden", "cases": [case]}],
        "checks": [{"name": "parity", "type": "Expected", "expected": expected}],
    }


@contextmanager
def _mortal(workplace: Workplace, chance: random.Random, seen: Seen) -> Iterator[None]:
    """Kill the operator at a random moment of a change, or let it live."""
    if chance.random() >= DEATH:
        yield
        return
    killer = threading.Timer(chance.uniform(0, 8), _kill, (workplace, seen))
    killer.start()
    try:
        yield
    finally:
        killer.join()


def _kill(workplace: Workplace, seen: Seen) -> None:
    """Kill the leader with its pod: a container alone would be started anew ever later."""
    operators = Operators(workplace.cluster)
    at_once = ("--force", "--grace-period=0", "--wait=false")
    with suppress(Failure):  # it is dead already
        operators.kubectl("delete", "pod", operators.leader(), *at_once)
        seen.deaths += 1


def _add(seen: Seen, report: load.Report) -> None:
    seen.answers.update(report.answers)
    seen.failed += report.failed
    seen.failures += report.failures


def _tell(seen: Seen) -> int:
    wrong = seen.answers.get(str(BAD), 0)
    print(f"rollouts: {dict(seen.ended)}; the operator was killed {seen.deaths} times")
    print(f"clean rollouts: {seen.ended['promoted']}, wrongly refused: {len(seen.wrongly)}")
    print(f"requests answered: {sum(seen.answers.values())}, by version {dict(seen.answers)}")
    print(f"requests that failed: {seen.failed}; answered by what was not verified: {wrong}")
    for failure in (*seen.wrongly, *seen.failures):
        print(f"  {failure}")
    return 1 if seen.failed or wrong or seen.wrongly else 0
