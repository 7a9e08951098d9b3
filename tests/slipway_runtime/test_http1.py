"""What a client meets that does not behave: bytes on a socket of a real server."""

import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.runtime_server import Server

BODY = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
).encode()
INFER = b"/v2/models/m/infer"
CHUNKED = b"POST %b HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: %%b\r\n\r\n" % INFER
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: s\r\n\r\n"


def post(body: bytes = BODY, *headers: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [b"POST %b HTTP/1.1" % INFER, b"Host: s", b"Content-Length: %d" % size, *headers]
    return b"\r\n".join([*lines, b"", body])


class Wire:
    """A connection on which answers are read one by one."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = b""

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer, interim ones left out."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(status.split()[1]), headers, body

    def ended(self) -> bool:
        """Wait until the server has closed, cleanly."""
        return self.socket.recv(1) == b""

    def silent(self) -> bool:
        return not self._buffer and not select.select([self.socket], [], [], 0.1)[0]

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        assert piece, f"the server closed after {self._buffer!r}"
        self._buffer += piece


@contextmanager
def a_wire(server: Server) -> Iterator[Wire]:
    with socket.create_connection(("127.0.0.1", server.http), timeout=20) as connection:
        yield Wire(connection)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with a_wire(server) as opened:
        yield opened


def error_of(body: bytes) -> str:
    return str(json.loads(body)["error"])


def test_a_connection_serves_many_requests(wire: Wire) -> None:
    for _ in range(3):
        wire.send(post())
        status, headers, _ = wire.answer()
        assert status == 200
        assert "connection" not in headers


def test_a_head_that_came_before_is_taken_with_every_body_and_cut(wire: Wire) -> None:
    """What begins as a request before it takes a shorter path: it must make no difference."""
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    other = BODY.replace(b"1, 2, 3", b"4, 5, 6")
    whole = post() + post(other)
    for cut in (len(whole), 5, len(post()) - len(BODY), len(post()) - 1, len(post()), -1):
        wire.send(whole[:cut])
        time.sleep(0.01)
        wire.send(whole[cut:] if cut < len(whole) else b"")
        for expected in ([1, 2, 3], [4, 5, 6]):
            status, _, body = wire.answer()
            assert status == 200
            assert json.loads(body)["outputs"][0]["data"] == expected


def test_a_head_that_came_before_takes_the_same_refusals(wire: Wire) -> None:
    bad = BODY.replace(b"FP32", b"FP64")
    for _ in range(3):
        wire.send(post() + post(bad))
        assert wire.answer()[0] == 200
        status, _, body = wire.answer()
        assert status == 400
        assert "'FP64'" in error_of(body)


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    ids = [f"{number}" for number in range(50)]
    requests = [post(BODY[:-1] + b', "id": "%b"}' % name.encode()) for name in ids]
    wire.send(b"".join(requests))
    answers = [json.loads(wire.answer()[2])["id"] for _ in ids]
    assert answers == ids


def test_a_request_may_come_byte_by_byte(wire: Wire) -> None:
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in post():
        wire.send(bytes([byte]))
    assert wire.answer()[0] == 200


def test_a_chunked_body_is_read(wire: Wire) -> None:
    wire.send(b"POST %b HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n" % INFER)
    for start in range(0, len(BODY), 10):
        piece = BODY[start : start + 10]
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    wire.send(b"0\r\n\r\n")
    assert wire.answer()[0] == 200


def test_headers_behind_a_chunked_body_change_nothing(wire: Wire) -> None:
    trailers = b"Inference-Header-Content-Length: 1\r\nContent-Encoding: br\r\nHost: t\r\n"
    chunk = b"%x;ext=1\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    wire.send(CHUNKED % b"chunked" + chunk + trailers + b"\r\n")
    assert wire.answer()[0] == 200
    wire.send(post())
    assert wire.answer()[0] == 200


def test_a_header_that_comes_twice_is_one_list(wire: Wire) -> None:
    wire.send(post(BODY, b"Content-Encoding: gzip", b"Content-Encoding: gzip"))
    status, _, body = wire.answer()
    assert status == 415
    assert "'gzip, gzip'" in error_of(body)
    name = b"Inference-Header-Content-Length: %d"
    wire.send(post(BODY, name % len(BODY), name % 1))
    status, _, body = wire.answer()
    assert status == 400
    assert "Inference-Header-Content-Length is" in error_of(body)


def test_a_bad_request_leaves_the_connection_usable(wire: Wire) -> None:
    for request, expected in [
        (post(b"{"), 400),
        (post(b""), 400),
        (post(BODY, b"Content-Encoding: br"), 415),
        (b"GET /nothing HTTP/1.1\r\nHost: s\r\n\r\n", 404),
        (b"DELETE /v2 HTTP/1.1\r\nHost: s\r\n\r\n", 405),
        (b"GET %b HTTP/1.1\r\nHost: s\r\n\r\n" % INFER, 405),
        (post(), 200),
    ]:
        wire.send(request)
        status, headers, body = wire.answer()
        assert status == expected
        assert headers["content-type"] == "application/json"
        assert "connection" not in headers
        assert status == 200 or error_of(body)


def test_a_method_that_is_not_allowed_is_told_which_one_is(wire: Wire) -> None:
    wire.send(b"GET %b HTTP/1.1\r\nHost: s\r\n\r\n" % INFER)
    assert wire.answer()[1]["allow"] == "post"
    wire.send(b"POST /v2 HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\n\r\n")
    assert wire.answer()[1]["allow"] == "get, head"


def test_head_gives_the_head_of_get(wire: Wire) -> None:
    wire.send(b"HEAD /v2 HTTP/1.1\r\nHost: s\r\n\r\n")
    head = wire.socket.recv(65536)
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")
    wire.send(LIVE)
    assert wire.answer()[2] == b'{"live":true}'


def test_who_expects_it_is_told_to_continue(wire: Wire) -> None:
    head, _, body = post(BODY, b"Expect: 100-continue").partition(b"\r\n\r\n")
    wire.send(head + b"\r\n\r\n")
    assert wire.socket.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(body)
    assert wire.answer()[0] == 200


def test_who_expects_to_send_too_much_is_told_before(wire: Wire) -> None:
    wire.send(post(b"", b"Expect: 100-continue", length=1 << 30))
    status, headers, body = wire.answer()
    assert (status, headers["connection"]) == (413, "close")
    assert error_of(body) == f"the body has {1 << 30} bytes, the most is {1 << 20}"


def test_a_body_that_is_too_large_is_refused_to_a_client_that_writes_first(wire: Wire) -> None:
    wire.send(post(bytes(8 << 20)))
    assert wire.answer()[0] == 413
    assert wire.ended()


def test_a_chunked_body_that_grows_too_large_is_refused(wire: Wire) -> None:
    wire.send(b"POST %b HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n" % INFER)
    for _ in range(40):
        wire.send(b"%x\r\n%b\r\n" % (1 << 16, bytes(1 << 16)))
    status, _, body = wire.answer()
    assert status == 413
    assert "the most is" in error_of(body)


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2"),
        pytest.param(b"GET /v2 HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(post(b"", length=-1), 400, id="a negative length"),
        pytest.param(
            post(BODY, b"Transfer-Encoding: chunked"), 400, id="a length and chunks: smuggling"
        ),
        pytest.param(post(BODY, b"Content-Length: 3"), 400, id="two lengths"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            id="a chunk of no size",
        ),
        pytest.param(b"GET /%b HTTP/1.1\r\nHost: s\r\n\r\n" % (b"a" * 9000), 414, id="target"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: s\r\n" + b"X-A: b\r\n" * 9000 + b"\r\n", 431, id="headers"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: s\r\nX: " + b"a" * 90_000, 431, id="one header"),
        pytest.param(post(BODY, b"Expect: a-pony"), 417, id="an expectation"),
        pytest.param(post(BODY, b"Host: t"), 400, id="two hosts"),
        pytest.param(post(BODY, b"Content-Length: %d" % len(BODY)), 400, id="one length twice"),
        pytest.param(post(BODY).replace(b"Length: ", b"Length: +"), 400, id="a signed length"),
        pytest.param(post(BODY).replace(b"Length: ", b"Length: 0x"), 400, id="a hex length"),
        pytest.param(post(BODY).replace(b"Length: ", b"Length: 7, "), 400, id="a list of lengths"),
        pytest.param(
            post(BODY).replace(b"Length:", b"Length :"), 400, id="a space before the colon"
        ),
        pytest.param(post(b"", length=10**30), 400, id="an overflowing length"),
        pytest.param(post(BODY, b"X: a\r\n b"), 400, id="a folded line"),
        pytest.param(post(BODY, b"X: a\nY: b"), 400, id="a line feed alone"),
        pytest.param(post(BODY, b"X: a\rY: b"), 400, id="a carriage return alone"),
        pytest.param(post(BODY, b"X: a\0b"), 400, id="a zero byte"),
        pytest.param(post(BODY, b": x"), 400, id="a header without a name"),
        pytest.param(b"GET /v2\nHost: s\n\n", 400, id="line feeds only"),
        pytest.param(b"GET /v2 HTTP/2.0\r\nHost: s\r\n\r\n", 400, id="a later version"),
        pytest.param(b"GET /v2 HTTP/0.9\r\n\r\n", 400, id="an earlier version"),
        pytest.param(b"get /v2 HTTP/1.1\r\nHost: s\r\n\r\n", 400, id="a method in small letters"),
        pytest.param(CHUNKED % b"gzip, chunked", 400, id="compressed in transfer"),
        pytest.param(CHUNKED % b"identity", 400, id="an unknown transfer coding"),
        pytest.param(CHUNKED % b"chunked\r\nTransfer-Encoding: chunked", 400, id="chunks twice"),
        pytest.param(CHUNKED % b"chunked\r\nContent-Length: 3", 400, id="chunks and a length"),
        pytest.param(CHUNKED.replace(b"1.1", b"1.0") % b"chunked", 400, id="chunks in HTTP/1.0"),
        pytest.param(CHUNKED % b"chunked" + b"-3\r\nabc\r\n", 400, id="a negative chunk"),
        pytest.param(CHUNKED % b"chunked" + b"f" * 17 + b"\r\n", 400, id="an overflowing chunk"),
        pytest.param(CHUNKED % b"chunked" + b"3\r\nabcd\r\n", 400, id="a chunk that overruns"),
        pytest.param(CHUNKED % b"chunked" + b"3\nabc\n0\n\n", 400, id="chunks with line feeds"),
        pytest.param(
            CHUNKED % b"chunked" + b'3;a="\r\n"\r\nabc\r\n',
            400,
            id="a chunk extension with a break",
        ),
        pytest.param(
            CHUNKED % b"chunked" + b"3;" + b"a" * 100_000, 431, id="an endless chunk extension"
        ),
        pytest.param(
            CHUNKED % b"chunked" + b"0\r\n" + b"X: a\r\n" * 20_000, 431, id="endless trailers"
        ),
    ],
)
def test_what_is_no_request_is_answered_and_the_connection_ends(
    wire: Wire, request_bytes: bytes, expected: int
) -> None:
    wire.send(request_bytes)
    status, headers, body = wire.answer()
    assert status == expected
    assert headers["connection"] == "close"
    assert error_of(body)
    assert wire.ended()


def test_a_refusal_waits_for_the_answers_before_it(wire: Wire) -> None:
    wire.send(post() + LIVE + b"nonsense\r\n\r\n" + LIVE)
    assert [wire.answer()[0] for _ in range(3)] == [200, 200, 400]
    assert wire.ended()


def test_a_request_that_ends_too_early_is_told_so(wire: Wire) -> None:
    wire.send(post(length=len(BODY) + 7))
    wire.socket.shutdown(socket.SHUT_WR)
    status, _, body = wire.answer()
    assert status == 400
    assert f"cut short after {len(BODY)} bytes" in error_of(body)
    assert wire.ended()


def test_a_client_that_wants_to_close_is_closed(wire: Wire) -> None:
    wire.send(post(BODY, b"Connection: close"))
    assert wire.answer()[1]["connection"] == "close"
    assert wire.ended()


def test_http_1_0_is_spoken(wire: Wire) -> None:
    wire.send(b"GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert wire.answer()[1]["connection"] == "keep-alive"
    wire.send(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert wire.answer()[1]["connection"] == "close"
    assert wire.ended()


def test_an_offer_to_upgrade_is_declined_by_an_answer(wire: Wire) -> None:
    for request in (post(), LIVE):
        offer = b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
        wire.send(request.replace(b"\r\n", offer, 1))
        assert wire.answer()[0] == 200


def test_no_tunnel_is_made(wire: Wire) -> None:
    wire.send(b"CONNECT s:80 HTTP/1.1\r\nHost: s\r\n\r\n")
    assert wire.answer()[0] in (404, 405)
    assert wire.ended()


@pytest.mark.parametrize(
    "target", [b"/v2?x=1", b"http://s/v2", b"/v2/models/%6d", b"/v2/", b"/v2/models/m/"]
)
def test_a_target_has_many_spellings(wire: Wire, target: bytes) -> None:
    wire.send(b"GET %b HTTP/1.1\r\nHost: s\r\n\r\n" % target)
    assert wire.answer()[0] == 200


def test_a_client_that_reads_late_gets_all_of_its_answers(wire: Wire) -> None:
    large = [0.5] * 30_000
    tensor = {"name": "x", "datatype": "FP32", "shape": [10_000, 3], "data": large}
    request = post(json.dumps({"inputs": [tensor]}).encode())
    sender = threading.Thread(target=wire.send, args=[request * 200])
    sender.start()
    time.sleep(0.5)
    assert sender.is_alive()  # the server does not read on while nobody takes its answers
    for _ in range(200):
        status, _, body = wire.answer()
        assert status == 200
        assert json.loads(body)["outputs"][0]["data"] == large
    sender.join()


def test_a_hundred_clients_at_a_time_are_all_answered(server: Server) -> None:
    wires = [a_wire(server) for _ in range(100)]
    opened = [wire.__enter__() for wire in wires]
    for wire in opened:
        wire.send(post())
    assert {wire.answer()[0] for wire in opened} == {200}
    for each in wires:
        each.__exit__(None, None, None)


def test_an_answer_is_dated(wire: Wire) -> None:
    wire.send(LIVE)
    assert re.match(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d gmt", wire.answer()[1]["date"])
