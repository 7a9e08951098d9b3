"""Whatever bytes come: nothing is raised, nothing stays behind, and what is written are frames."""

import hpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz.grpc_targets import bear
from slipway_runtime.http2 import frames
from support.grpc_calls import rows
from support.grpc_peer import data, framed, head
from support.http2_peer import OPENING, opening

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


@given(st.lists(FRAMES, max_size=12), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_frames_are_borne(sent: list[bytes], together: bool, at_once: bool) -> None:
    pieces = [OPENING, *sent]
    bear([b"".join(pieces)] if together else pieces, at_once)


@given(st.lists(st.binary(max_size=40), max_size=6), st.booleans())
@example([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"], False)
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_borne(pieces: list[bytes], greeted: bool) -> None:
    bear([OPENING, *pieces] if greeted else pieces)


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
    bear([content[at : at + step] for at in range(0, len(content), step)], at_once)
