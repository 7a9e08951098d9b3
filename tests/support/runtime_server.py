"""A real `slipway-runtime serve` process on free ports of this machine."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "slipway_runtime"]
PATIENCE = 30.0


def settings_file(directory: Path, **changes: Any) -> Path:
    """Write a settings file of the contract; ``drainSeconds=0`` or ``limits={...}`` change it."""
    settings: dict[str, Any] = {
        "schemaVersion": 1,
        "model": {"name": "m", "version": "7", "uri": "file:///nowhere", "sha256": None},
        "session": {
            "intraOpNumThreads": "Auto",
            "graphOptimizationLevel": "All",
            "configEntries": {},
        },
        "limits": {"maxQueue": 512, "requestTimeoutSeconds": 10.0, "maxRequestBytes": 1 << 20},
        "drainSeconds": 0.0,
    }
    for key, value in changes.items():
        settings[key] = {**settings.get(key, {}), **value} if isinstance(value, dict) else value
    path = directory / "settings.json"
    path.write_text(json.dumps(settings))
    return path


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @classmethod
    def read(cls, response: HTTPResponse) -> "Answered":
        headers = {name.lower(): value for name, value in response.getheaders()}
        return cls(response.status, headers, response.read())


@dataclass
class Server:
    process: subprocess.Popen[str]
    http: int = 0
    grpc: int = 0
    admin: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    _lines: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def read_log(self) -> None:
        for line in self.process.stderr or ():
            event = json.loads(line)
            self.events.append(event)
            self._lines.put(event)

    def wait_for(self, name: str) -> dict[str, Any]:
        """Wait for a log event."""
        until = time.monotonic() + PATIENCE
        while True:
            event = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            if event["event"] == name:
                return event

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> Answered:
        connection = HTTPConnection("127.0.0.1", port or self.http, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            return Answered.read(connection.getresponse())
        finally:
            connection.close()

    def infer(self, *inputs: dict[str, Any], model: str = "m", **rest: Any) -> Answered:
        body = json.dumps({"inputs": inputs, **rest})
        return self.ask("POST", f"/v2/models/{model}/infer", body)

    def status(self) -> Any:
        return self.ask("GET", "/status", port=self.admin).json

    def metrics(self) -> dict[str, float]:
        text = self.ask("GET", "/metrics", port=self.admin).body.decode()
        pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(timeout=PATIENCE)


@contextmanager
def a_server(
    model: Path, *options: str, settle: str = "serving", hurried: str = ""
) -> Iterator[Server]:
    """Start a server and wait until it says ``settle``: "serving" or "no model to serve".

    ``hurried`` is Python that shortens its times, which would be long for a test.
    """
    ports = [f"--{port}=127.0.0.1:0" for port in ("http", "grpc", "admin")]
    command = [*COMMAND, "serve", str(model), *ports, *options]
    if hurried:
        code = f"from slipway_runtime import __main__\n{hurried}\n__main__.main()"
        command = [sys.executable, "-c", code, *command[len(COMMAND) :]]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "error"}
    ) as process:
        server = Server(process)
        reader = threading.Thread(target=server.read_log)
        reader.start()
        try:
            listening = server.wait_for("listening")
            server.http = int(listening["http"][0].rpartition(":")[2])
            server.grpc = int(listening["grpc"][0].rpartition(":")[2])
            server.admin = int(listening["admin"][0].rpartition(":")[2])
            server.wait_for(settle)
            yield server
        finally:
            process.kill()
            process.wait()
            reader.join()
