"""A server keeps well: it gives memory back, fails liveness when it hangs, and calls nobody."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from support.onnx_models import blurring, counting, deep, identity, leaning, written
from support.runtime_server import Server, a_server, settings_file
from support.waiting import PATIENCE, within_patience

ISOLATED = """
import fcntl, json, socket, struct, subprocess, sys, time

control = socket.socket()
fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS: up
def sent_nowhere():
    head, values = [l.split() for l in open("/proc/net/snmp") if l.startswith("Ip:")]
    six = dict(line.split() for line in open("/proc/net/snmp6"))
    return int(values[head.index("OutNoRoutes")]) + int(six["Ip6OutNoRoutes"])
def sent_here():
    return int([l for l in open("/proc/net/dev") if "lo:" in l][0].split()[10])

command = [sys.executable, "-m", "slipway_runtime", "serve", sys.argv[1]]
process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
for line in process.stderr:
    if json.loads(line)["event"] == "serving":
        break
time.sleep(float(sys.argv[2]))
process.terminate()
process.wait()
found = {"nowhere": sent_nowhere(), "here": sent_here(), "status": process.returncode}
try:
    socket.create_connection(("192.0.2.1", 443), timeout=1)
except OSError:
    found["seen"] = sent_nowhere() - found["nowhere"]
print(json.dumps(found))
"""

TELEMETRY_SECONDS = 10.0
"""Its first packets came 6 to 10 s after the start where onnxruntime was let."""
RESIDENT = "process_resident_memory_bytes"


@pytest.fixture(scope="module", autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Run a server, beside the other tests, where every packet is counted and none goes far."""
    path = written(identity(), tmp_path_factory.mktemp("isolated") / "m.onnx")
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ISOLATED]
    with subprocess.Popen(
        [*command, str(path), str(TELEMETRY_SECONDS)], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def infer_binary(server: Server, array: Any) -> Any:
    size = {"binary_data_size": array.nbytes}
    x = {"name": "x", "datatype": "FP32", "shape": list(array.shape), "parameters": size}
    text = json.dumps({"inputs": [x]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return server.ask("POST", "/v2/models/m/infer", text + array.tobytes(), headers)


def test_memory_returns_after_a_burst(tmp_path: Path) -> None:
    config = settings_file(tmp_path, limits={"maxRequestBytes": 1 << 26})
    hurried = "from slipway_runtime import memory; memory.QUIET_SECONDS = 0.3"
    path = written(blurring(), tmp_path / "m.onnx")
    with a_server(path, "--config", str(config), hurried=hurried) as server:
        assert infer_binary(server, np.ones((1, 3, 64, 64), np.float32)).status == 200
        before = server.metrics()[RESIDENT]
        assert infer_binary(server, np.ones((4, 3, 512, 512), np.float32)).status == 200
        grown = server.metrics()[RESIDENT]
        assert grown > before + 50e6  # otherwise this burst shows nothing
        assert within_patience(lambda: server.metrics()[RESIDENT] < before + 15e6)


def test_a_server_whose_workers_hang_fails_its_liveness_probe(tmp_path: Path) -> None:
    config = settings_file(tmp_path, limits={"requestTimeoutSeconds": 0.1})
    hurried = "from slipway_runtime import dataplane; dataplane.WEDGED_SECONDS = 0.5"
    path = written(counting(), tmp_path / "m.onnx")
    with a_server(path, "--config", str(config), hurried=hurried) as server:
        endless = {"name": "x", "datatype": "INT64", "shape": [1], "data": [2**40]}
        workers = server.status()["effective"]["workers"]
        with ThreadPoolExecutor(workers) as pool:
            asked = [pool.submit(server.infer, endless) for _ in range(workers)]
        assert {each.result().status for each in asked} == {504}
        assert server.ask("GET", "/v2/health/live").json == {"live": True}
        assert within_patience(lambda: server.ask("GET", "/v2/health/live").status == 503)
        assert server.ask("GET", "/v2/health/live").json == {"live": False}
        server.wait_for("every worker hangs")


def test_a_loop_that_hangs_says_where(tmp_path: Path) -> None:
    hurried = (
        "import asyncio, threading, time\n"
        "from slipway_runtime import dataplane, serve\n"
        "serve.HANG_SECONDS = 1.2\n"
        "def hang(plane): threading.Thread(target=time.sleep, args=[0]).start(); time.sleep(2.5)\n"
        "dataplane.DataPlane.drain = hang"
    )
    path = written(identity(), tmp_path / "m.onnx")
    code = f"from slipway_runtime import __main__\n{hurried}\n__main__.main()"
    ports = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    with subprocess.Popen(
        [sys.executable, "-c", code, "serve", str(path), *ports], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        for line in process.stderr:
            if '"serving"' in line:
                break
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert "Timeout (0:00:01.2" in said
    assert "in hang" in said


def test_no_request_is_lost_when_batches_are_under_way_at_the_end(tmp_path: Path) -> None:
    config = settings_file(tmp_path, drainSeconds=0.3)
    path = written(deep(200), tmp_path / "m.onnx")
    gone = threading.Event()
    with a_server(path, "--config", str(config)) as server, ThreadPoolExecutor() as pool:
        assert server.status()["effective"]["batching"]["enabled"]
        calls = [pool.submit(call_until, server, gone, number) for number in range(12)]
        time.sleep(0.7)
        server.signal(signal.SIGTERM)
        server.wait_for("draining")
        gone.set()
        served = sum(call.result() for call in calls)
        assert server.wait() == 0
        rows = [event for event in server.events if event["event"] == "ended"]
    assert served > 50
    assert rows[0]["unanswered"] == 0


def call_until(server: Server, gone: threading.Event, number: int) -> int:
    """Ask on one connection until the end; each answer must be one's own."""
    row = np.zeros(256, np.float32)
    row[number] = 1 + number
    x = {"name": "x", "datatype": "FP32", "shape": [1, 256], "data": row.tolist()}
    body, served = json.dumps({"inputs": [x]}), 0
    connection = HTTPConnection("127.0.0.1", server.http, timeout=PATIENCE)
    while not gone.is_set():
        connection.request("POST", "/v2/models/m/infer", body)
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        assert answer["outputs"][0]["data"] == np.roll(row, 200).tolist()
        served += 1
    connection.close()
    return served


@pytest.mark.parametrize(
    ("model", "answer", "reason"),
    [
        pytest.param(
            leaning(), [3.5, 5.5, 9.5, 6.5, 8.5, 12.5], "changes when it shares a run", id="mean"
        ),
        pytest.param(
            identity(shape=[2, 3]),
            [1, 2, 4, 4, 5, 7],
            "first dimension that does not vary",
            id="fixed size",
        ),
    ],
)
def test_a_model_that_mixes_rows_is_served_all_the_same_and_says_so(
    model: onnx.ModelProto, answer: list[float], reason: str, tmp_path: Path
) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 4, 4, 5, 7]}
    with a_server(written(model, tmp_path / "m.onnx")) as server:
        answered = server.infer(x).json["outputs"][0]["data"]
        batching = server.status()["effective"]["batching"]
        config = server.ask("GET", "/v2/models/m/config").json["parameters"]
        seen = server.metrics()
        off = next(event for event in server.events if event["event"] == "batching is off")
    assert answered == answer
    assert (batching["enabled"], batching["maxBatchSize"]) == (False, 1)
    assert reason in batching["reason"]
    assert config["batching_enabled"]["string_value"] == "False"
    assert config["batching_reason"]["string_value"] == off["reason"] == batching["reason"]
    (name,) = [name for name in seen if name.startswith("slipway_batching_enabled")]
    assert batching["reason"] in name.replace("\\", "")
    assert seen[name] == 0


@pytest.mark.parametrize("require", [True, False])
def test_an_execution_provider_that_is_not_there(tmp_path: Path, require: bool) -> None:
    config = settings_file(tmp_path, executionProviders=["CUDA", "CPU"], requireProvider=require)
    path = written(identity(), tmp_path / "m.onnx")
    settle = "no model to serve" if require else "serving"
    with a_server(path, "--config", str(config), settle=settle) as server:
        status = server.status()
    if require:
        assert (status["state"], status["reason"]) == ("Failed", "ProviderUnavailable")
        assert "execution provider CUDA can't be used: this onnxruntime has" in status["message"]
    else:
        assert status["effective"]["executionProvider"] == "CPUExecutionProvider"


def test_a_server_sends_nothing_that_nobody_asked_for(isolated: subprocess.Popen[str]) -> None:
    found = json.loads(isolated.communicate(timeout=60)[0])
    assert found == {"nowhere": 0, "here": 0, "status": 0, "seen": 1}
