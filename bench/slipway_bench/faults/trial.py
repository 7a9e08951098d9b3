"""Starts the runtime as a pod would, and sees whether it lets a model get to callers."""

import json
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from slipway_bench.faults import careful
from slipway_bench.servers import Launch, Server, free_ports, running
from slipway_dev.errors import Failure

PATIENCE = 300.0
LOAD, START, FULL = "load", "start", "full"


@dataclass(frozen=True)
class Caught:
    """What stopped a model: when, by which check, and in which words; all empty if nothing did."""

    when: str = ""
    by: str = ""
    reason: str = ""
    message: str = ""
    start_seconds: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether callers never got to it."""
        return bool(self.when)


def attempt(model: Path, settings: Path, program: str = "", full: bool = True) -> Caught:
    """Serve a model; where it gets ready, let the full suite run as well, as the operator does."""
    with running(_launch(model, settings, program)) as server:
        status = _await(server, "GET", "/status", lambda said: said["state"] in _SETTLED)
        seconds = (status["verification"] or {}).get("seconds", 0.0)
        if status["state"] == "Failed":
            return replace(_at_start(status), start_seconds=seconds)
        if not full:
            return Caught(start_seconds=seconds)
        report = _await(server, "POST", "/verification", lambda said: said["complete"])
        return replace(_in_full(report), start_seconds=seconds)


_SETTLED = ("Ready", "Failed")


def _launch(model: Path, settings: Path, program: str) -> Launch:
    http, grpc, admin = free_ports(3)
    code: list[str | Path] = ["-c", program] if program else ["-m", "slipway_runtime"]
    ports = {"http": http, "grpc": grpc, "admin": admin}
    places = [f"--{name}=127.0.0.1:{port}" for name, port in ports.items()]
    command = [sys.executable, *code, "serve", model, f"--config={settings}", *places]
    return Launch("slipway-faults", command, "/v2/health/live", http, grpc, admin=admin)


def _at_start(status: dict[str, Any]) -> Caught:
    by, message = _not_passed(status["verification"] or {"checks": []})
    if not by:
        return Caught(LOAD, "loading", status["reason"], status["message"])
    return Caught(START, by, status["reason"], message)


def _in_full(report: dict[str, Any]) -> Caught:
    by, message = _not_passed(report)
    return Caught(FULL, by, f"Verification{report['outcome']}", message) if by else Caught()


def _not_passed(report: dict[str, Any]) -> tuple[str, str]:
    """Name all checks that did not pass, and quote the one that decides."""
    bad = [each for each in report["checks"] if each["outcome"] != "Passed"]
    worst = [each["message"] for each in bad if each["outcome"] == report["outcome"]]
    return ", ".join(each["name"] for each in bad), worst[0] if worst else ""


def _await(server: Server, method: str, path: str, settled: Any) -> dict[str, Any]:
    """Ask the admin port until the answer is as wanted."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with closing(HTTPConnection("127.0.0.1", server.admin, timeout=30)) as connection:
            connection.request(method, path)
            said: dict[str, Any] = json.loads(connection.getresponse().read())
        if settled(said):
            return said
        time.sleep(0.05)
    raise Failure("verifying a model", f"{path} is still {said} after {PATIENCE:g} s")


def clean(good: Path, folder: Path, golden: Path, full: bool) -> Caught:
    """Serve the model that has no fault."""
    return attempt(good, careful.settings(folder, golden, {}), full=full)
