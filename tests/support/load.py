"""Constant load from inside the cluster, through the Service, as a neighbour would cause it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from fixtures.model import Model
from support.pods import a_pod
from support.workplace import Workplace

SCRIPT = Path(__file__).parent / "client.py"


@dataclass(frozen=True)
class Report:
    """What the client saw: answers by the version that gave them, and what failed."""

    answers: Mapping[str, int]
    failed: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Load:
    """A client pod that is at work for a fixed time."""

    workplace: Workplace
    pod: str
    seconds: int

    def report(self) -> Report:
        """Wait for its end and read what it saw."""

        def last_line() -> str:
            line = self.workplace.kubectl("logs", self.pod).splitlines()[-1]
            return line if line.startswith("{") else ""

        said = json.loads(self.workplace.until("the client ends", last_line, self.seconds + 60))
        return Report(said["answers"], said["failed"], tuple(said["failures"]))


def start(
    workplace: Workplace,
    name: str,
    versions: Mapping[str, Model],
    *,
    seconds: int,
    threads: int = 4,
    pause: float = 0.02,
    rows: int = 1,
) -> Load:
    """Start asking the ModelDeployment ``name`` for the first rows of its models.

    All ``versions`` take the same inputs; an answer that fits none of them is a failure.
    """
    some = next(iter(versions.values()))
    chosen = range(rows)
    plan = {
        "host": f"{name}.{workplace.namespace}.svc",
        "path": f"/v2/models/{name}/infer",
        "body": json.dumps({"inputs": [_tensor(some, chosen)]}),
        "output": "probabilities",
        "expected": {
            version: model.expected["probabilities"][list(chosen)].ravel().tolist()
            for version, model in versions.items()
        },
        "seconds": seconds,
        "threads": threads,
        "pause": pause,
    }
    pod = f"client-{uuid4().hex[:6]}"
    env = [{"name": "PLAN", "value": json.dumps(plan)}]
    workplace.apply(a_pod(workplace, pod, ["python3", "-c", SCRIPT.read_text()], env=env))
    load = Load(workplace, pod, seconds)
    workplace.until("the client starts", lambda: "started" in _log(load))
    return load


def _log(load: Load) -> str:
    pending = load.workplace.get("pod", load.pod)["status"]["phase"] == "Pending"
    return "" if pending else load.workplace.kubectl("logs", load.pod)


def _tensor(model: Model, rows: range) -> dict[str, Any]:
    ((name, batch),) = model.ask(*rows).items()
    return {"name": name, "shape": batch.shape, "datatype": "FP32", "data": batch.ravel().tolist()}
