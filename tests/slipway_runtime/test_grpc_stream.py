"""A gRPC call by its frames: what real clients hardly ever do, or can't be made to do."""

import asyncio
import gzip
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from slipway_runtime.errors import Kind, RequestError
from slipway_runtime.grpc.messages import message
from slipway_runtime.grpc.status import Code
from slipway_runtime.grpc.stream import READ_SECONDS
from slipway_runtime.http2 import frames
from slipway_runtime.http2.heads import MOST_BYTES as MOST_HEADER_BYTES
from support.grpc_calls import answered, rows
from support.grpc_peer import INFER, MOST_BYTES, ONE, Model, a_peer, data, framed, head, take
from support.http2_peer import Peer

STREAM = INFER.replace("ModelInfer", "ModelStreamInfer")


def ask(peer: Peer, content: bytes, stream: int = 1, **more: str) -> None:
    peer.send(peer.headers(stream, head(**more)), data(stream, content))


async def until(what: Callable[[], bool]) -> None:
    """Wait for what threads do."""
    for _ in range(1000):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def test_a_call_is_answered() -> None:
    peer = a_peer(Model())
    ask(peer, framed(rows()))
    answer = take(peer)
    assert answer.headers == {":status": "200", "content-type": "application/grpc"}
    assert answered(answer.body[5:]) == [[1, 2, 3]]
    assert answer.trailers == {"grpc-status": "0"}
    assert peer.port.held_bytes == 0


async def test_a_message_may_come_in_any_pieces() -> None:
    peer = a_peer(Model())
    content = framed(rows())
    peer.send(peer.headers(1, head()))
    for byte in content:
        peer.send(frames.frame(frames.DATA, 0, 1, bytes([byte])))
    peer.send(data(1, b""))
    assert answered(take(peer).body[5:]) == [[1, 2, 3]]
    assert peer.port.held_bytes == 0


async def test_a_stream_may_have_its_messages_in_one_frame() -> None:
    peer = a_peer(Model())
    peer.send(peer.headers(1, head(STREAM)), data(1, framed(rows(id="a")) + framed(rows(id="b"))))
    answer = take(peer)
    kind = message("inference.ModelStreamInferResponse")
    size = int.from_bytes(answer.body[1:5], "big")
    both = answer.body[5 : 5 + size], answer.body[10 + size :]
    assert [kind.FromString(each).infer_response.id for each in both] == ["a", "b"]
    assert answer.code == Code.OK


async def test_a_stream_ends_after_its_last_answer() -> None:
    model = Model(at_once=False)
    peer = a_peer(model)
    peer.send(peer.headers(1, head(STREAM)), data(1, framed(rows()) * 2))
    assert not peer.take()
    model.asked[1].done([ONE])
    assert not [f for f in peer.take() if f.flags & frames.END_STREAM]
    assert peer.port.held_bytes > 0
    model.asked[0].done([ONE])
    assert [f for f in peer.take() if f.flags & frames.END_STREAM]
    assert peer.port.held_bytes == 0


async def test_answered_requests_of_an_open_stream_hold_nothing() -> None:
    peer = a_peer(Model())
    peer.send(peer.headers(1, head(STREAM)), data(1, framed(rows()) * 3, last=False))
    assert peer.connection.streams
    assert peer.port.held_bytes == 0


async def test_compressed_messages_of_a_stream_keep_their_order() -> None:
    model = Model(at_once=False)
    peer = a_peer(model)
    sent = [np.full((10 * number, 3), number, np.float32) for number in (3, 1, 2)]
    content = b"".join(framed(gzip.compress(rows(each)), 1) for each in sent)
    peer.send(peer.headers(1, head(STREAM, grpc_encoding="gzip")), data(1, content))
    await until(lambda: len(model.asked) == 3)
    assert [len(job.feed["x"]) for job in model.asked] == [30, 10, 20]
    for job in model.asked:
        job.done([job.feed["x"]])
    assert take(peer).code == Code.OK
    assert peer.port.held_bytes == 0


async def test_a_call_that_is_broken_off_while_it_is_unpacked_is_forgotten() -> None:
    model = Model()
    peer = a_peer(model)
    ask(peer, framed(gzip.compress(rows()), 1), grpc_encoding="gzip")
    peer.send(frames.reset(1, frames.Code.CANCEL))
    await asyncio.sleep(0.1)
    assert not model.asked
    assert peer.port.held_bytes == 0


async def test_a_large_call_that_is_broken_off_while_it_is_read_is_forgotten() -> None:
    model = Model()
    peer = a_peer(model)
    ask(peer, framed(rows(np.zeros((20_000, 3)))))
    peer.send(frames.reset(1, frames.Code.CANCEL))
    await asyncio.sleep(0.2)
    assert not model.asked


async def test_a_large_typed_tensor_is_answered_as_a_small_one() -> None:
    peer = a_peer(Model())
    request = message("inference.ModelInferRequest")(model_name="m")
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[20_000, 3])
    tensor.contents.fp32_contents.extend([0.5] * 60_000)
    peer.send(
        frames.window_update(0, 1 << 20),
        frames.settings({frames.Setting.INITIAL_WINDOW_SIZE: 1 << 20}),
    )
    ask(peer, framed(request.SerializeToString()))
    await until(lambda: not peer.connection.streams)
    answer = message("inference.ModelInferResponse").FromString(take(peer).body[5:])
    assert list(answer.outputs[0].contents.fp32_contents) == [0.5] * 60_000


async def test_a_stream_that_is_broken_off_cancels_all_its_requests() -> None:
    model = Model(at_once=False)
    peer = a_peer(model)
    peer.send(peer.headers(1, head(STREAM)), data(1, framed(rows()) * 3, last=False))
    model.asked[0].done([ONE])
    peer.send(frames.reset(1, frames.Code.CANCEL))
    assert model.cancelled == model.asked[1:]
    model.asked[1].done([ONE])


async def test_a_caller_that_goes_away_cancels_its_request() -> None:
    model = Model(at_once=False)
    peer = a_peer(model)
    ask(peer, framed(rows()))
    peer.lost()
    assert model.cancelled == model.asked
    assert peer.port.held_bytes == 0


async def test_priority_and_time_reach_the_queue() -> None:
    model = Model()
    peer = a_peer(model)
    request = message("inference.ModelInferRequest").FromString(rows())
    request.parameters["priority"].uint64_param = 2
    request.parameters["timeout"].int64_param = 250_000
    content = framed(request.SerializeToString())
    times: list[dict[str, Any]] = [{}, {"grpc_timeout": "100m"}, {"grpc_timeout": "1H"}]
    for number, more in enumerate(times):
        ask(peer, content, 2 * number + 1, **more)
    assert [job.priority for job in model.asked] == [2, 2, 2]
    assert [job.timeout for job in model.asked] == [0.25, pytest.approx(0.1, abs=0.01), 0.25]
    ask(peer, framed(rows()), 7, grpc_timeout="2S")
    ask(peer, framed(rows()), 9)
    assert [job.timeout for job in model.asked[3:]] == [pytest.approx(2.0, abs=0.01), None]


async def test_a_callers_time_runs_while_its_message_is_on_its_way() -> None:
    model = Model()
    peer = a_peer(model)
    message = framed(rows())
    peer.send(peer.headers(1, head(grpc_timeout="1S")), data(1, message[:9], last=False))
    await asyncio.sleep(0.2)
    peer.send(data(1, message[9:]))
    (job,) = model.asked
    assert job.timeout is not None
    assert 0.3 < job.timeout < 0.8
    assert perf_counter() - job.since < 0.1


@pytest.mark.parametrize("text", ["1", "S", "-1S", "123456789n", "1.5S", "1s"])
async def test_a_time_that_is_none_is_refused(text: str) -> None:
    peer = a_peer(Model())
    ask(peer, framed(rows()), grpc_timeout=text)
    answer = take(peer)
    assert answer.code == Code.INVALID_ARGUMENT
    assert f"the header grpc-timeout is '{text}', expected" in answer.message


async def test_an_overload_says_when_to_come_back() -> None:
    peer = a_peer(Model(problem=RequestError(Kind.OVERLOADED, "too much", retry_after=3)))
    ask(peer, framed(rows()))
    answer = take(peer)
    assert answer.code == Code.RESOURCE_EXHAUSTED
    assert answer.headers["grpc-retry-pushback-ms"] == "3000"


async def test_a_defect_is_told_as_such() -> None:
    peer = a_peer(Model(problem=ValueError("defect")))  # type: ignore[arg-type]
    ask(peer, framed(rows()))
    assert take(peer).code == Code.INTERNAL


async def test_unknown_encodings_are_refused_with_those_that_are_known() -> None:
    peer = a_peer(Model())
    ask(peer, framed(b"?", 1), grpc_encoding="br")
    answer = take(peer)
    assert answer.code == Code.UNIMPLEMENTED
    assert answer.headers["grpc-accept-encoding"] == "identity,deflate,gzip"
    assert "'br'" in answer.message


@pytest.mark.parametrize(
    ("content", "more", "code", "expected"),
    [
        pytest.param(framed(b"x", 1), {}, Code.INTERNAL, "no grpc-encoding", id="unnamed"),
        pytest.param(
            framed(b"no", 1), {"grpc_encoding": "gzip"}, Code.INVALID_ARGUMENT, "gzip", id="broken"
        ),
        pytest.param(
            framed(gzip.compress(bytes(MOST_BYTES + 1)), 1),
            {"grpc_encoding": "gzip"},
            Code.RESOURCE_EXHAUSTED,
            "more than 1048576 bytes",
            id="a bomb",
        ),
        pytest.param(framed(rows())[:-1], {}, Code.INVALID_ARGUMENT, "cut short", id="cut"),
        pytest.param(b"\0\0", {}, Code.INVALID_ARGUMENT, "cut short after 2", id="no prefix"),
        pytest.param(b"\0\0\x10\0\x01", {}, Code.RESOURCE_EXHAUSTED, "1048577 bytes", id="large"),
    ],
)
async def test_messages_that_can_not_be_read_are_refused(
    content: bytes, more: Any, code: Code, expected: str
) -> None:
    model = Model()
    peer = a_peer(model)
    ask(peer, content, **more)
    await until(lambda: not peer.connection.streams)
    answer = take(peer)
    assert answer.code == code
    assert expected in answer.message
    assert not model.asked
    assert peer.port.held_bytes == 0
    large = code == Code.RESOURCE_EXHAUSTED
    assert model.plane.metrics.grpc.codes == {200: 0, 413 if large else 400: 1}


async def test_a_large_message_is_refused_before_it_is_there() -> None:
    peer = a_peer(Model())
    peer.send(peer.headers(1, head()), data(1, b"\0\xff\xff\xff\xff", last=False))
    assert take(peer).code == Code.RESOURCE_EXHAUSTED
    assert not peer.connection.streams


async def test_only_so_many_bytes_are_held() -> None:
    model = Model(at_once=False)
    peer = a_peer(model)
    large = framed(rows(np.zeros((80_000, 3))))
    for number in range(4):
        ask(peer, large, 2 * number + 1)
    await until(lambda: len(model.asked) == 4)
    ask(peer, large, 9)
    answer = take(peer, 9)
    assert answer.code == Code.RESOURCE_EXHAUSTED
    assert "holds as many bytes" in answer.message
    assert answer.headers["grpc-retry-pushback-ms"] == "1000"
    for job in model.asked:
        job.done([ONE])
    assert peer.port.held_bytes == 0


async def test_a_message_that_does_not_come_is_given_up() -> None:
    peer = a_peer(Model())
    peer.send(peer.headers(1, head()), data(1, b"\0\0\0\0\x09half", last=False))
    peer.port.tick(READ_SECONDS - 1)
    assert peer.connection.streams
    peer.port.tick(READ_SECONDS + 1)
    assert take(peer).code == Code.DEADLINE_EXCEEDED


async def test_a_stream_may_be_silent_between_messages() -> None:
    peer = a_peer(Model())
    peer.send(peer.headers(1, head(STREAM)), data(1, framed(rows()), last=False))
    peer.port.tick(10 * READ_SECONDS)
    assert peer.connection.streams


async def test_headers_that_are_too_long_are_told_so() -> None:
    peer = a_peer(Model())
    ask(peer, framed(rows()), x_long="v" * MOST_HEADER_BYTES)
    assert (take(peer).code, peer.wire.closed) == (Code.RESOURCE_EXHAUSTED, False)


def curl(**changes: str | None) -> Any:
    headers = {**dict(head()), **{f":{k}" if k == "method" else k: v for k, v in changes.items()}}
    return [(name, value) for name, value in headers.items() if value is not None]


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        pytest.param(curl(method="GET"), "405", "POST", id="GET"),
        pytest.param(
            curl(**{"content-type": "application/json"}), "415", "application/grpc", id="JSON"
        ),
        pytest.param(curl(**{"content-type": None}), "415", "application/grpc", id="nothing"),
        pytest.param(curl(**{"content-type": "application/grpcs"}), "415", "grpc", id="similar"),
        pytest.param(
            curl(**{"content-type": "application/grpc+json"}), "415", "protocol buffers", id="+json"
        ),
    ],
)
async def test_what_is_no_call_is_answered_in_words(
    headers: Any, status: str, expected: str
) -> None:
    peer = a_peer(Model())
    peer.send(peer.headers(1, headers), data(1, b"anything"))
    answer = take(peer)
    assert answer.headers[":status"] == status
    assert expected in answer.body.decode()
    assert "REST has another port" in answer.body.decode()


async def test_an_answer_in_words_that_waits_for_its_reader_is_given_once() -> None:
    peer = a_peer(Model())
    peer.send(frames.frame(frames.SETTINGS, 0, 0, frames.SETTING.pack(4, 5)))
    peer.send(peer.headers(1, curl(method="GET"), flags=0x5))
    before = peer.take(frames.HEADERS, frames.DATA)
    peer.port.tick(READ_SECONDS + 1)
    assert not peer.take(frames.HEADERS, frames.DATA)
    peer.send(frames.window_update(1, 1000))
    after = peer.take(frames.HEADERS, frames.DATA)
    assert [frame.flags & 1 for frame in before + after] == [0, 0, 0, 1]
    text = b"".join(frame.payload for frame in before + after if frame.kind == frames.DATA)
    assert text.endswith(b"REST has another port.\n")
    assert not peer.connection.streams


@pytest.mark.parametrize(
    "kind", ["application/grpc", "application/grpc+proto", "application/grpc;a"]
)
async def test_content_types_of_grpc_are_taken(kind: str) -> None:
    peer = a_peer(Model())
    peer.send(peer.headers(1, curl(**{"content-type": kind})), data(1, framed(rows())))
    assert take(peer).code == Code.OK


async def test_a_retiring_server_ends_streams_once_they_have_their_answers() -> None:
    model = Model(at_once=False)
    peer = a_peer(model)
    peer.send(peer.headers(1, head(STREAM)), data(1, framed(rows()), last=False))
    peer.port.retire()
    assert not peer.take(frames.HEADERS)
    model.asked[0].done([ONE])
    assert take(peer).code == Code.UNAVAILABLE
