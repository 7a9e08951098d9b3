"""A server's life, from a real process' start to its end."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures import broken
from support.onnx_models import identity, slow, with_external_data, written
from support.runtime_server import COMMAND, Server, a_server, settings_file

X = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
FAILED = "no model to serve"


def a_long_request() -> tuple[bytes, dict[str, str]]:
    rows = np.ones((256, 256), np.float32)
    size = {"binary_data_size": rows.nbytes}
    x = {"name": "x", "datatype": "FP32", "shape": [256, 256], "parameters": size}
    text = json.dumps({"inputs": [x], "parameters": {"binary_data_output": True}}).encode()
    return text + rows.tobytes(), {"Inference-Header-Content-Length": str(len(text))}


def ask_long(server: Server) -> Any:
    body, headers = a_long_request()
    return server.ask("POST", "/v2/models/m/infer", body, headers)


def zipmap(directory: Path) -> Path:
    from skl2onnx import to_onnx  # noqa: PLC0415 - takes seconds
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    rows = np.array([[0.0], [1.0]], np.float32)
    model = to_onnx(LogisticRegression().fit(rows, [0, 1]), rows, target_opset={"": 17})
    return written(model, directory / "zipmap.onnx")


def outside(directory: Path) -> Path:
    path = with_external_data(directory)
    path.write_bytes(path.read_bytes().replace(b"weights.bin", b"../ghts.bin"))
    return path


def lfs_pointer(directory: Path) -> Path:
    path = directory / "m.onnx"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n")
    return path


@pytest.mark.parametrize(
    ("model", "reason", "message", "hint"),
    [
        pytest.param(
            lambda _: broken.truncated(), "ModelInvalid", "not a complete ONNX", "SHA-256", id="cut"
        ),
        pytest.param(lambda _: broken.not_onnx(), "ModelInvalid", "web page", "Export", id="page"),
        pytest.param(lfs_pointer, "ModelInvalid", "Git LFS pointer", "Export", id="pointer"),
        pytest.param(lambda d: d / "no.onnx", "ModelInvalid", "can't be read", "fetch", id="none"),
        pytest.param(
            lambda d: written(identity(versions=(99, 17)), d / "m.onnx"),
            "ModelTooNew",
            "IR version 99; onnxruntime",
            "or lower",
            id="ir",
        ),
        pytest.param(
            lambda _: broken.opset_too_new(), "ModelTooNew", "opset 99", "or lower", id="opset"
        ),
        pytest.param(
            lambda _: broken.without_external_data(),
            "ExternalDataMissing",
            "no such file",
            "beside the model",
            id="weights",
        ),
        pytest.param(outside, "ModelInvalid", "'../ghts.bin'", "relative path", id="outside"),
        pytest.param(zipmap, "ModelUnsupported", "seq(map(", "zipmap", id="zipmap"),
    ],
)
def test_a_model_that_can_not_be_served_leaves_a_live_server_that_says_why(
    tmp_path: Path, model: Callable[[Path], Path], reason: str, message: str, hint: str
) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    path = model(tmp_path)
    with a_server(path, "--name", "m", "--termination-log", str(log), settle=FAILED) as server:
        assert server.ask("GET", "/v2/health/live").status == 200
        assert server.ask("GET", "/started", port=server.admin).status == 200
        ready = server.ask("GET", "/v2/health/ready")
        status = server.status()
        predicted = server.infer(X)
        assert server.ask("GET", "/v2/models/m/ready").status == 503
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert (ready.status, ready.json["ready"], ready.json["reason"]) == (503, False, reason)
    assert message in ready.json["message"]
    assert (status["state"], status["reason"]) == ("Failed", reason)
    assert message in status["message"]
    assert hint in status["hint"]
    assert predicted.status == 503
    assert message in predicted.json["error"]
    left = json.loads(log.read_text())
    assert (left["reason"], left["message"], left["hint"]) == (
        reason,
        status["message"],
        status["hint"],
    )


def test_another_file_than_the_settings_promise_is_not_served(tmp_path: Path) -> None:
    config = settings_file(tmp_path, model={"sha256": "0" * 64})
    path = written(identity(), tmp_path / "m.onnx")
    with a_server(path, "--config", str(config), settle=FAILED) as server:
        status = server.status()
    assert status["reason"] == "DigestMismatch"
    assert f"expected {'0' * 64}" in status["message"]


def test_settings_of_another_form_are_told_to_whoever_asks(tmp_path: Path) -> None:
    config = settings_file(tmp_path, extra=1)
    path = written(identity(), tmp_path / "m.onnx")
    with a_server(path, "--config", str(config), settle=FAILED) as server:
        assert server.status()["reason"] == "SettingsInvalid"
        assert "unknown field `extra`" in server.ask("GET", "/v2/health/ready").json["message"]


def test_weights_beside_the_model_are_served(tmp_path: Path) -> None:
    row = {"name": "x", "datatype": "FP32", "shape": [1, 512], "data": [1.0] * 512}
    with a_server(with_external_data(tmp_path), "--name", "m") as server:
        assert server.infer(row).json["outputs"][0]["data"] == [2.0] * 512


def test_the_status_of_a_served_model(server: Server) -> None:
    status = server.status()
    ends = {"datatype": "FP32", "shape": [-1, 3]}
    assert status["state"] == "Ready"
    assert (status["reason"], status["message"], status["hint"]) == ("", "", "")
    assert status["bytes"] == len(identity().SerializeToString())
    assert status["model"] == {
        "opset": 17,
        "irVersion": 10,
        "inputs": [{"name": "x", **ends}],
        "outputs": [{"name": "y", **ends}],
    }
    assert status["effective"]["executionProvider"] == "CPUExecutionProvider"
    assert status["effective"]["intraOpNumThreads"] == 1
    assert status["effective"]["workers"] >= 1


def test_metrics_count_what_was_asked(server: Server) -> None:
    def counted() -> tuple[float, float, float]:
        seen = server.metrics()
        return (
            seen.get('slipway_requests_total{model="m",protocol="rest",code="200"}', 0),
            seen.get('slipway_requests_total{model="m",protocol="rest",code="400"}', 0),
            seen['slipway_request_duration_seconds_count{model="m",protocol="rest"}'],
        )

    before = counted()
    for _ in range(3):
        server.infer(X)
    server.infer()
    server.ask("GET", "/v2/health/ready")
    after = counted()
    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 1, 4]
    seen = server.metrics()
    assert seen['slipway_model_ready{model="m"}'] == 1
    assert seen['slipway_queue_depth{model="m"}'] == 0
    assert seen["process_resident_memory_bytes"] > 1e7
    assert any(name.startswith('slipway_model_info{model="m",version="7"') for name in seen)


def test_the_admin_port_has_nothing_else(server: Server) -> None:
    assert server.ask("GET", "/v2", port=server.admin).status == 404
    assert server.ask("POST", "/metrics", port=server.admin).status == 405


def test_without_settings_the_model_has_its_files_name(tmp_path: Path) -> None:
    with a_server(written(identity(), tmp_path / "fraud.onnx")) as server:
        assert server.ask("GET", "/v2/models/fraud").json["versions"] == ["1"]


def test_long_predictions_hold_up_no_probe(tmp_path: Path) -> None:
    config = settings_file(tmp_path, limits={"requestTimeoutSeconds": 60.0})
    path = written(slow(1000), tmp_path / "m.onnx")
    with a_server(path, "--config", str(config)) as server:
        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(ask_long, server) for _ in range(4)]
            waits = []
            while not all(run.done() for run in runs):
                began = time.monotonic()
                assert server.ask("GET", "/v2/health/live").status == 200
                waits.append(time.monotonic() - began)
                time.sleep(0.01)
        assert {run.result().status for run in runs} == {200}
    assert len(waits) > 5
    assert max(waits) < 0.5


def test_a_port_that_is_taken_ends_the_command(tmp_path: Path) -> None:
    path = written(identity(), tmp_path / "m.onnx")
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [*COMMAND, "serve", str(path), "--http", address, "--admin", "127.0.0.1:0"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Address already in use" in json.loads(ended.stderr.splitlines()[-1])["problem"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_without_a_host_every_address_is_served(tmp_path: Path, host: str) -> None:
    path = written(identity(), tmp_path / "m.onnx")
    with a_server(path, "--http", ":0") as server:
        connection = HTTPConnection(host, server.http, timeout=20)
        connection.request("GET", "/v2/health/live")
        assert connection.getresponse().status == 200
        connection.close()


def test_an_answer_in_flight_is_given_before_the_end(tmp_path: Path) -> None:
    with a_server(written(slow(1000), tmp_path / "m.onnx")) as server, ThreadPoolExecutor() as pool:
        run = pool.submit(ask_long, server)
        while not server.metrics()['slipway_in_flight{model="m"}']:
            time.sleep(0.005)
        server.signal(signal.SIGTERM)
        assert run.result().status == 200
        assert run.result().headers["connection"] == "close"
        assert server.wait() == 0


def test_a_draining_server_is_unready_at_once_and_still_answers(tmp_path: Path) -> None:
    config = settings_file(tmp_path, drainSeconds=30.0)
    path = written(identity(), tmp_path / "m.onnx")
    with a_server(path, "--config", str(config)) as server:
        server.signal(signal.SIGTERM)
        server.wait_for("draining")
        ready = server.ask("GET", "/v2/health/ready")
        assert (ready.status, ready.json["reason"]) == (503, "Draining")
        assert server.ask("GET", "/v2/health/live").status == 200
        answer = server.infer(X)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert server.status()["state"] == "Draining"
        server.signal(signal.SIGTERM)
        began = time.monotonic()
        assert server.wait() == 0
        assert time.monotonic() - began < 5


def test_a_server_that_never_served_ends_without_a_drain(tmp_path: Path) -> None:
    config = settings_file(tmp_path, drainSeconds=30.0)
    with a_server(tmp_path / "no.onnx", "--config", str(config), settle=FAILED) as server:
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


class Caller:
    """A client that keeps its connection, and calls until the endpoint is taken from it."""

    def __init__(self, server: Server, gone: threading.Event) -> None:
        self.server = server
        self.gone = gone
        self.statuses: list[int] = []

    def call(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.server.http, timeout=20)
        body = json.dumps({"inputs": [X]})
        while not self.gone.is_set():
            connection.request("POST", "/v2/models/m/infer", body)
            response = connection.getresponse()
            assert json.loads(response.read())["outputs"][0]["data"] == [1, 2, 3]
            self.statuses.append(response.status)
            time.sleep(0.002)
        connection.close()


def test_no_request_is_lost_when_the_server_ends_under_load(tmp_path: Path) -> None:
    config = settings_file(tmp_path, drainSeconds=1.0)
    path = written(identity(), tmp_path / "m.onnx")
    gone = threading.Event()
    with a_server(path, "--config", str(config)) as server, ThreadPoolExecutor() as pool:
        callers = [Caller(server, gone) for _ in range(8)]
        calls = [pool.submit(caller.call) for caller in callers]
        time.sleep(0.5)
        server.signal(signal.SIGTERM)
        while server.ask("GET", "/v2/health/ready").status == 200:
            time.sleep(0.01)
        time.sleep(0.5)  # the time that endpoints take to forget a pod
        served = sum(len(caller.statuses) for caller in callers)
        gone.set()
        for call in calls:
            call.result()  # raises if a connection broke
        assert server.wait() == 0
    assert served > 50
    assert {status for caller in callers for status in caller.statuses} == {200}
