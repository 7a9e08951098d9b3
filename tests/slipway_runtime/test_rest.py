"""The Open Inference Protocol, asked of a real server."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton

from fixtures.model import Model
from fixtures.published import magika
from fixtures.trained import digits, iris
from slipway_runtime.datatypes import DATATYPES, Datatype
from support.onnx_models import arithmetic, identities, logarithm, lookup, slow, written
from support.runtime_server import Server, a_server, settings_file

X = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [[1, 2, 3], [4, 5, 6]]}


def a_settings(directory: Path, **changes: Any) -> str:
    return str(settings_file(directory, **changes))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/m/ready", {"name": "m", "ready": True}),
        ("/v2/models/m/versions/7/ready", {"name": "m", "ready": True}),
    ],
)
def test_a_serving_server_says_that_it_is_there(server: Server, path: str, expected: Any) -> None:
    answer = server.ask("GET", path)
    assert (answer.status, answer.json) == (200, expected)


def test_the_server_describes_itself(server: Server) -> None:
    described = server.ask("GET", "/v2").json
    assert described["name"] == "slipway"
    assert "binary_tensor_data" in described["extensions"]


@pytest.mark.parametrize("path", ["/v2/models/m", "/v2/models/m/versions/7"])
def test_the_model_is_described(server: Server, path: str) -> None:
    described = server.ask("GET", path).json
    assert described["properties"].pop("digest") == server.status()["digest"]
    assert described == {
        "name": "m",
        "versions": ["7"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
        "properties": {"opset": "17", "ir_version": "10", "producer": ""},
    }


@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/v2/models/m/versions/7/infer"])
def test_a_prediction(server: Server, path: str) -> None:
    answer = server.ask("POST", path, json.dumps({"id": "a", "inputs": [X]}))
    assert answer.status == 200
    data: list[float] = [1, 2, 3, 4, 5, 6]
    assert answer.json == {
        "model_name": "m",
        "model_version": "7",
        "id": "a",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 3], "data": data}],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/other",
        "/v2/models/other/ready",
        "/v2/models/m/versions/8",
        "/v2/models/m/versions/8/ready",
        "/v2/models/m/config/x",
        "/v2/health",
        "/",
        "/v1/models/m",
    ],
)
def test_what_is_not_there_is_not_found(server: Server, path: str) -> None:
    answer = server.ask("GET", path)
    assert answer.status == 404
    assert answer.json["error"]


@pytest.mark.parametrize("path", ["/v2/models/other/infer", "/v2/models/m/versions/8/infer"])
def test_a_prediction_of_another_model_is_not_found(server: Server, path: str) -> None:
    answer = server.ask("POST", path, json.dumps({"inputs": [X]}))
    assert answer.status == 404
    assert "'m'" in answer.json["error"]


def test_other_encodings_are_refused(server: Server) -> None:
    answer = server.ask("POST", "/v2/models/m/infer", b"x", {"Content-Encoding": "br"})
    assert answer.status == 415
    assert "'br'" in answer.json["error"]


@pytest.mark.parametrize("length", ["x", "-1", "", "1" * 30, "99999"])
def test_a_json_length_that_can_not_be_is_refused(server: Server, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    answer = server.ask("POST", "/v2/models/m/infer", b"{}", headers)
    assert answer.status == 400
    assert answer.json["error"]


def a_value(datatype: Datatype) -> Any:
    if datatype.name == "BYTES":
        return np.array([["a", "é", ""]], object)
    dtype = ml_dtypes.bfloat16 if datatype.name == "BF16" else datatype.dtype
    return np.array([[0, 1, 1]], dtype)


@pytest.mark.parametrize(
    ("binary", "mixed"),
    [
        pytest.param(True, "BYTES", id="binary"),
        pytest.param(True, "BF16", id="binary strings"),
        pytest.param(False, "", id="json"),
    ],
)
def test_every_type_is_served_to_a_real_client(binary: bool, mixed: str, tmp_path: Path) -> None:
    """``mixed`` is left out: onnxruntime takes strings and bfloat16 only one without the other."""
    types = {datatype.name: datatype for datatype in DATATYPES if binary or datatype.in_json}
    types.pop(mixed, None)
    model = written(identities(list(types)), tmp_path / "m.onnx")
    tensors = []
    for name, datatype in types.items():
        tensors.append(triton.InferInput(f"x_{name}", [1, 3], name))
        tensors[-1].set_data_from_numpy(a_value(datatype), binary_data=binary)
    wanted = [triton.InferRequestedOutput(f"y_{name}", binary_data=binary) for name in types]
    with (
        a_server(model) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.http}") as client,
    ):
        answer = client.infer("m", tensors, outputs=wanted)
        for name, datatype in types.items():
            got = answer.as_numpy(f"y_{name}")
            if name == "BYTES" and binary:
                got = np.array([[text.decode() for text in got.ravel()]], object)
            assert got.dtype == a_value(datatype).dtype, name
            assert got.tolist() == a_value(datatype).tolist(), name


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    with a_server(written(arithmetic(), tmp_path / "m.onnx")) as server:
        a = {"name": "a", "datatype": "FP32", "shape": [2], "data": [3, 4]}
        b = {"name": "b", "datatype": "FP32", "shape": [2], "data": [1, 1]}
        outputs = server.infer(b, a).json["outputs"]
        assert {o["name"]: o["data"] for o in outputs} == {"sum": [4, 5], "difference": [2, 3]}
        (only,) = server.infer(b, a, outputs=[{"name": "difference"}]).json["outputs"]
        assert only["data"] == [2, 3]


def test_infinity_is_refused_in_json_and_given_in_binary(tmp_path: Path) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [1], "data": [0]}
    with a_server(written(logarithm(), tmp_path / "m.onnx")) as server:
        refused = server.infer(x)
        assert refused.status == 400
        assert "NaN or infinity" in refused.json["error"]
        given = server.infer(x, parameters={"binary_data_output": True})
        length = int(given.headers["inference-header-content-length"])
        assert given.headers["content-type"] == "application/octet-stream"
        assert np.frombuffer(given.body[length:], np.float32) == -np.inf


def test_an_input_that_the_model_can_not_work_with_is_the_callers_fault(tmp_path: Path) -> None:
    with a_server(written(lookup(), tmp_path / "m.onnx")) as server:
        answer = server.infer({"name": "x", "datatype": "INT64", "shape": [1], "data": [7]})
    assert answer.status == 400
    assert "can't work with this input" in answer.json["error"]


@pytest.mark.parametrize("make", [iris, digits, magika], ids=lambda make: make.__name__)
def test_real_models_answer_as_their_makers_do(make: Callable[[], Model]) -> None:
    model = make()
    with (
        a_server(model.path) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.http}") as client,
    ):
        name = model.path.stem
        (spec,) = client.get_model_metadata(name)["inputs"]
        (rows,) = model.ask(0, 1, 2).values()
        tensor = triton.InferInput(spec["name"], list(rows.shape), spec["datatype"])
        tensor.set_data_from_numpy(rows)
        answer = client.infer(name, [tensor])
        outputs = {o["name"]: answer.as_numpy(o["name"]) for o in answer.get_response()["outputs"]}
    assert model.wrong(outputs, 0, 1, 2) == []


def test_more_than_may_wait_is_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    model = written(slow(300), tmp_path / "m.onnx")
    config = a_settings(tmp_path, limits={"maxQueue": 1})
    with a_server(model, "--config", config) as server:
        statuses, answers = flood(server, 12)
        counted = server.metrics()
    assert set(statuses) == {200, 503}
    refused = next(answer for answer in answers if answer.status == 503)
    assert int(refused.headers["retry-after"]) >= 1
    assert "requests wait already" in refused.json["error"]
    assert counted[
        'slipway_requests_total{model="m",protocol="rest",code="503"}'
    ] == statuses.count(503)
    assert counted['slipway_rejected_total{model="m",reason="QueueFull"}'] == statuses.count(503)


def test_what_takes_longer_than_a_request_may_is_answered_with_504(tmp_path: Path) -> None:
    model = written(slow(3000), tmp_path / "m.onnx")
    config = a_settings(tmp_path, limits={"requestTimeoutSeconds": 0.05})
    with a_server(model, "--config", config) as server:
        (answer,) = flood(server, 1)[1]
        assert server.ask("GET", "/v2/health/live").status == 200
    assert answer.status == 504
    assert "0.05 s" in answer.json["error"]


def flood(server: Server, count: int) -> tuple[list[int], list[Any]]:
    rows = np.ones((256, 256), np.float32)
    size = {"binary_data_size": rows.nbytes}
    header = {"name": "x", "datatype": "FP32", "shape": [256, 256], "parameters": size}
    text = json.dumps({"inputs": [header], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}

    def ask(_: int) -> Any:
        return server.ask("POST", "/v2/models/m/infer", text + rows.tobytes(), headers)

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(ask, range(count)))
    return [answer.status for answer in answers], answers
