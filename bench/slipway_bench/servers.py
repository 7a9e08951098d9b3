"""Servers under test: started on free ports of this machine, watched from outside, and ended."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from slipway_bench import usage
from slipway_bench.load import BUILT
from slipway_bench.models import Model
from slipway_dev.errors import Failure

PATIENCE = 60.0


@dataclass(frozen=True)
class Launch:
    """How to start a server; ``live`` is the path that tells so, where that is of interest."""

    name: str
    command: Sequence[str | Path]
    ready: str
    http: int
    grpc: int
    environ: Mapping[str, str] = field(default_factory=dict)
    admin: int = 0
    live: str = ""


@dataclass(frozen=True)
class Server:
    """A server that is ready: ``start_seconds`` after its start, live ``live_seconds`` after it."""

    name: str
    process: int
    http: int
    grpc: int
    admin: int
    start_seconds: float
    live_seconds: float

    def cpu_seconds(self) -> float:
        """CPU time used so far by its processes and their threads, user and system."""
        return usage.cpu_seconds(usage.tree(self.process))

    def memory_bytes(self) -> int:
        """Resident memory of its processes."""
        return usage.memory_bytes(usage.tree(self.process))


def slipway(model: Model, *options: str | Path) -> Launch:
    """Serve a model with the runtime of this checkout."""
    http, grpc, admin = free_ports(3)
    command: list[str | Path] = [sys.executable, "-m", "slipway_runtime", "serve", model.path]
    ports = {"http": http, "grpc": grpc, "admin": admin}
    for name, port in ports.items():
        command += [f"--{name}", f"127.0.0.1:{port}"]
    ready = f"/v2/models/{model.name}/ready"
    command += options
    return Launch("slipway", command, ready, http, grpc, admin=admin, live="/v2/health/live")


@contextmanager
def running(launch: Launch) -> Iterator[Server]:
    """Start a server, wait until it is ready, and end it with all its children.

    Raises:
        Failure: It does not get ready; the message quotes the end of its log.
    """
    BUILT.mkdir(parents=True, exist_ok=True)
    log = BUILT / f"{launch.name}.log"
    began = time.perf_counter()
    with (
        log.open("w") as output,
        subprocess.Popen(
            launch.command,
            stdout=output,
            stderr=output,
            env={**os.environ, **launch.environ},
            start_new_session=True,
        ) as process,
    ):
        try:
            took = []
            for path in (launch.live or launch.ready, launch.ready):
                _await(path, launch, process, log)
                took.append(time.perf_counter() - began)
            live, ready = took
            ports = launch.http, launch.grpc, launch.admin
            yield Server(launch.name, process.pid, *ports, ready, live)
        finally:
            _end(process)


def free_ports(count: int) -> list[int]:
    """Find ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _await(path: str, launch: Launch, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not _answers(launch.http, path):
        if process.poll() is not None or time.monotonic() > until:
            raise Failure(
                f"starting {launch.name}",
                f"it is not ready; its log ends with\n{log.read_text()[-2000:]}",
                remedy=f"see {log}",
            )
        time.sleep(0.002)


def _answers(port: int, path: str) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    processes = usage.tree(process.pid)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
    for child in processes[1:]:
        if Path(f"/proc/{child}").exists():
            os.kill(child, 9)
