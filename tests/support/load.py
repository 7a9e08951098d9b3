"""Constant load from inside the cluster, through the Service, as a neighbour would cause it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from fixtures.model import Model
from support.pods import a_pod
from support.workplace import Workplace

SCRIPT = Path(__file__).parent / "client.py"
STARTED = "started"
END = "import os, signal; os.kill(1, signal.SIGTERM)"
BOUND = 600
"""Seconds after which a client ends by itself."""
HEARSAY = 2.0
"""Seconds that kube-proxy or a gateway may take to hear who gets traffic: they rest for one."""
AFTERMATH = 3.0
"""Seconds for what comes after the event that a test waited for."""


@dataclass(frozen=True)
class Report:
    """What the client saw: answers by the version that gave them, and how many failed.

    ``failures`` tells of the first five of these, and of the last.
    """

    answers: Mapping[str, int]
    failed: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Load:
    """A client pod that is at work."""

    workplace: Workplace
    pod: str

    def report(self) -> Report:
        """Let it ask a little longer, end it, and read what it saw.

        Raises:
            AssertionError: its time was over before, so that it did not see everything.
        """
        time.sleep(AFTERMATH)
        assert self.last_line() == STARTED, "the client's time was over before it was told to end"
        self.workplace.kubectl("exec", self.pod, "--", "python3", "-c", END)

        def ended() -> str:
            return line if (line := self.last_line()).startswith("{") else ""

        said = json.loads(self.workplace.until("the client ends", ended))
        return Report(said["answers"], said["failed"], tuple(said["failures"]))

    def last_line(self) -> str:
        """Read the last line of its log; empty while there is none."""
        pending = self.workplace.get("pod", self.pod)["status"]["phase"] == "Pending"
        lines = [] if pending else self.workplace.kubectl("logs", self.pod).splitlines()
        return lines[-1] if lines else ""


def start(
    workplace: Workplace,
    name: str,
    versions: Mapping[str, Model],
    *,
    threads: int = 4,
    pause: float = 0.02,
    rows: int = 1,
    host: str = "",
) -> Load:
    """Start asking the ModelDeployment ``name`` for the first rows of its models, until `report`.

    They ask its Service, or another ``host``. All ``versions`` take the same inputs; an answer that
    fits none of them is a failure.
    """
    some = next(iter(versions.values()))
    chosen = range(rows)
    plan = {
        "host": host or f"{name}.{workplace.namespace}.svc",
        "path": f"/v2/models/{name}/infer",
        "body": json.dumps({"inputs": [_tensor(some, chosen)]}),
        "output": "probabilities",
        "expected": {
            version: model.expected["probabilities"][list(chosen)].ravel().tolist()
            for version, model in versions.items()
        },
        "seconds": BOUND,
        "threads": threads,
        "pause": pause,
    }
    pod = f"client-{uuid4().hex[:6]}"
    env = [{"name": "PLAN", "value": json.dumps(plan)}]
    workplace.apply(a_pod(workplace, pod, ["python3", "-c", SCRIPT.read_text()], env=env))
    load = Load(workplace, pod)
    workplace.until("the client starts", lambda: load.last_line() == STARTED)
    return load


def _tensor(model: Model, rows: range) -> dict[str, Any]:
    ((name, batch),) = model.ask(*rows).items()
    return {"name": name, "shape": batch.shape, "datatype": "FP32", "data": batch.ravel().tolist()}
