"""A real server verifies its own answers before it is ready."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.broken import MIXING
from fixtures.model import Model
from fixtures.trained import iris
from support.onnx_models import counting, deep, slow, written
from support.parquet import FLOAT, one, page, saved
from support.runtime_server import Server, a_server, settings_file
from support.verification import a_check, a_dataset, a_verification, golden

FAILED = "no model to serve"
POSITIVE = a_check("Output", output="y", max=None, sum=None)
ROW = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [5, 3, 1, 0]}
START = ("Expected", "Output", "BatchInvariance")


@contextmanager
def verified(
    directory: Path, model: Path, verification: Any, settle: str = "serving", **more: Any
) -> Iterator[Server]:
    config = settings_file(directory, verification=verification, **more.pop("settings", {}))
    log = directory / "termination-log"
    log.touch()
    options = ("--config", str(config), "--termination-log", str(log))
    with a_server(model, *options, settle=settle, **more) as server:
        yield server


def report(server: Server) -> Any:
    return server.ask("GET", "/verification", port=server.admin).json


def refusal(directory: Path, model: Path, verification: Any, **more: Any) -> tuple[str, str]:
    """Start a server that must not get ready; return its reason and message."""
    with verified(directory, model, verification, FAILED, **more) as server:
        ready = server.ask("GET", "/v2/health/ready")
        assert ready.status == 503
        assert server.ask("GET", "/v2/health/live").status == 200
        status = server.status()
        assert (status["state"], status["reason"]) == ("Failed", ready.json["reason"])
        assert status["verification"]["outcome"] == "Failed"
        assert server.ask("POST", "/verification", port=server.admin).status == 409
        assert server.infer(ROW).status == 200  # for whoever looks into it
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    left = json.loads((directory / "termination-log").read_text())
    assert (left["reason"], left["message"]) == (status["reason"], status["message"])
    return status["reason"], status["message"]


@pytest.fixture(scope="module")
def model() -> Model:
    return iris()


def test_a_model_that_answers_rightly_is_ready_with_a_report(tmp_path: Path, model: Model) -> None:
    wanted = a_verification(golden(tmp_path, model), *START, "Metric")
    with verified(tmp_path, model.path, wanted) as server:
        assert server.ask("GET", "/v2/health/ready").status == 200
        said = report(server)
        assert server.status()["verification"] == said
        seen = server.metrics()
    assert {**said, "checks": [], "seconds": 0} == {
        "schemaVersion": 1,
        "suite": "Start",
        "state": "Done",
        "complete": False,
        "outcome": "Passed",
        "rows": 32,
        "errorBound": 3 / 32,
        "seconds": 0,
        "checks": [],
        "continuous": None,
    }
    assert [(each["type"], each["outcome"]) for each in said["checks"]] == [
        (kind, "Passed") for kind in START
    ]
    counted = 'slipway_verification_checks_total{model="m",suite="Start",outcome="Passed"}'
    assert seen[counted] == 3
    assert not any(name.startswith("slipway_verification_wrong") for name in seen)


def test_rows_may_be_parquet(tmp_path: Path, model: Model) -> None:
    path = saved(tmp_path / "golden.parquet", {**model.inputs, **model.expected})
    wanted = a_verification({"name": "golden", "path": str(path)}, *START, "Metric")
    with verified(tmp_path, model.path, wanted) as server:
        said = report(server)
    assert (said["outcome"], said["rows"]) == ("Passed", 32)


def test_a_broken_file_of_rows_leaves_the_server_up(tmp_path: Path, model: Model) -> None:
    huge = page(b"0" * 16, 4, unpacked=(1 << 31) - 1)
    path = one(tmp_path / "golden.parquet", huge, rows=4, kind=FLOAT, codec=6)
    wanted = a_verification({"name": "golden", "path": str(path)}, *START)
    with verified(tmp_path, model.path, wanted, FAILED) as server:
        status = server.status()
        assert status["reason"] == "DatasetInvalid"
        assert "bytes of memory to unpack" in status["message"]
        assert server.infer(ROW).status == 200


def test_a_server_without_verification_has_none(server: Server) -> None:
    assert server.ask("GET", "/verification", port=server.admin).status == 404
    assert server.ask("POST", "/verification", port=server.admin).status == 404
    assert server.status()["verification"] is None


def test_another_models_answers_are_never_served(tmp_path: Path, model: Model) -> None:
    wanted = a_verification(golden(tmp_path, model), *START)
    reason, message = refusal(tmp_path, iris(2).path, wanted)
    assert reason == "VerificationFailed"
    assert message.startswith("check 'expected' (Expected) has failed: probabilities[")
    assert message.endswith("32 of 32 rows differ.")


def test_a_few_rows_are_all_that_there_is_to_ask(tmp_path: Path, model: Model) -> None:
    wanted = a_verification(golden(tmp_path, model, 32), *START)
    with verified(tmp_path, model.path, wanted) as server:
        assert report(server)["complete"]
        again = server.ask("POST", "/verification", port=server.admin)
        assert (again.status, again.json["suite"]) == (200, "Start")


def test_a_server_that_mixes_up_requests_is_found_out(tmp_path: Path, model: Model) -> None:
    wanted = a_verification(golden(tmp_path, model), *START)
    reason, message = refusal(tmp_path, model.path, wanted, hurried=MIXING)
    assert reason == "VerificationFailed"
    assert message.startswith("check 'batchinvariance' (BatchInvariance) has failed: ")


def test_a_short_queue_is_asked_again_until_it_has_room(tmp_path: Path) -> None:
    path = written(deep(1000), tmp_path / "m.onnx")
    x = np.random.default_rng(0).random((20, 256), np.float32)
    wanted = a_verification(a_dataset(tmp_path, x=x), a_check("BatchInvariance", sizes=[1]))
    settings = {"limits": {"maxQueue": 1}, "batching": {"mode": "Disabled"}}
    with verified(tmp_path, path, wanted, settings=settings) as server:
        assert report(server)["outcome"] == "Passed"
        assert server.metrics()['slipway_rejected_total{model="m",reason="QueueFull"}'] > 0


def test_a_server_is_not_ready_before_its_own_questions_are_answered(tmp_path: Path) -> None:
    path = written(slow(400), tmp_path / "m.onnx")
    x = np.ones((256 * 4, 256), np.float32)
    wanted = a_verification(a_dataset(tmp_path, x=x), POSITIVE)
    with verified(tmp_path, path, wanted, settle="data set read") as server:
        ready = server.ask("GET", "/v2/health/ready")
        assert (ready.status, ready.json["reason"]) == (503, "Verifying")
        assert server.ask("GET", "/v2/models/m/ready").status == 503
        assert server.ask("GET", "/started", port=server.admin).status == 200
        assert (server.status()["state"], report(server)["state"]) == ("Verifying", "Running")
        assert server.ask("POST", "/verification", port=server.admin).status == 409
        server.wait_for("serving")
        assert server.ask("GET", "/v2/health/ready").status == 200


def test_a_server_that_is_told_to_end_does_not_verify_to_the_end(tmp_path: Path) -> None:
    path = written(slow(400), tmp_path / "m.onnx")
    x = np.ones((256 * 32, 256), np.float32)
    wanted = a_verification(a_dataset(tmp_path, x=x), POSITIVE)
    with verified(tmp_path, path, wanted, settle="data set read") as server:
        server.signal(signal.SIGTERM)
        began = time.monotonic()
        server.wait_for("draining")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - began < 5


def test_a_model_that_never_answers_is_inconclusive(tmp_path: Path) -> None:
    path = written(counting(), tmp_path / "m.onnx")
    dataset = a_dataset(tmp_path, x=np.array([2**40]))
    wanted = a_verification(dataset, POSITIVE)
    settings = {"limits": {"requestTimeoutSeconds": 0.3}}
    with verified(tmp_path, path, wanted, FAILED, settings=settings) as server:
        status = server.status()
    assert status["reason"] == "VerificationInconclusive"
    assert "row 0 was not answered" in status["message"]


def test_a_data_set_that_comes_late_is_found(tmp_path: Path, model: Model) -> None:
    dataset = golden(tmp_path, model)
    path = Path(dataset["path"])
    content = path.read_bytes()
    path.unlink()
    hurried = "from slipway_runtime.verification import verifier; verifier.AGAIN_SECONDS = 0.1"
    wanted = a_verification(dataset, "Expected")
    with verified(tmp_path, model.path, wanted, FAILED, hurried=hurried) as server:
        assert server.status()["reason"] == "DatasetMissing"
        assert str(path) in server.status()["message"]
        part = path.with_suffix(".part")
        part.write_bytes(content)
        os.rename(part, path)  # noqa: PTH104 - as kubelet does
        server.wait_for("serving")
        assert server.ask("GET", "/v2/health/ready").status == 200
        assert (tmp_path / "termination-log").read_text() == ""
