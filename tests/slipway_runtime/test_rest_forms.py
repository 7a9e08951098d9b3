"""The forms that a request may have besides plain JSON: compressed, raw, large, with a deadline."""

import gzip
import json
import socket
import time
import zlib
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.onnx_models import slow, total, written
from support.runtime_server import Answered, Server, a_server, settings_file
from support.waiting import until

INFER = "/v2/models/m/infer"
X = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
BODY = json.dumps({"inputs": [X]}).encode()
ROWS = np.ones((256, 256), np.float32)


def ask(server: Server, body: bytes, **headers: str) -> Answered:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.ask("POST", INFER, body, named)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(BODY), id="gzip"),
        pytest.param("DEFLATE", zlib.compress(BODY), id="deflate"),
        pytest.param("identity", BODY, id="identity"),
    ],
)
def test_a_compressed_body_is_read(server: Server, encoding: str, body: bytes) -> None:
    answer = ask(server, body, Content_Encoding=encoding)
    assert (answer.status, answer.json["outputs"][0]["data"]) == (200, [1, 2, 3])


@pytest.mark.parametrize(
    ("encoding", "body", "status", "expected"),
    [
        pytest.param("gzip", BODY, 400, "not what its Content-Encoding says", id="not compressed"),
        pytest.param("gzip", gzip.compress(BODY)[:-4], 400, "cut short", id="cut short"),
        pytest.param("gzip", gzip.compress(bytes(8 << 20)), 413, "than 1048576 bytes", id="a bomb"),
        pytest.param("br", BODY, 415, "'br'", id="another one"),
        pytest.param("gzip, gzip", BODY, 415, "one of them at a time", id="twice"),
    ],
)
def test_a_body_that_can_not_be_inflated_is_refused(
    server: Server, encoding: str, body: bytes, status: int, expected: str
) -> None:
    answer = ask(server, body, Content_Encoding=encoding)
    assert answer.status == status
    assert expected in answer.json["error"]
    assert ask(server, BODY).status == 200


def test_an_answer_is_compressed_for_who_accepts_it(server: Server) -> None:
    data = [0.5] * 3000
    body = json.dumps({"inputs": [X | {"shape": [1000, 3], "data": data}]}).encode()
    plain = ask(server, body)
    assert "content-encoding" not in plain.headers
    packed = ask(server, body, Accept_Encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    small = ask(server, BODY, Accept_Encoding="gzip")
    assert "content-encoding" not in small.headers


def test_errors_and_descriptions_are_never_compressed(server: Server) -> None:
    """Triton's client takes these as they come, although it accepts gzip."""
    many = [{"name": f"n{number}"} for number in range(1000)]
    body = json.dumps({"inputs": [X], "outputs": many}).encode()
    for answer in (
        ask(server, body, Accept_Encoding="gzip"),
        server.ask("GET", "/v2/openapi.json", headers={"Accept-Encoding": "gzip"}),
    ):
        assert "content-encoding" not in answer.headers
        assert answer.json


def test_a_body_without_json_is_the_input(server: Server) -> None:
    rows = np.arange(6, dtype="<f4").reshape(2, 3)
    answer = ask(server, rows.tobytes(), Inference_Header_Content_Length="0")
    length = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.body[:length])["outputs"]
    assert output["shape"] == [2, 3]
    assert answer.body[length:] == rows.tobytes()
    refused = ask(server, bytes(13), Inference_Header_Content_Length="0")
    assert refused.status == 400
    assert "'x' (FP32 [-1, 3]): 13 bytes came" in refused.json["error"]


def test_others_are_answered_while_a_large_body_is_read(tmp_path: Path) -> None:
    """The large answer comes after the small one, although its request came before."""
    model = written(total(), tmp_path / "m.onnx")
    text = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[2000000,1],"data":['
    body = text + b",".join([b"0.123456789"] * 2_000_000) + b"]}]}"
    head = f"POST {INFER} HTTP/1.1\r\nHost: s\r\nContent-Length: {len(body)}\r\n\r\n"
    with (
        a_server(model) as server,
        socket.create_connection(("127.0.0.1", server.http), timeout=60) as connection,
    ):
        connection.sendall(head.encode() + body[:-1])
        time.sleep(0.3)  # so that nothing but the last byte has still to be taken
        connection.sendall(body[-1:])
        time.sleep(0.01)
        assert server.ask("GET", "/v2/health/live").status == 200
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.setblocking(True)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("headers", "parameters"),
    [
        ({"X_Request_Timeout_Ms": "20"}, {}),
        ({"X_Envoy_Expected_Rq_Timeout_Ms": "20", "X_Request_Timeout_Ms": "60000"}, {}),
        ({}, {"timeout": 20_000}),
        ({"X_Request_Timeout_Ms": "20"}, {"timeout": 60_000_000}),
    ],
)
def test_a_caller_may_have_less_time_than_the_server_gives(
    slow_server: Server, headers: dict[str, str], parameters: dict[str, Any]
) -> None:
    answer = ask(slow_server, slow_body(parameters=parameters), **headers)
    assert answer.status == 504
    assert "0.02 s" in answer.json["error"]


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "9" * 30])
def test_a_time_that_is_none_is_refused(server: Server, value: str) -> None:
    answer = ask(server, BODY, X_Request_Timeout_Ms=value)
    assert answer.status == 400
    assert "X-Request-Timeout-Ms is" in answer.json["error"]


def test_no_time_given_is_the_servers(server: Server) -> None:
    assert ask(server, BODY, X_Request_Timeout_Ms="0").status == 200


def test_of_two_times_one_of_which_is_none_the_other_counts(server: Server) -> None:
    times = {"X_Request_Timeout_Ms": "0", "X_Envoy_Expected_Rq_Timeout_Ms": "5000"}
    assert ask(server, BODY, **times).status == 200


async def test_work_for_a_client_that_went_away_is_dropped(slow_server: Server) -> None:
    text = slow_body()
    head = f"POST {INFER} HTTP/1.1\r\nHost: s\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    before = slow_server.metrics()
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", slow_server.http), timeout=60) as connection:
            connection.sendall(head + text)
    name = 'slipway_rejected_total{model="m",reason="Cancelled"}'
    await until(lambda: slow_server.metrics().get(name, 0) > before.get(name, 0))


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("slow")
    config = settings_file(directory, limits={"maxRequestBytes": 4 << 20})
    with a_server(written(slow(300), directory / "m.onnx"), "--config", str(config)) as started:
        yield started


def slow_body(**rest: Any) -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [256, 256], "data": ROWS.ravel().tolist()}
    return json.dumps({"inputs": [tensor], **rest}).encode()


def changed(**changes: Any) -> bytes:
    return json.dumps({"inputs": [X | changes]}).encode()


MALFORMED = {
    "no JSON": (b"nonsense", "is not JSON"),
    "no text": (b"\xff\xfe", "is not JSON"),
    "half": (BODY[:-5], "is not JSON"),
    "more after it": (BODY + b"x", "is not JSON"),
    "NaN": (BODY.replace(b"[1, 2, 3]", b"[1, NaN, 3]"), "is not JSON"),
    "infinity": (BODY.replace(b"[1, 2, 3]", b"[1, Infinity, 3]"), "is not JSON"),
    "beyond a double": (BODY.replace(b"[1, 2, 3]", b"[1, 1e400, 3]"), "out of range"),
    "a long number": (BODY.replace(b"[1, 2, 3]", b"[%b]" % (b"9" * 9000)), "'x'"),
    "a long size": (BODY.replace(b"[1, 3]", b"[%b, 3]" % (b"9" * 9000)), "shape"),
    "nested too deep": (b'{"x":' * 5000, "nested too deep"),
    "brackets without end": (b'{"inputs":[{"data":' + b"[" * 60_000, "nested too deep"),
    "a list": (b"[]", "got `array`"),
    "no inputs": (b"{}", "missing required field `inputs`"),
    "another name": (changed(name="z"), "no input 'z'; it takes 'x' (FP32 [-1, 3])"),
    "a long name": (changed(name="z" * 10**5), "no input 'zzz"),
    "a name that is no text": (BODY.replace(b'"x"', b'"\xff"'), "utf-8"),
    "half a surrogate": (BODY.replace(b'"x"', b'"\\ud800"'), "JSON"),
    "another type": (changed(datatype="FP64"), "'x' (FP32 [-1, 3]): the request's datatype is"),
    "a type that is none": (changed(datatype="FLOAT"), "'FLOAT', the model takes FP32"),
    "another shape": (changed(shape=[3]), "shape is [3], the model takes [-1, 3]"),
    "a negative size": (changed(shape=[-1, 3]), "negative dimension"),
    "an overflowing shape": (changed(shape=[2**62, 3]), "takes 13835058055282163712"),
    "a fraction as a size": (changed(shape=[1.5, 3]), "got `float`"),
    "too few": (changed(data=[1, 2]), "'x' (FP32 [-1, 3]): data has 2 elements"),
    "too many": (changed(data=[1, 2, 3, 4]), "data has 4 elements"),
    "ragged": (changed(shape=[2, 3], data=[[1, 2, 3], [4]]), "differ in length"),
    "transposed": (changed(shape=[2, 3], data=[[1, 2], [3, 4], [5, 6]]), "in shape [3, 2]"),
    "half nested": (changed(shape=[1, 3], data=[1, [2, 3]]), "Expected `float`, got `array`"),
    "text for a number": (changed(data=["1", 2, 3]), "Expected `float`, got `str`"),
    "null": (changed(data=[None, 2, 3]), "got `null`"),
    "no data": (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3]}]}', "neither data nor"),
    "an input twice": (json.dumps({"inputs": [X, X]}).encode(), "'x' (FP32 [-1, 3]) came twice"),
    "a parameter that is a list": (changed(parameters={"a": []}), "parameters"),
    "an identity that is no text": (BODY[:-1] + b',"id":7}', "got `int` - at `$.id`"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_body_is_answered_in_words_and_the_next_request_works(
    server: Server, case: str
) -> None:
    body, expected = MALFORMED[case]
    with closing(HTTPConnection("127.0.0.1", server.http, timeout=20)) as connection:
        connection.request("POST", INFER, body)
        answer = Answered.read(connection.getresponse())
        assert answer.status == 400
        assert expected in answer.json["error"]
        assert len(answer.body) < 1000
        connection.request("POST", INFER, BODY)
        assert Answered.read(connection.getresponse()).status == 200
