"""What others wrote to speak the protocol, against a real server."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio

from support.clients import said_by
from support.onnx_models import arithmetic, identity, written
from support.runtime_server import Server, a_server

ROWS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
LARGE = np.arange(36_000, dtype=np.float32).reshape(-1, 3)


def a_tensor(rows: Any = ROWS, binary: bool = True) -> Any:
    tensor = triton.InferInput("x", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return tensor


def wanted(**form: Any) -> list[Any]:
    return [triton.InferRequestedOutput("y", **form)]


def url(server: Server) -> str:
    return f"127.0.0.1:{server.http}"


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("rows", [ROWS, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("sent", [None, "gzip", "deflate"])
@pytest.mark.parametrize("answered", [None, "gzip", "deflate"])
def test_tritons_client_predicts(
    server: Server, binary: bool, rows: Any, sent: str | None, answered: str | None
) -> None:
    with triton.InferenceServerClient(url(server)) as client:
        answer = client.infer(
            "m",
            [a_tensor(rows, binary)],
            outputs=wanted(binary_data=binary),
            request_id="7",
            priority=1,
            timeout=5_000_000,
            request_compression_algorithm=sent,
            response_compression_algorithm=answered,
        )
    assert answer.get_response()["id"] == "7"
    assert np.array_equal(answer.as_numpy("y"), rows)


async def test_tritons_asynchronous_client_predicts(server: Server) -> None:
    async with triton_aio.InferenceServerClient(url(server)) as client:
        for binary in (True, False):
            for rows in (ROWS, LARGE):
                outputs = wanted(binary_data=binary)
                answer = await client.infer("m", [a_tensor(rows, binary)], outputs=outputs)
                assert np.array_equal(answer.as_numpy("y"), rows)


def test_tritons_client_asks_for_classes(server: Server) -> None:
    with triton.InferenceServerClient(url(server)) as client:
        for binary in (True, False):
            outputs = wanted(binary_data=binary, class_count=2)
            answer = client.infer("m", [a_tensor(binary=binary)], outputs=outputs).as_numpy("y")
            texts = [text.decode() if binary else text for text in answer.ravel()]
            assert answer.shape == (2, 2)
            assert texts == ["3.000000:2", "2.000000:1", "6.000000:2", "5.000000:1"]


def test_tritons_client_asks_about_the_server_and_the_model(server: Server) -> None:
    with triton.InferenceServerClient(url(server)) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("m")
        assert client.is_model_ready("m", "7")
        assert not client.is_model_ready("other")
        assert client.get_server_metadata()["name"] == "slipway"
        assert client.get_model_metadata("m", "7")["inputs"][0]["name"] == "x"
        config = client.get_model_config("m")
        assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 3]}]
        (entry,) = client.get_model_repository_index()
        assert entry == {"name": "m", "version": "7", "state": "READY", "reason": ""}


def test_tritons_client_reads_the_statistics(tmp_path: Path) -> None:
    with (
        a_server(written(identity(), tmp_path / "m.onnx")) as server,
        triton.InferenceServerClient(url(server)) as client,
    ):
        for _ in range(3):
            client.infer("m", [a_tensor()])
        with pytest.raises(triton.InferenceServerException, match="no output 'z'"):
            client.infer("m", [a_tensor()], outputs=[triton.InferRequestedOutput("z")])
        for found in (client.get_inference_statistics(), client.get_inference_statistics("m", "1")):
            (model,) = found["model_stats"]
            counted = {name: each["count"] for name, each in model["inference_stats"].items()}
            assert counted["success"] == counted["queue"] == counted["compute_infer"] == 3
            assert counted["fail"] == 1
            assert model["execution_count"] == 3
            assert model["last_inference"] > 1_600_000_000_000
            assert sum(each["compute_infer"]["count"] for each in model["batch_stats"]) == 3
            assert model["inference_stats"]["compute_infer"]["ns"] > 0


def test_tritons_client_sends_a_tensor_without_json(server: Server) -> None:

    headers = {"Inference-Header-Content-Length": "0"}
    answer = server.ask("POST", "/v2/models/m/infer", ROWS.tobytes(), headers)
    length = int(answer.headers["inference-header-content-length"])
    parsed = triton.InferenceServerClient.parse_response_body(answer.body, header_length=length)
    assert np.array_equal(parsed.as_numpy("y"), ROWS)


def test_kserves_client_predicts_and_asks(server: Server) -> None:
    said = said_by("kserve_rest.py", f"http://{url(server)}", "m")
    prediction = ["m", "7", "y", ROWS.tolist()]
    assert said.pop("json") == said.pop("binary") == prediction
    assert said == {"live": True, "ready": True, "model": True}


def test_several_binary_tensors_go_both_ways_compressed(tmp_path: Path) -> None:
    with a_server(written(arithmetic(), tmp_path / "m.onnx")) as server:
        rows = np.ones(1000, "<f4")
        names = [{"name": n, "datatype": "FP32", "shape": [1000]} for n in ("a", "b")]
        inputs = [each | {"parameters": {"binary_data_size": rows.nbytes}} for each in names]
        text = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        headers = {
            "Content-Encoding": "gzip",
            "Accept-Encoding": "gzip",
            "Inference-Header-Content-Length": str(len(text)),
        }
        body = gzip.compress(text + rows.tobytes() * 2)
        answer = server.ask("POST", "/v2/models/m/infer", body, headers)
    assert answer.headers["content-encoding"] == "gzip"
    plain = gzip.decompress(answer.body)
    length = int(answer.headers["inference-header-content-length"])
    assert len(plain) == length + 2 * rows.nbytes
    assert np.frombuffer(plain[length:], "<f4").tolist() == [2.0] * 1000 + [0.0] * 1000
