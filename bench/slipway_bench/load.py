"""The load generator: a program in Go, built when it is needed, that checks every answer."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from slipway_bench.asks import Ask
from slipway_dev.bare.binaries import find_go
from slipway_dev.steps import run, step

SOURCE = Path(__file__).parents[1] / "load"
BUILT = Path(__file__).parents[2] / "build" / "bench"


class WrongAnswersError(Exception):
    """A server that answers wrongly is not measured."""


@dataclass(frozen=True)
class Load:
    """How to ask. ``rate`` is in arrivals a second; 0 asks again as soon as an answer is there."""

    connections: int
    seconds: float
    streams: int = 1
    rate: float = 0.0
    churn: float = 0.0
    seed: int = 1


@dataclass(frozen=True)
class Seen:
    """What came back; latencies are quantiles in microseconds."""

    seconds: float
    right: int
    wrong: int
    broken: int
    hung_up: int
    expired: int
    unsent: int
    cpu_seconds: float
    statuses: dict[str, int]
    latency_us: dict[str, float] = field(repr=False)
    refused_us: dict[str, float] = field(repr=False)
    first_problem: str = ""

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return self.right / self.seconds

    @property
    def answers(self) -> int:
        """All answers, refusals included."""
        return sum(self.statuses.values())

    def sound(self) -> "Seen":
        """Return this if no answer was wrong and none failed to come; refusals are answers.

        Raises:
            WrongAnswersError: If not.
        """
        if self.right == 0 or self.wrong or self.broken:
            raise WrongAnswersError(f"{self.first_problem}: {self}")
        return self

    def flawless(self) -> "Seen":
        """Return this if all answers were right.

        Raises:
            WrongAnswersError: If not.
        """
        if self.answers != self.right:
            raise WrongAnswersError(f"not all requests were answered well: {self}")
        return self.sound()


def generator() -> Path:
    """Return the program, built from the source as it is.

    Raises:
        Failure: There is no Go, or the source does not compile.
    """
    files = sorted([*SOURCE.glob("*.go"), *SOURCE.glob("go.*")])
    digest = sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    program = BUILT / f"load-{digest}"
    if not program.exists():
        with step("build the load generator"):
            run(
                [find_go(), "build", "-trimpath", "-o", program, "."],
                environ={"CGO_ENABLED": "0"},
                cwd=SOURCE,
            )
    return program


def start(port: int, asks: Sequence[Ask], load: Load) -> "subprocess.Popen[str]":
    """Begin to ask the server on a port of this machine; ``finish`` waits for the end."""
    plan: dict[str, Any] = {
        "protocol": asks[0].protocol,
        "address": f"127.0.0.1:{port}",
        "connections": load.connections,
        "streams": load.streams,
        "seconds": load.seconds,
        "rate": load.rate,
        "churn": load.churn,
        "seed": load.seed,
        "requests": [ask.plan() for ask in asks],
    }
    pipe = subprocess.PIPE
    process = subprocess.Popen([generator()], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdin  # noqa: S101 - a pipe was asked for
    process.stdin.write(json.dumps(plan))
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: "subprocess.Popen[str]") -> Seen:
    """Wait for the end of what was started.

    Raises:
        WrongAnswersError: The server could not be asked at all.
    """
    output, problem = process.communicate()
    if process.returncode:
        raise WrongAnswersError(problem.strip())
    return Seen(**json.loads(output))


def ask(port: int, asks: Sequence[Ask], load: Load) -> Seen:
    """Ask, to the end."""
    return finish(start(port, asks, load))
