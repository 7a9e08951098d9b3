"""HTTP/2 by its frames. That it keeps to RFC 9113, h2spec says in test_grpc_tools.py."""

import asyncio
from collections.abc import Callable

import pytest

from slipway_runtime.http2 import connection, frames, greeting, heads, patience
from slipway_runtime.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
    Setting,
)
from slipway_runtime.http2.port import Port
from slipway_runtime.http2.streams import STREAM_WINDOW
from support.http2_peer import OPENING, POST, Echo, EchoSite, Patient, Peer, parsed


async def test_a_request_is_answered_in_one_write() -> None:
    peer = Peer.greeted()
    peer.send(peer.request(1, b"hello"))
    head, body, end = peer.take()
    assert (head.kind, head.stream, head.flags) == (HEADERS, 1, frames.END_HEADERS)
    assert (body.kind, body.payload) == (DATA, b"hello")
    assert (end.kind, end.flags) == (HEADERS, frames.END_HEADERS | END_STREAM)
    assert not peer.connection.streams


async def test_bytes_may_come_one_by_one() -> None:
    peer = Peer()
    for byte in OPENING + peer.request(1) + peer.request(3):
        peer.send(bytes([byte]))
    assert [frame.payload for frame in peer.take(DATA)] == [b"hello"] * 2


async def test_equal_requests_share_a_head_and_keep_their_own_header() -> None:
    site = EchoSite()
    peer = Peer.greeted(site)
    for number in range(4):
        own = [("x-own", f"{number // 2}")]
        peer.send(peer.request(2 * number + 1, headers=POST + own))
    assert [stream.own for stream in site.streams] == [b"0", b"0", b"1", b"1"]
    assert len({id(stream.head) for stream in site.streams}) == 1
    assert b"x-own" not in site.streams[0].head.headers


async def test_a_table_that_changes_is_not_mistaken_for_the_old_one() -> None:
    site = EchoSite()
    peer = Peer.greeted(site)
    for number in range(12):
        path = f"/{number % 3}"
        peer.send(peer.request(2 * number + 1, headers=[*POST[:2], (":path", path)]))
    assert [stream.head.path for stream in site.streams] == [b"/0", b"/1", b"/2"] * 4


async def test_equal_blocks_are_other_headers_once_the_table_has_changed() -> None:
    site = EchoSite()
    peer = Peer.greeted(site)
    again = b"\x83\x86\xbe"  # POST, http, and what the table has first
    blocks = [b"\x83\x86\x44\x02/0", again, again, b"\x83\x86\x44\x02/1", again]
    for number, block in enumerate(blocks):
        peer.send(frames.frame(HEADERS, 5, 2 * number + 1, block))
    assert [stream.head.path for stream in site.streams] == [b"/0", b"/0", b"/0", b"/1", b"/1"]


async def test_a_long_answer_waits_for_the_windows() -> None:
    peer = Peer.greeted()
    body = bytes(range(256)) * 400
    pieces = [body[at : at + 16384] for at in range(0, len(body), 16384)]
    data = [frames.frame(DATA, 0, 1, piece) for piece in pieces]
    peer.send(peer.headers(1), *data, frames.frame(DATA, END_STREAM, 1))
    first = b"".join(frame.payload for frame in peer.take(DATA))
    assert len(first) == frames.DEFAULT_WINDOW
    peer.send(frames.window_update(1, 100_000))
    assert not peer.take(DATA)
    peer.send(frames.window_update(0, 100_000))
    rest = b"".join(frame.payload for frame in peer.take(DATA))
    assert first + rest == body
    assert not peer.connection.streams
    assert peer.connection.sender.waiting_bytes == 0


async def test_answers_share_a_window_that_is_too_small_for_all() -> None:
    peer = Peer.greeted()
    peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 10}))
    peer.take()
    for stream in (1, 3, 5):
        peer.send(peer.request(stream, bytes([stream]) * 30))
    assert [len(frame.payload) for frame in peer.take(DATA)] == [10, 10, 10]
    peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 30}))
    assert [(f.stream, len(f.payload)) for f in peer.take(DATA)] == [(1, 20), (3, 20), (5, 20)]


async def test_a_client_that_sends_much_gets_windows_back() -> None:
    peer = Peer.greeted(EchoSite(Patient), Port(EchoSite(Patient), 1 << 30, 9))
    peer.send(peer.headers(1))
    piece = frames.frame(DATA, 0, 1, bytes(16384))
    granted = {0: 0, 1: 0}
    for _ in range(1200):
        peer.send(piece)
        for frame in peer.take(WINDOW_UPDATE):
            granted[frame.stream] += int.from_bytes(frame.payload, "big")
    sent = 1200 * 16384
    assert sent - STREAM_WINDOW <= granted[1] <= sent
    assert sent - greeting.CONNECTION_WINDOW <= granted[0] <= sent
    peer.lost()
    assert peer.port.held_bytes == 0


async def test_more_than_the_window_allows_resets_the_stream() -> None:
    peer = Peer.greeted(EchoSite(Patient))
    peer.send(peer.headers(1))
    peer.connection.streams[1].room = 100
    peer.send(frames.frame(DATA, END_STREAM, 1, bytes(101)))
    (reset,) = peer.take(RST_STREAM)
    assert reset.code == Code.FLOW_CONTROL_ERROR


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(bytes(4), Code.FRAME_SIZE_ERROR, id="too short"),
        pytest.param(b"\0\0\0\3\0", Code.PROTOCOL_ERROR, id="depends on itself"),
    ],
)
async def test_a_wrong_priority_resets_its_stream_but_none_that_was_never_opened(
    payload: bytes, code: Code
) -> None:
    wrong = frames.frame(frames.PRIORITY, 0, 3, payload)
    peer = Peer.greeted(EchoSite(Patient))
    peer.send(peer.headers(3), wrong)
    assert [(f.stream, f.code) for f in peer.take(RST_STREAM, GOAWAY)] == [(3, code)]
    other = Peer.greeted()
    other.send(wrong)
    assert [(f.kind, f.code) for f in other.take(RST_STREAM, GOAWAY)] == [(GOAWAY, code)]


async def test_a_reset_tells_who_works_on_it_and_frees_what_it_held() -> None:
    site = EchoSite(Patient)
    peer = Peer.greeted(site)
    peer.send(peer.request(1, bytes(5000)))
    assert peer.port.held_bytes == 5000
    peer.send(frames.reset(1, Code.CANCEL))
    assert site.streams[0].told == ["cancelled"]
    assert peer.port.held_bytes == 0
    site.streams[0].go()
    assert peer.take() == []


async def test_a_reset_drops_what_waits_for_a_window() -> None:
    peer = Peer.greeted()
    peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 2}), peer.request(1), peer.request(3))
    assert peer.connection.sender.waiting_bytes == 6
    peer.send(frames.reset(1, Code.CANCEL), frames.window_update(3, 10))
    assert peer.connection.sender.waiting_bytes == 0
    assert not peer.connection.sender.blocked


async def test_a_lost_connection_cancels_everything() -> None:
    site = EchoSite(Patient)
    peer = Peer.greeted(site)
    peer.send(peer.request(1), peer.request(3))
    peer.lost()
    assert [stream.told for stream in site.streams] == [["cancelled"]] * 2
    assert not peer.port.connections


async def test_an_early_answer_asks_the_client_to_stop() -> None:
    peer = Peer.greeted(EchoSite(Patient))
    peer.send(peer.headers(1), frames.frame(DATA, 0, 1, b"more to come"))
    stream = peer.connection.streams[1]
    stream.answer(b"\x88", b"no", b"\x88")
    assert [(f.kind, f.flags) for f in peer.take()][-2:] == [(HEADERS, 5), (RST_STREAM, 0)]
    peer.send(frames.frame(DATA, 0, 1, b"was on its way"))
    (reset,) = peer.take()
    assert (reset.kind, reset.code) == (RST_STREAM, Code.STREAM_CLOSED)


async def test_pings_are_answered() -> None:
    peer = Peer.greeted()
    peer.send(frames.frame(PING, 0, 0, b"12345678"))
    (pong,) = peer.take()
    assert (pong.kind, pong.flags, pong.payload) == (PING, ACK, b"12345678")


async def test_unknown_frames_and_settings_are_passed_over() -> None:
    peer = Peer.greeted()
    setting = frames.SETTING.pack(99, 1)
    peer.send(frames.frame(77, 3, 5, b"?"), frames.frame(SETTINGS, 0, 0, setting))
    peer.send(peer.request(1))
    assert peer.take(DATA)


async def test_http1_is_told_where_it_is() -> None:
    peer = Peer()
    peer.send(b"GET /v2 HTTP/1.1\r\nhost: a\r\n\r\n")
    assert peer.wire.written.startswith(b"HTTP/1.1 505 ")
    head, _, body = bytes(peer.wire.written).partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
    assert peer.wire.closed


async def test_tls_and_other_noise_is_refused() -> None:
    peer = Peer()
    peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert peer.take()[-1].code == Code.PROTOCOL_ERROR
    assert peer.wire.closed


def ended_with(peer: Peer) -> Code:
    """Say how a connection was ended."""
    assert peer.wire.closed
    (away,) = peer.take(GOAWAY)
    return Code(away.code)


def flood(peer: Peer, frame: Callable[[int], bytes], most: int) -> int:
    """Send frames until the connection is closed; return how many it took."""
    for number in range(most):
        peer.send(frame(number))
        if peer.wire.closed:
            return number
    raise AssertionError(f"{most} frames were taken")


async def test_streams_that_are_opened_and_reset_again_and_again_end_the_connection() -> None:
    peer = Peer.greeted(EchoSite(Patient))

    def rapid(number: int) -> bytes:
        return peer.headers(2 * number + 1) + frames.reset(2 * number + 1, Code.CANCEL)

    assert flood(peer, rapid, 2000) == connection.RESETS[0]
    assert ended_with(peer) is Code.ENHANCE_YOUR_CALM


async def test_resets_that_a_client_provokes_count_as_well() -> None:
    peer = Peer.greeted(EchoSite(Patient))

    def provoked(number: int) -> bytes:
        stream = 2 * number + 1
        return peer.headers(stream) + frames.frame(WINDOW_UPDATE, 0, stream, bytes(4))

    assert flood(peer, provoked, 2000) == connection.RESETS[0]
    assert ended_with(peer) is Code.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(frames.frame(PING, 0, 0, bytes(8)), id="pings"),
        pytest.param(frames.frame(SETTINGS, 0, 0), id="settings"),
        pytest.param(frames.frame(DATA, 0, 1), id="empty data"),
        pytest.param(frames.frame(frames.PRIORITY, 0, 1, bytes(5)), id="priorities"),
        pytest.param(frames.frame(99, 0, 0), id="unknown frames"),
    ],
)
async def test_a_flood_of_frames_that_carry_nothing_ends_the_connection(frame: bytes) -> None:
    peer = Peer.greeted(EchoSite(Patient))
    peer.send(peer.headers(1))
    assert flood(peer, lambda _: frame, 20_000) <= connection.EMPTIES[0]
    assert ended_with(peer) is Code.ENHANCE_YOUR_CALM


async def test_who_asks_something_may_ping_as_well() -> None:
    peer = Peer.greeted()
    for number in range(2000):
        pings = frames.frame(PING, 0, 0, bytes(8)) * 15
        peer.send(peer.request(2 * number + 1) + pings, frames.window_update(0, 5))
    assert not peer.wire.closed


async def test_headers_without_end_end_the_connection() -> None:
    peer = Peer.greeted()
    peer.send(peer.headers(1, flags=0))
    assert flood(peer, lambda _: frames.frame(CONTINUATION, 0, 1), 100) < 20
    assert ended_with(peer) is Code.ENHANCE_YOUR_CALM


async def test_long_header_blocks_end_the_connection() -> None:
    peer = Peer.greeted()
    peer.send(peer.headers(1, flags=0))
    assert flood(peer, lambda _: frames.frame(CONTINUATION, 0, 1, bytes(16384)), 100) < 3
    assert ended_with(peer) is Code.ENHANCE_YOUR_CALM


async def test_headers_that_are_too_long_reach_the_site_as_such() -> None:
    site = EchoSite()
    peer = Peer.greeted(site)
    long = [("x-long", "v" * 3000)] * (heads.MOST_BYTES // 3000 + 1)
    peer.send(peer.headers(1, POST + long, flags=5), peer.request(3))
    assert [stream.head.method for stream in site.streams] == [b"", b"POST"]


async def test_more_streams_than_announced_are_refused_unworked() -> None:
    site = EchoSite(Patient)
    peer = Peer.greeted(site)
    peer.send(*(peer.headers(2 * n + 1) for n in range(greeting.MOST_STREAMS + 2)))
    refused = peer.take(RST_STREAM)
    assert [frame.code for frame in refused] == [Code.REFUSED_STREAM] * 2
    assert len(site.streams) == greeting.MOST_STREAMS


async def test_more_connections_than_there_may_be_are_sent_away() -> None:
    port = Port(EchoSite(), 1 << 20, most_connections=1)
    first, second = Peer.greeted(port=port), Peer(port=port)
    assert second.wire.closed
    assert not first.wire.closed


@pytest.mark.parametrize("size", [16385, (1 << 24) - 1])
async def test_a_frame_that_is_too_long_is_refused_before_it_is_there(size: int) -> None:
    peer = Peer.greeted()
    peer.send(frames.head(size, DATA, 0, 1))
    assert ended_with(peer) is Code.FRAME_SIZE_ERROR


async def test_a_client_that_never_speaks_is_dropped() -> None:
    peer = Peer()
    peer.send(frames.PREFACE)
    peer.port.tick(patience.GREETING_SECONDS - 1)
    assert not peer.wire.aborted
    peer.port.tick(patience.GREETING_SECONDS + 1)
    assert peer.wire.aborted


async def test_a_silent_client_is_asked_and_then_dropped() -> None:
    peer = Peer.greeted()
    peer.port.tick(patience.IDLE_SECONDS + 1)
    assert peer.take(PING)
    peer.port.tick(patience.IDLE_SECONDS + 2)
    assert not peer.take(PING)
    peer.port.tick(patience.IDLE_SECONDS + patience.PING_SECONDS + 1)
    assert peer.wire.aborted


async def test_a_silent_client_that_answers_stays() -> None:
    peer = Peer.greeted()
    peer.port.tick(patience.IDLE_SECONDS + 1)
    peer.send(frames.frame(PING, ACK, 0, bytes(8)))
    peer.port.tick(patience.IDLE_SECONDS + patience.PING_SECONDS + 2)
    assert not peer.wire.aborted


async def test_a_client_that_does_not_read_is_dropped() -> None:
    peer = Peer.greeted()
    peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 1}), peer.request(1, b"long"))
    peer.port.tick(1)
    peer.port.tick(patience.WRITE_SECONDS - 1)
    assert not peer.wire.aborted
    peer.send(frames.window_update(1, 1))
    peer.port.tick(patience.WRITE_SECONDS + 2)
    assert not peer.wire.aborted
    peer.port.tick(2 * patience.WRITE_SECONDS + 4)
    assert peer.wire.aborted


async def test_nothing_is_read_while_the_client_takes_nothing() -> None:
    peer = Peer.greeted()
    peer.connection.pause_writing()
    assert peer.wire.paused is True
    peer.send(peer.request(1))
    assert not peer.take(DATA)
    peer.connection.resume_writing()
    assert [frame.payload for frame in peer.take(DATA)] == [b"hello"]
    assert peer.wire.paused is False


async def test_what_takes_too_long_is_told_so() -> None:
    site = EchoSite(Patient)
    peer = Peer.greeted(site)
    peer.send(peer.headers(1))
    site.streams[0].deadline = 5.0
    peer.port.tick(4.0)
    assert site.streams[0].told == []
    peer.port.tick(6.0)
    assert site.streams[0].told == ["overdue"]


async def test_a_retiring_server_takes_what_was_on_its_way_and_no_more() -> None:
    site = EchoSite(Patient)
    peer = Peer.greeted(site)
    peer.send(peer.request(1))
    peer.port.retire()
    away, ping = peer.take(GOAWAY, PING)
    assert (away.last, away.code) == (frames.LARGEST_STREAM, Code.NO_ERROR)
    assert site.streams[0].told == ["retire"]
    peer.send(peer.request(3), frames.frame(PING, ACK, 0, ping.payload))
    (last,) = peer.take(GOAWAY)
    assert last.last == 3
    peer.send(peer.request(5))
    assert len(site.streams) == 2
    site.streams[0].go()
    assert not peer.wire.closed
    site.streams[1].go()
    assert [frame.stream for frame in peer.take(DATA)] == [1, 3]
    assert peer.wire.closed


async def test_a_client_that_does_not_answer_the_last_ping_has_two_seconds() -> None:
    peer = Peer.greeted()
    peer.port.retire()
    peer.port.tick(1.0)
    assert not peer.wire.closed
    peer.port.tick(connection.RETIRE_SECONDS + 1.5)
    assert peer.wire.closed


async def test_answers_outside_of_reading_are_written_together() -> None:
    site = EchoSite(Patient)
    peer = Peer.greeted(site)
    peer.send(peer.request(1), peer.request(3))
    before = len(peer.wire.written)
    for stream in list(site.streams):
        stream.go()
    assert len(peer.wire.written) == before
    await asyncio.sleep(0)
    assert len([f for f in parsed(bytes(peer.wire.written[before:])) if f.kind == DATA]) == 2


class Failing(Echo):
    __slots__ = ()

    def data(self, piece: bytes) -> None:
        raise RuntimeError(piece)


async def test_a_defect_of_the_site_resets_its_stream_only() -> None:
    peer = Peer.greeted(EchoSite(Failing))
    peer.send(peer.request(1))
    (reset,) = peer.take()
    assert (reset.kind, reset.code) == (RST_STREAM, Code.INTERNAL_ERROR)
    assert not peer.wire.closed
