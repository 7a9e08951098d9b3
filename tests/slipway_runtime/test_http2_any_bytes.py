"""Whatever bytes come: nothing is raised, nothing stays behind, and what is written are frames."""

import asyncio

import hpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipway_runtime.http2 import frames, greeting
from support.grpc_calls import rows
from support.grpc_peer import Model, a_port, data, framed, head
from support.http2_peer import OPENING, Peer, opening, parsed

KINDS = st.integers(0, 10)
STREAMS = st.sampled_from([0, 1, 2, 3, 5, 7, 2**31 - 1, 2**32 - 1])
FLAGS = st.sampled_from([0, 1, 4, 5, 8, 9, 13, 0x20, 0x24, 0x25, 0x2D, 255])


def _words() -> list[bytes]:
    """Write pieces of which payloads are made: headers, messages, settings, windows."""
    encoder = hpack.Encoder()
    blocks = [encoder.encode(head()) for _ in range(3)]
    blocks.append(encoder.encode(head(grpc_timeout="1S")))
    return [
        *blocks,
        framed(rows()),
        framed(rows(), 1),
        frames.SETTING.pack(4, 0),
        frames.SETTING.pack(4, 2**31 - 1),
        frames.SETTING.pack(5, 16384),
        b"\0\0\0\1",
        b"\x7f\xff\xff\xff",
        b"\0" * 8,
        b"lastcall",
    ]


WORDS = _words()
PAYLOADS = st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=3).map(b"".join)
FRAMES = st.builds(frames.frame, KINDS, FLAGS, STREAMS, PAYLOADS)


def check(pieces: list[bytes], at_once: bool = True) -> None:
    asyncio.run(_check(pieces, at_once))


async def _check(pieces: list[bytes], at_once: bool) -> None:
    port = a_port(Model(at_once))
    peer = Peer(port=port)
    for number, piece in enumerate(pieces):
        peer.send(piece)
        if number % 7 == 3:
            port.tick(port.now + 1)
        assert len(peer.connection._buffer) <= greeting.FRAME_SIZE + frames.HEAD_SIZE
    port.retire()
    peer.lost()
    assert port.held_bytes == 0
    assert not peer.connection.streams
    assert not port.connections
    if peer.wire.written and not peer.wire.written.startswith(b"HTTP/1.1 "):
        written = parsed(bytes(peer.wire.written))
        assert {frame.kind for frame in written} <= {*range(10)}


@given(st.lists(FRAMES, max_size=12), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_frames_are_borne(sent: list[bytes], together: bool, at_once: bool) -> None:
    pieces = [OPENING, *sent]
    check([b"".join(pieces)] if together else pieces, at_once)


@given(st.lists(st.binary(max_size=40), max_size=6), st.booleans())
@example([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"], False)
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_borne(pieces: list[bytes], greeted: bool) -> None:
    check([OPENING, *pieces] if greeted else pieces)


def a_conversation() -> bytes:
    encoder = hpack.Encoder()
    calls = [opening(encoder, n, head()) + data(n, framed(rows())) for n in (1, 3, 5)]
    rest = [frames.window_update(0, 100), frames.frame(frames.PING, 0, 0, bytes(8))]
    stream = opening(encoder, 7, head("/inference.GRPCInferenceService/ModelStreamInfer"))
    more = data(7, framed(rows()) * 2, last=False) + frames.reset(7, frames.Code.CANCEL)
    return b"".join([OPENING, *calls, *rest, stream, more])


CONVERSATION = a_conversation()


@given(
    st.lists(
        st.tuples(st.integers(0, len(CONVERSATION)), st.binary(max_size=3), st.integers(0, 3)),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 200),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_conversation_with_some_bytes_changed_is_borne(
    changes: list[tuple[int, bytes, int]], step: int, at_once: bool
) -> None:
    content = CONVERSATION
    for at, new, cut in changes:
        content = content[:at] + new + content[at + cut :]
    check([content[at : at + step] for at in range(0, len(content), step)], at_once)
