"""gRPC against a real server process, with the clients that people use."""

import queue
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from slipway_runtime.grpc.messages import message
from support.grpc_calls import HEALTH, SERVICE, Caller, answered, health, rows
from support.onnx_models import filler, identity, slow, written
from support.runtime_server import Server, a_server, settings_file

ROWS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
LARGE = np.arange(36_000, dtype=np.float32).reshape(-1, 3)
INFER = f"/{SERVICE}/ModelInfer"
STREAM = f"/{SERVICE}/ModelStreamInfer"


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    with Caller.at(server.grpc) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.grpc}") as started:
        yield started


def a_tensor(values: Any = ROWS) -> Any:
    tensor = triton.InferInput("x", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values)
    return tensor


# Triton's clients.


@pytest.mark.parametrize("values", [ROWS, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("sent", [None, "gzip", "deflate"])
def test_tritons_client_predicts(client: Any, values: Any, sent: str | None) -> None:
    answer = client.infer(
        "m",
        [a_tensor(values)],
        model_version="7",
        outputs=[triton.InferRequestedOutput("y")],
        request_id="7",
        priority=1,
        timeout=5_000_000,
        client_timeout=20.0,
        compression_algorithm=sent,
    )
    assert answer.get_response().id == "7"
    assert np.array_equal(answer.as_numpy("y"), values)


async def test_tritons_asynchronous_client_predicts(server: Server) -> None:
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        for values in (ROWS, LARGE, ROWS):
            answer = await client.infer("m", [a_tensor(values)])
            assert np.array_equal(answer.as_numpy("y"), values)


def test_tritons_client_predicts_on_a_stream(client: Any) -> None:
    came: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: came.put(error or result))
    for number in range(50):
        inputs = [a_tensor(ROWS * number)] if number != 20 else []
        client.async_stream_infer("m", inputs, request_id=str(number))
    answers = [came.get(timeout=20) for _ in range(50)]
    client.stop_stream()
    (refused,) = [each for each in answers if isinstance(each, InferenceServerException)]
    assert "the request lacks input 'x' (FP32 [-1, 3])" in str(refused)
    by_id = {each.get_response().id: each for each in answers if each is not refused}
    assert len(by_id) == 49
    assert all(np.array_equal(by_id[str(n)].as_numpy("y"), ROWS * n) for n in range(50) if n != 20)


def test_tritons_client_learns_all_of_the_server(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", "7")
    assert client.get_server_metadata().name == "slipway"
    metadata = client.get_model_metadata("m")
    assert (metadata.platform, list(metadata.versions)) == ("onnxruntime_onnx", ["7"])
    assert list(metadata.inputs[0].shape) == [-1, 3]
    config = client.get_model_config("m").config
    assert (config.max_batch_size, config.backend) == (0, "onnxruntime")
    assert list(config.input[0].dims) == [-1, 3]
    (index,) = client.get_model_repository_index().models
    assert (index.name, index.version, index.state) == ("m", "7", "READY")


def test_statistics_count_what_was_asked(client: Any) -> None:
    def counted() -> tuple[int, int]:
        (model,) = client.get_inference_statistics("m").model_stats
        return model.inference_stats.success.count, model.inference_count

    before = counted()
    client.infer("m", [a_tensor()])
    assert counted() == (before[0] + 1, before[1] + 2)


def test_classes_are_given_as_strings(client: Any) -> None:
    answer = client.infer(
        "m", [a_tensor()], outputs=[triton.InferRequestedOutput("y", class_count=1)]
    )
    assert answer.as_numpy("y").tolist() == [[b"3.000000:2"], [b"6.000000:2"]]


# Typed contents, metadata, health, reflection.


def test_who_sends_typed_contents_gets_such(caller: Caller) -> None:
    request = message("inference.ModelInferRequest")(model_name="m")
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    tensor.contents.fp32_contents.extend([1, 2, 3])
    outcome = caller.infer(request.SerializeToString())
    answer = message("inference.ModelInferResponse").FromString(outcome.answers[0])
    assert list(answer.outputs[0].contents.fp32_contents) == [1, 2, 3]
    assert not answer.raw_output_contents


def test_properties_of_the_model_are_in_its_metadata(caller: Caller, server: Server) -> None:
    properties = caller.ask("ModelMetadata", name="m").properties
    assert properties["digest"] == server.status()["digest"]


def test_health_is_checked_listed_and_watched(caller: Caller) -> None:
    assert caller.health() == caller.health(SERVICE) == "SERVING"
    assert caller.health("no.such.Service") == "NOT_FOUND"
    listed = caller.call(f"/{HEALTH}/List").answers[0]
    statuses = message("grpc.health.v1.HealthListResponse").FromString(listed).statuses
    assert {"", SERVICE, HEALTH} <= set(statuses)
    unknown = message("grpc.health.v1.HealthCheckRequest")(service="x").SerializeToString()
    watched = caller.channel.stream_stream(f"/{HEALTH}/Watch")(iter([unknown]), timeout=20)
    assert health(next(watched)) == "SERVICE_UNKNOWN"
    watched.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_tells_what_can_be_called(caller: Caller, version: str) -> None:
    request = message(f"grpc.reflection.{version}.ServerReflectionRequest")
    asked = [
        request(list_services=""),
        request(file_containing_symbol=f"{SERVICE}.ModelInfer"),
        request(file_by_filename="health.proto"),
        request(file_by_filename="none.proto"),
        request(all_extension_numbers_of_type="inference.ModelInferRequest"),
        request(),
    ]
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    outcome = caller.call(path, [each.SerializeToString() for each in asked])
    kind = message(f"grpc.reflection.{version}.ServerReflectionResponse")
    listed, file, health_file, none, extensions, nothing = map(kind.FromString, outcome.answers)
    names = [service.name for service in listed.list_services_response.service]
    assert {SERVICE, HEALTH, f"grpc.reflection.{version}.ServerReflection"} <= set(names)
    assert b"ModelInferRequest" in file.file_descriptor_response.file_descriptor_proto[0]
    assert b"ServingStatus" in health_file.file_descriptor_response.file_descriptor_proto[0]
    assert none.error_response.error_message == "there is no file 'none.proto' here"
    assert not extensions.all_extension_numbers_response.extension_number
    assert nothing.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert outcome.code == "OK"


# What is refused.


@pytest.mark.parametrize(
    ("content", "code", "expected"),
    [
        pytest.param(b"\xff", "INVALID_ARGUMENT", "1 bytes is no inference.ModelInferReq", id="no"),
        pytest.param(
            rows(model="z"), "NOT_FOUND", "no model 'z' here; this server has 'm'", id="z"
        ),
        pytest.param(
            rows(model_version="8"), "NOT_FOUND", "no version '8' here; it is '7'", id="version"
        ),
        pytest.param(
            rows([[1, 2]]),
            "INVALID_ARGUMENT",
            "input 'x' (FP32 [-1, 3]): the request's shape is [1, 2], the model takes [-1, 3]",
            id="shape",
        ),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    caller: Caller, content: bytes, code: str, expected: str
) -> None:
    outcome = caller.infer(content)
    assert outcome.code == code
    assert expected in outcome.details


def test_a_message_in_another_language_arrives_as_it_was_written(caller: Caller) -> None:
    outcome = caller.infer(rows(model="Bär 100%\n"))
    assert outcome.details == "there is no model 'Bär 100%\\n' here; this server has 'm'"


def test_an_unknown_method_is_unimplemented(caller: Caller) -> None:
    outcome = caller.call(f"/{SERVICE}/RepositoryModelLoad")
    assert (outcome.code, outcome.details) == (
        "UNIMPLEMENTED",
        f"there is no method '/{SERVICE}/RepositoryModelLoad'",
    )


@pytest.mark.parametrize("count", [0, 2])
def test_a_method_for_one_message_takes_neither_none_nor_two(caller: Caller, count: int) -> None:
    outcome = caller.call(INFER, [rows()] * count)
    assert outcome.code == "UNIMPLEMENTED"
    assert "exactly one message" in outcome.details


def test_a_message_that_is_too_large_is_refused(caller: Caller) -> None:
    outcome = caller.infer(rows(np.zeros((100_000, 3))))
    assert outcome.code == "RESOURCE_EXHAUSTED"
    assert "the most is 1048576" in outcome.details


def test_a_message_of_exactly_the_largest_size_is_taken(caller: Caller) -> None:
    zeros = np.zeros((87_000, 3))
    padded = rows(zeros, id="i" * ((1 << 20) - len(rows(zeros)) - 3))
    assert len(padded) == 1 << 20
    assert caller.infer(padded).code == "OK"


def test_a_message_that_inflates_beyond_the_limit_is_refused(caller: Caller) -> None:
    outcome = caller.infer(rows(np.zeros((100_000, 3))), compression=grpc.Compression.Gzip)
    assert outcome.code == "RESOURCE_EXHAUSTED"


def test_metrics_count_grpc_apart(caller: Caller, server: Server) -> None:
    def counted(*labels: str) -> float:
        found = server.metrics().items()
        return sum(
            v
            for k, v in found
            if k.startswith("slipway_requests_total") and all(x in k for x in labels)
        )

    grpc_ok, grpc_bad = ('protocol="grpc"', 'code="200"'), ('protocol="grpc"', 'code="400"')
    before = counted(*grpc_ok), counted(*grpc_bad)
    caller.infer(rows())
    caller.call(STREAM, [rows(), b"\xff"])
    caller.infer(b"\xff")
    assert (counted(*grpc_ok), counted(*grpc_bad)) == (before[0] + 2, before[1] + 2)


# Time.


def a_long_call() -> bytes:
    return rows(np.ones((256, 256)))


def in_flight(server: Server) -> float:
    return server.metrics()['slipway_in_flight{model="m"}']


def wait_until(what: Any) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a model that takes a good while, with one place in the queue."""
    directory: Path = tmp_path_factory.mktemp("slow")
    limits = {"maxQueue": 1, "maxRequestBytes": 8 << 20}
    config = settings_file(directory, limits=limits)
    with a_server(written(slow(400), directory / "m.onnx"), "--config", str(config)) as started:
        yield started


def test_a_call_that_is_broken_off_is_forgotten(slow_server: Server) -> None:
    with Caller.at(slow_server.grpc) as caller:
        started = [
            caller.channel.unary_unary(INFER).future(a_long_call(), timeout=20) for _ in range(3)
        ]
        wait_until(lambda: in_flight(slow_server) == 3)
        for call in started:
            call.cancel()
        wait_until(lambda: in_flight(slow_server) == 0)


def test_the_calls_of_a_client_that_goes_away_are_forgotten(slow_server: Server) -> None:
    with Caller.at(slow_server.grpc) as caller:
        call = caller.channel.unary_unary(INFER).future(a_long_call(), timeout=20)
        wait_until(lambda: in_flight(slow_server) == 1)
        assert not call.done()
    wait_until(lambda: in_flight(slow_server) == 0)


def test_a_call_ends_with_its_callers_time(slow_server: Server) -> None:
    with Caller.at(slow_server.grpc) as caller:
        assert caller.infer(a_long_call(), timeout=0.05).code == "DEADLINE_EXCEEDED"
    wait_until(lambda: in_flight(slow_server) == 0)


def test_a_full_queue_says_when_to_come_back(slow_server: Server) -> None:
    with Caller.at(slow_server.grpc) as caller, ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(lambda _: caller.infer(a_long_call()), range(12)))
    refused = [outcome for outcome in outcomes if outcome.code == "RESOURCE_EXHAUSTED"]
    assert refused
    assert all(int(outcome.trailers["grpc-retry-pushback-ms"]) >= 1000 for outcome in refused)
    assert "OK" in {outcome.code for outcome in outcomes}


# The end.


def test_a_draining_server_is_unready_at_once_and_still_answers(tmp_path: Path) -> None:
    config = settings_file(tmp_path, drainSeconds=30.0)
    path = written(identity(), tmp_path / "m.onnx")
    with a_server(path, "--config", str(config)) as server, Caller.at(server.grpc) as caller:
        empty = message("grpc.health.v1.HealthCheckRequest")().SerializeToString()
        watched = caller.channel.stream_stream(f"/{HEALTH}/Watch")(iter([empty]))
        assert health(next(watched)) == "SERVING"
        server.signal(signal.SIGTERM)
        assert health(next(watched)) == "NOT_SERVING"
        assert caller.health() == "NOT_SERVING"
        assert not caller.ask("ServerReady").ready
        assert caller.ask("ServerLive").live
        assert caller.infer(rows()).code == "OK"
        server.signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as ended:
            next(watched)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert server.wait() == 0


def test_a_model_that_is_not_there_is_unavailable_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    with (
        a_server(path, "--name", "m", settle="no model to serve") as server,
        Caller.at(server.grpc) as caller,
    ):
        assert caller.health() == "NOT_SERVING"
        assert caller.ask("ServerLive").live
        outcome = caller.infer(rows())
    assert outcome.code == "UNAVAILABLE"
    assert "can't predict" in outcome.details


def test_an_answer_in_flight_is_given_before_the_end(tmp_path: Path) -> None:
    path = written(slow(400), tmp_path / "m.onnx")
    with a_server(path) as server, Caller.at(server.grpc) as caller, ThreadPoolExecutor() as pool:
        run = pool.submit(caller.infer, a_long_call())
        stream = pool.submit(caller.call, STREAM, [a_long_call()])
        wait_until(lambda: in_flight(server) == 2)
        server.signal(signal.SIGTERM)
        assert run.result().code == "OK"
        assert len(stream.result().answers) == 1
        assert server.wait() == 0


def test_no_call_is_lost_when_the_server_ends_under_load(tmp_path: Path) -> None:
    config = settings_file(tmp_path, drainSeconds=1.0)
    path = written(identity(), tmp_path / "m.onnx")
    gone = threading.Event()
    served = [0] * 8

    def call_until_gone(number: int, port: int) -> None:
        with Caller.at(port) as caller:
            infer = caller.channel.unary_unary(INFER)
            while not gone.is_set():
                assert answered(infer(rows(), timeout=20)) == [[1, 2, 3]]
                served[number] += 1

    with a_server(path, "--config", str(config)) as server, ThreadPoolExecutor() as pool:
        calls = [pool.submit(call_until_gone, number, server.grpc) for number in range(8)]
        time.sleep(0.5)
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.ask("GET", "/v2/health/ready").status == 503)
        time.sleep(0.5)  # the time that endpoints take to forget a pod
        gone.set()
        for call in calls:
            call.result()  # raises if a call failed
        assert server.wait() == 0
    assert sum(served) > 50


def test_long_answers_wait_for_their_reader(tmp_path: Path) -> None:
    request = message("inference.ModelInferRequest")(model_name="m")
    request.inputs.add(name="x", datatype="INT64", shape=[1])
    request.raw_input_contents.append(np.array([2_000_000], np.int64).tobytes())
    path = written(filler(), tmp_path / "m.onnx")
    with a_server(path) as server, Caller.at(server.grpc, max_receive_message_length=-1) as caller:
        outcome = caller.infer(request.SerializeToString())
    assert outcome.code == "OK"
    assert len(outcome.answers[0]) > 8_000_000
