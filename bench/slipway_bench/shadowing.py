"""What a shadow costs the users whose requests are copied to it.

The twin that answers the copies has CPUs of its own in a cluster. Here it shares them, so it is
one that knows the answer beforehand, and runs when nobody else wants to.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from slipway_bench import floor
from slipway_bench.asks import as_binary
from slipway_bench.load import Load, ask
from slipway_bench.models import Model
from slipway_bench.servers import Launch, Server, running, slipway
from slipway_bench.settings import plain
from slipway_bench.speed import Rounds, one_round
from slipway_bench.table import Row, Target

HALF = 0.5
TRIES = 3
"""To find half load."""
CONNECTIONS = 32
SLOWER = 1.05
OFTEN = 3
"""Times as many rounds as of other measures: the p99 of two in a row may differ twofold."""
NOTICED = 3.0
"""A server looks for its bid every 2 seconds."""


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Ask at half of what can be answered, with a copy of every request and without, in turns."""
    for name in ("tiny", "mlp"):
        yield from _measure(name, models[name], rounds)


def _measure(name: str, model: Model, rounds: Rounds) -> Iterator[Row]:
    question = [as_binary(model)]
    alone, copied, copies = list[float](), list[float](), list[float]()
    with TemporaryDirectory() as folder, running(_twin(model, Path(folder))) as twin:
        _stand_back(twin)
        shadow = Path(folder) / "shadow.json"
        launch = slipway(model, "--config", plain(Path(folder) / "settings.json", model.name))
        with running(replace(launch, name="shadowed")) as server:
            load = _half(server, model, rounds.seconds)
            for _ in range(OFTEN * rounds.count):
                alone.append(ask(server.http, question, load).sound().latency_us["p99"])
                shadow.write_text(_bid(twin))
                time.sleep(NOTICED)
                before = _sent(server)
                copied.append(ask(server.http, question, load).sound().latency_us["p99"])
                copies.append((_sent(server) - before) / rounds.seconds)
                shadow.unlink()
                time.sleep(NOTICED)
    ratios = [with_ / without for with_, without in zip(copied, alone, strict=True)]
    case = f"{name}, binary, {load.rate:.0f} requests/s, at half load"
    yield Row(f"{case}: p99", "µs", alone)
    yield Row(f"{case}: p99 with a shadow / without", "x", ratios, Target(SLOWER))
    yield Row(f"{case}: copies a second", "1/s", copies)


def _half(server: Server, model: Model, seconds: float) -> Load:
    """Find the rate that takes half of the CPU time that 16 clients in a closed loop take.

    That is less than half of what these get: requests that come one by one share fewer runs.
    """
    full = one_round(server, as_binary(model), 16, seconds)
    load = Load(CONNECTIONS, seconds, rate=HALF * full.seen.rate)
    for _ in range(TRIES):
        before = server.cpu_seconds()
        seen = ask(server.http, [as_binary(model)], load).sound()
        busy = (server.cpu_seconds() - before) / seen.seconds
        load = replace(load, rate=load.rate * HALF * full.busy / busy)
    return load


def _twin(model: Model, folder: Path) -> Launch:
    """Ask a server once, and make up one that always answers so."""
    question, file = as_binary(model), folder / "answer"
    with running(slipway(model)) as server, closing(_connected(server.http)) as connection:
        connection.request("POST", question.path, question.body, question.headers)
        answer = connection.getresponse()
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
        lines += [f"{name}: {value}" for name, value in answer.getheaders()]
        file.write_bytes("\r\n".join([*lines, "", ""]).encode() + answer.read())
    return floor.launch("--answer", file)


def _stand_back(server: Server) -> None:
    """Leave the CPUs to whoever else wants them."""
    for task in Path(f"/proc/{server.process}/task").iterdir():
        os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))


def _bid(twin: Server) -> str:
    said = {"schemaVersion": 1, "revision": "twin", "url": f"http://127.0.0.1:{twin.http}"}
    return json.dumps({**said, "percent": 100, "rtol": 0.001, "atol": 0.0001})


def _sent(server: Server) -> int:
    """Count the copies that were answered, over all of them."""
    with closing(_connected(server.admin)) as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    found = (line for line in lines if line.startswith("slipway_shadow_requests_total"))
    return sum(int(float(line.rpartition(" ")[2])) for line in found if 'result="agreed"' in line)


def _connected(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=5)
