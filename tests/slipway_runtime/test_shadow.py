"""Copies of users' requests to another revision: which are made, and what comes of them."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from onnx import helper

from slipway_bench.servers import free_ports
from slipway_runtime.batching import Outcome
from slipway_runtime.checks import Tolerance
from slipway_runtime.datatypes import DATATYPES, Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.protocol import Call
from slipway_runtime.shadow import copies, sender, wanted
from slipway_runtime.shadow.copies import Room, Share
from slipway_runtime.shadow.findings import Finding, Result, Tally, judge
from slipway_runtime.shadow.sender import Sender
from slipway_runtime.tensors import Array
from slipway_runtime.verification import columns
from slipway_runtime.wishes import Wish
from support.grpc_calls import Caller, answered, rows
from support.listener import a_listener
from support.onnx_models import TYPES, a_model, a_tensor, identities, identity, written
from support.runtime_server import Server, a_server, settings_file
from support.waiting import until, within_patience

HURRIED = """
from slipway_runtime.shadow import sender, watch
watch.LOOK_SECONDS = 0.05
sender.PATIENCE_SECONDS, sender.PAUSE_SECONDS = 1.5, 0.1
"""
X = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
EXACT = Tolerance(rtol=0.0, atol=0.0)
LOOSE = Tolerance(rtol=10.0, atol=10.0)
QUICK_SECONDS = 1.0
"""Less than a copy is waited for."""


def floats(values: Any) -> Array:
    return np.array(values, np.float32)


def integers(values: Any) -> Array:
    return np.array(values, np.int64)


def a_file(**changes: Any) -> dict[str, Any]:
    tolerances = {"rtol": 0.001, "atol": 0.0001}
    url = "http://127.0.0.1:1"
    return {
        "schemaVersion": 1, "revision": "b", "url": url, "percent": 100, **tolerances, **changes,
    }  # fmt: skip


def a_wish(**changes: Any) -> wanted.Wanted:
    return wanted.parse(json.dumps(a_file(**changes)).encode())


# Which are chosen, and how many are held.


@pytest.mark.parametrize("percent", [1, 7, 25, 50, 99, 100])
def test_a_share_is_exact_and_even(percent: int) -> None:
    share = Share(percent)
    chosen = [number for number in range(1000) if share.chosen()]
    assert len(chosen) == 10 * percent
    gaps = {after - before for before, after in pairwise(chosen)}
    assert max(gaps) - min(gaps) <= 1


def test_room_is_bounded_by_copies_and_by_bytes_and_comes_back() -> None:
    room = Room(copies=3, size=100)
    assert room.take(60)
    assert not room.take(41)
    assert room.take(40)
    assert room.take(0)
    assert room.full
    room.give_back(60)
    assert room.take(60)
    assert not room.take(0)


def test_a_copy_holds_nothing_of_the_batch_or_body_that_it_was_part_of() -> None:
    batch = np.zeros((64, 1000), np.float32)
    whole = np.zeros(3, np.float32)
    kept = copies.own({"part": batch[3:4], "whole": whole})
    assert kept["part"].base is None
    assert kept["whole"] is whole


def test_strings_are_measured_with_what_they_take_beside_the_array() -> None:
    array = np.array(["x" * 5000, "y"], object)
    assert 5000 < copies.measured([array]) < 6000
    assert copies.measured([np.full(1 << 20, "x", object)]) > copies.MOST_COPY_BYTES


# What is a disagreement.


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance"),
    [
        (floats([1, 2]), floats([1.0005, 2.0005]), Tolerance()),
        (floats([np.nan, np.inf]), floats([np.nan, np.inf]), EXACT),
        (np.array(["ja", "nein"], object), np.array(["ja", "nein"], object), EXACT),
        (np.array(3.5, np.float32), np.array(3.5, np.float32), EXACT),
        (np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64), EXACT),
    ],
)
def test_answers_agree_within_the_tolerance(
    ours: Array, theirs: Array, tolerance: Tolerance
) -> None:
    assert judge({"y": ours}, {"y": theirs, "more": ours}, tolerance).result is Result.AGREED


@pytest.mark.parametrize(
    ("ours", "theirs", "worst"),
    [
        (integers([[1, 2]]), integers([[1, 3]]), ([0, 1], "3", "2")),
        (np.array(["ja"], object), np.array(["Ja"], object), ([0], "'Ja'", "'ja'")),
        (np.array([True]), np.array([False]), ([0], "False", "True")),
        (floats([1]), floats([np.nan]), ([0], "nan", "1")),
        (floats([1, 2]), floats([1]), ([], "FP32 [1]", "FP32 [2]")),
        (floats([[1]]), floats([1]), ([], "FP32 [1]", "FP32 [1, 1]")),
        (floats([1]), np.array([1], np.int32), ([], "INT32 [1]", "FP32 [1]")),
        (floats([1]), None, ([], "no such output", "FP32 [1]")),
    ],
)
def test_only_floats_have_a_tolerance_and_forms_have_none(
    ours: Array, theirs: Array | None, worst: tuple[Any, ...]
) -> None:
    tally = Tally("b")
    tally.add(judge({"y": ours}, {} if theirs is None else {"y": theirs}, LOOSE))
    index, got, expected = worst
    assert tally.describe()["disagreed"] == 1
    assert tally.describe()["worst"] == {
        "output": "y", "index": index, "got": got, "expected": expected,
    }  # fmt: skip


def test_the_worst_of_all_outputs_and_copies_stays() -> None:
    tally = Tally("b")
    for far in ([1.0, 5.0], [0.0, 9.0], [2.0, 0.0]):
        ours = {"a": np.zeros(1), "b": np.zeros(1)}
        tally.add(judge(ours, {"a": np.full(1, far[0]), "b": np.full(1, far[1])}, EXACT))
    assert tally.describe()["worst"]["got"] == "9"
    assert tally.describe()["worst"]["output"] == "b"


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 2},
        {"revision": ""},
        {"percent": 0},
        {"percent": 101},
        {"rtol": -1},
        {"more": 1},
        {"url": "https://b"},
        {"url": "http://user:password@b"},
        {"url": "http://b/path"},
        {"url": "http://b:70000"},
    ],
)
def test_a_file_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(wanted.InvalidFileError):
        a_wish(**change)


# What is sent, in this process.


def a_signature(datatypes: list[Any]) -> Signature:
    return Signature(
        {f"x_{each.name}": TensorSpec(f"x_{each.name}", each, (-1, 3)) for each in datatypes},
        {f"y_{each.name}": TensorSpec(f"y_{each.name}", each, (-1, 3)) for each in datatypes},
    )


FLOAT = a_signature([each for each in DATATYPES if each.name == "FP32"])


class Sending:
    """A sender, and what it tells of its copies."""

    def __init__(self, port: int, signature: Signature = FLOAT) -> None:
        self.found: list[Finding] = []
        wish = a_wish(url=f"http://127.0.0.1:{port}")
        self.sender = Sender(wish, "m", signature, self.found.append)
        self.signature = signature

    def answer(self, outcome: Outcome, **feed: Array) -> None:
        """Have a user's request answered."""
        call = Call(feed, Wish(tuple(self.signature.outputs), ()), "")
        told: list[Outcome] = []
        self.sender.overhear(call, told.append)(outcome)
        assert told == [outcome]

    def one(self, elements: int = 3) -> None:
        x = np.zeros((elements // 3, 3), np.float32)
        self.answer([x], x_FP32=x)

    def of(self, result: Result) -> int:
        return [each.result for each in self.found].count(result)


@asynccontextmanager
async def sending(port: int, signature: Signature = FLOAT) -> AsyncIterator[Sending]:
    each = Sending(port, signature)
    try:
        yield each
    finally:
        each.sender.close()


@pytest.fixture
def silence() -> Iterator[int]:
    """Take connections at this port, and answer nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_what_a_silent_revision_is_sent_stays_within_bounds(silence: int) -> None:
    async with sending(silence) as small, sending(silence) as large:
        for _ in range(100):
            small.one()
        assert small.of(Result.DROPPED) == 100 - sender.MOST_COPIES
        for _ in range(100):
            large.one(copies.MOST_COPY_BYTES // 8)  # 0.5 MiB in, and as much out
        held = 100 - large.of(Result.DROPPED)
        assert held == sender.MOST_BYTES // copies.MOST_COPY_BYTES


async def test_what_is_too_large_is_dropped_though_there_is_room(silence: int) -> None:
    async with sending(silence) as each:
        each.one(copies.MOST_COPY_BYTES // 8 + 3)
        assert each.of(Result.DROPPED) == 1


async def test_errors_of_users_are_not_copied(silence: int) -> None:
    async with sending(silence) as each:
        each.answer(InvalidRequestError("no"), x_FP32=np.zeros((1, 3), np.float32))
        assert not each.found
        assert not each.sender._waiting.qsize()


async def test_room_comes_back_with_each_copy_that_comes_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "PAUSE_SECONDS", 0.001)
    [nobody] = free_ports(1)
    async with sending(nobody) as each:
        for _ in range(3):
            for _ in range(sender.MOST_COPIES):
                each.one()
            await until(lambda: not each.sender._waiting.qsize())
        await until(lambda: each.of(Result.DROPPED) == 3 * sender.MOST_COPIES)
        assert not each.sender._room.full


async def test_a_revision_that_can_not_be_reached_is_left_alone_for_a_while() -> None:
    [nobody] = free_ports(1)
    async with sending(nobody) as each:
        for _ in range(sender.MOST_COPIES):
            each.one()
        await until(lambda: each.of(Result.DROPPED) == sender.AT_ONCE)
        await asyncio.sleep(0.1)
        assert each.of(Result.DROPPED) == sender.AT_ONCE


async def test_connections_that_the_other_side_closes_cost_no_copy() -> None:
    asked = count()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        next(asked)
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")

    async with a_listener(once) as port, sending(port) as each:
        for number in range(1, 9):
            each.one()
            await until(lambda number=number: each.of(Result.FAILED) == number)  # type: ignore[misc]
    assert next(asked) == 8


async def test_copies_of_a_flood_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, sending them must leave the event loop to users."""
    monkeypatch.setattr(copies, "REST_SECONDS", 60.0)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")

    async with a_listener(refuse) as port, sending(port) as each:
        for _ in range(sender.MOST_COPIES):
            each.one()
        await until(lambda: each.of(Result.FAILED) == sender.AT_ONCE)
        await asyncio.sleep(0.1)
        assert each.of(Result.FAILED) == sender.AT_ONCE


async def test_all_types_travel_as_they_are(tmp_path: Path) -> None:
    names = [each.name for each in DATATYPES if each.name != "BYTES"]  # which go not with BF16
    assert {*names, "BYTES"} == set(TYPES)
    for some in (names, ["BYTES", "INT64"]):
        model = written(identities(some), tmp_path / f"{len(some)}.onnx")
        signature = a_signature([each for each in DATATYPES if each.name in some])
        with a_server(model, "--name=m") as twin:
            async with sending(twin.http, signature) as each:
                feed = {name: values(spec) for name, spec in signature.inputs.items()}
                each.answer(list(feed.values()), **feed)
                await until(lambda each=each: each.found)  # type: ignore[misc]
                assert each.of(Result.AGREED) == 1


def test_a_scalar_travels_as_one() -> None:
    scalar = columns.Column(columns.BY_NAME["FP32"], np.array(3.5, np.float32))
    assert scalar.wire().shape == ()


def values(spec: TensorSpec) -> Array:
    if spec.datatype.name == "BYTES":
        return np.array([["", "ä", "x" * 99]], object)
    if spec.datatype.name == "BF16":
        return columns.to_bfloat16(floats([[1.5, -2, np.inf]]))
    return np.array([[0, 1, 1]]).astype(spec.datatype.dtype)


# Real servers.


class Volume:
    """A ConfigMap's files as the kubelet mounts them: all change at once, by a link."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count()
        (directory / "shadow.json").symlink_to(Path("..data", "shadow.json"))

    def write(self, content: str | None) -> None:
        """Bring the file, or with None all that goes with it but the file."""
        fresh = self._directory / f"..{next(self._numbers)}"
        fresh.mkdir()
        if content is not None:
            (fresh / "shadow.json").write_text(content)
        link = self._directory / "..data_tmp"
        link.symlink_to(fresh.name)
        link.rename(self._directory / "..data")


class Shadowing:
    """A server, and the volume that tells it what to do."""

    def __init__(self, server: Server, volume: Volume) -> None:
        self.server = server
        self._volume = volume
        self._revisions = count()

    def begin(self, port: int, **changes: Any) -> str:
        """Shadow a revision that had not been there."""
        revision = f"r{next(self._revisions)}"
        file = a_file(**{"revision": revision, "url": f"http://127.0.0.1:{port}", **changes})
        self._volume.write(json.dumps(file))
        assert within_patience(lambda: (self.status() or {}).get("revision") == revision)
        return revision

    def write(self, content: str | None) -> None:
        self._volume.write(content)

    def status(self) -> Any:
        return self.server.status()["shadow"]

    def counts(self) -> dict[str, int]:
        names = ("agreed", "disagreed", "failed", "dropped")
        return {name: self.status()[name] for name in names if self.status()[name]}

    def ask(self, times: int) -> None:
        """Ask as a user does, whose answers have to be right and quick."""
        for _ in range(times):
            began = time.perf_counter()
            said = self.server.infer(X)
            assert time.perf_counter() - began < QUICK_SECONDS
            assert said.json["outputs"][0]["data"] == [1, 2, 3]


def told(server: Server, event: str) -> int:
    return [each["event"] for each in server.events].count(event)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(identity(), tmp_path_factory.mktemp("model") / "model.onnx")


@contextmanager
def a_shadowing_server(directory: Path, model: Path, hurried: str) -> Iterator[Shadowing]:
    volume = Volume(directory)
    config = str(settings_file(directory))
    with a_server(model, "--config", config, hurried=hurried) as server:
        yield Shadowing(server, volume)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Shadowing]:
    with a_shadowing_server(tmp_path_factory.mktemp("one"), model, HURRIED) as shadowing:
        assert shadowing.status() is None
        yield shadowing


@pytest.fixture
def one(shared: Shadowing) -> Iterator[Shadowing]:
    yield shared
    shared.write(None)


@pytest.fixture(scope="module")
def twin(model: Path) -> Iterator[Server]:
    with a_server(model, "--name=m") as server:
        yield server


@contextmanager
def a_target(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer(self)

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as target:
        Thread(target=target.serve_forever).start()
        try:
            yield target.server_port
        finally:
            target.shutdown()


def the_right_answer() -> bytes:
    size = {"binary_data_size": 12}
    y = {"name": "y", "datatype": "FP32", "shape": [1, 3], "parameters": size}
    return json.dumps({"outputs": [y]}).encode() + floats([1, 2, 3]).tobytes()


RIGHT = the_right_answer()


def answering(status: int, body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("content-length", str(len(body)))
        request.send_header("inference-header-content-length", str(body.rfind(b"}") + 1))
        request.end_headers()
        request.wfile.write(body)

    return answer


def test_a_twin_agrees_over_rest_and_grpc(one: Shadowing, twin: Server) -> None:
    one.begin(twin.http)
    one.ask(3)
    with Caller.at(one.server.grpc) as caller:
        for _ in range(4):
            assert answered(caller.infer(rows()).answers[0]) == [[1, 2, 3]]
    assert within_patience(lambda: one.status()["requests"] == 7)
    assert one.counts() == {"agreed": 7}
    assert one.status()["worst"] is None
    name = 'slipway_shadow_requests_total{model="m",result="agreed"}'
    assert one.server.metrics()[name] >= 7


def test_another_model_disagrees_and_the_worst_element_is_named(
    one: Shadowing, tmp_path: Path
) -> None:
    node = helper.make_node("Mul", ["x", "x"], ["y"])
    ends = [a_tensor(name, "FP32", ["N", 3]) for name in ("x", "y")]
    square = written(a_model([node], ends[:1], ends[1:]), tmp_path / "square.onnx")
    with a_server(square, "--name=m") as other:
        one.begin(other.http)
        one.ask(2)
        assert within_patience(lambda: one.counts() == {"disagreed": 2})
    assert one.status()["worst"] == {
        "output": "y", "index": [0, 2], "got": "9", "expected": "3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, RIGHT, "agreed"),
        (500, RIGHT, "failed"),
        (200, b"{}", "failed"),
        (200, b"\xff" * 9, "failed"),
        (200, RIGHT + b"\0" * sender.MOST_ANSWER_BYTES, "failed"),
    ],
)
def test_a_revision_that_answers_otherwise_fails_and_users_do_not(
    one: Shadowing, status: int, body: bytes, result: str
) -> None:
    with a_target(answering(status, body)) as port:
        one.begin(port)
        one.ask(3)
        assert within_patience(lambda: one.counts() == {result: 3})


def test_nobody_listens_and_users_are_answered(one: Shadowing) -> None:
    one.begin(*free_ports(1))
    one.ask(100)
    assert within_patience(lambda: one.counts() == {"dropped": 100})


def test_a_revision_that_hangs_holds_few_copies_and_no_user(one: Shadowing, silence: int) -> None:
    one.begin(silence)
    one.ask(200)
    assert within_patience(lambda: one.counts().get("failed", 0) >= sender.AT_ONCE)
    assert one.counts()["dropped"] >= 100
    assert "agreed" not in one.counts()


def test_as_many_are_copied_as_the_file_says(one: Shadowing, twin: Server) -> None:
    one.begin(twin.http, percent=25)
    one.ask(100)
    assert within_patience(lambda: one.counts() == {"agreed": 25})


def test_without_the_file_nothing_is_copied_and_the_numbers_stay(
    one: Shadowing, twin: Server
) -> None:
    revision = one.begin(twin.http)
    one.ask(1)
    assert within_patience(lambda: one.counts() == {"agreed": 1})
    ended = told(one.server, "shadowing ended")
    one.write(None)
    assert within_patience(lambda: told(one.server, "shadowing ended") > ended)
    before = twin.status()["requests"]["answered"]
    one.ask(3)
    time.sleep(0.2)
    assert twin.status()["requests"]["answered"] == before
    assert one.counts() == {"agreed": 1}
    one.write(json.dumps(a_file(revision=revision, url=f"http://127.0.0.1:{twin.http}")))
    began = told(one.server, "shadowing")
    assert within_patience(lambda: told(one.server, "shadowing") > began)
    one.ask(1)
    assert within_patience(lambda: one.counts() == {"agreed": 2})


def test_another_revision_begins_at_zero(one: Shadowing, twin: Server) -> None:
    one.begin(twin.http)
    one.ask(2)
    assert within_patience(lambda: one.counts() == {"agreed": 2})
    one.begin(twin.http)
    assert one.counts() == {}


def test_an_invalid_file_is_off_and_told_once(one: Shadowing, twin: Server) -> None:
    one.begin(twin.http)
    event = "shadowing is not possible"
    one.write(json.dumps(a_file(percent=200)))
    assert within_patience(lambda: told(one.server, event))
    asked = twin.status()["requests"]["answered"]
    one.ask(3)
    time.sleep(0.3)
    assert told(one.server, event) == 1
    assert twin.status()["requests"]["answered"] == asked
    assert one.counts() == {}
    [line] = [each for each in one.server.events if each["event"] == event]
    assert "percent" in line["problem"]


SILENT_NAMES = """
import socket, time
right = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    if host == "silent" and not more.get("flags"):
        time.sleep(60)
    return right(host, *rest, **more)
socket.getaddrinfo = getaddrinfo
from slipway_runtime.shadow import watch
watch.LOOK_SECONDS = 0.05
"""


@pytest.mark.parametrize("silent", ["the revision", "the name server"])
def test_copies_under_way_do_not_hold_up_the_end(
    tmp_path: Path, model: Path, silence: int, silent: str
) -> None:
    name = "127.0.0.1" if silent == "the revision" else "silent"
    with a_shadowing_server(tmp_path, model, SILENT_NAMES) as one:
        one.begin(silence, url=f"http://{name}:{silence}")
        one.ask(70)
        assert within_patience(lambda: one.counts().get("dropped"))
        one.server.signal(signal.SIGTERM)
        began = time.perf_counter()
        assert one.server.wait() == 0
        assert time.perf_counter() - began < 2
        one.server.wait_for("shadowing ended")
        one.server.wait_for("draining")
