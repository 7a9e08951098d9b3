"""Header blocks, held to another implementation of HPACK: the package of that name."""

import hpack as other
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_runtime.http2 import hpack
from slipway_runtime.http2.frames import Code, ConnectionFault

MOST = 16 << 10

names = st.sampled_from([b":path", b"te", b"content-type", b"x-a", b"x-b", b"grpc-timeout"])
pairs = st.tuples(names | st.binary(min_size=1, max_size=20), st.binary(max_size=40))
lists = st.lists(pairs, max_size=12)


def test_the_static_table_is_that_of_the_other_one() -> None:
    assert tuple(other.Decoder().header_table.STATIC_TABLE) == hpack.STATIC


@given(st.lists(st.tuples(lists, st.booleans(), st.none() | st.integers(0, 4096)), max_size=8))
def test_what_another_encoder_writes_is_read(blocks: list[tuple[list, bool, int | None]]) -> None:  # type: ignore[type-arg]
    encoder, decoder = other.Encoder(), hpack.Decoder(MOST)
    for headers, huffman, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(headers, huffman=huffman)
        assert decoder.decode(block) == headers


@given(lists)
def test_what_is_written_another_decoder_reads(headers: list[tuple[bytes, bytes]]) -> None:
    decoder = other.Decoder()
    for _ in range(2):
        assert decoder.decode(hpack.encode(headers), raw=True) == headers
    assert not decoder.header_table.dynamic_entries


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_read_as_the_other_one_does_or_refused(blocks: list[bytes]) -> None:
    ours, theirs = hpack.Decoder(MOST), other.Decoder(max_header_list_size=1 << 20)
    for block in blocks:
        try:
            read = ours.decode(block)
        except ConnectionFault:
            return
        assert read == theirs.decode(block, raw=True)


def test_headers_that_inflate_are_refused_and_the_next_block_is_read() -> None:
    decoder = hpack.Decoder(MOST)
    large = b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000
    assert decoder.decode(large) == [(b"a", b"v" * 4000)]
    assert decoder.decode(b"\xbe" * 20_000) is None
    assert decoder.decode(b"\xbe") == [(b"a", b"v" * 4000)]


def test_the_version_changes_only_with_the_table() -> None:
    decoder = hpack.Decoder(MOST)
    decoder.decode(b"\x82\x00\x01a\x01b")
    assert decoder.version == 0
    decoder.decode(b"\x40\x01a\x01b")
    assert decoder.version == 1


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\x80", id="index 0"),
        pytest.param(b"\xbe", id="an index beyond the table"),
        pytest.param(b"\xff\xff\xff\xff\xff\xff\x01", id="a huge index"),
        pytest.param(b"\xff", id="half an index"),
        pytest.param(b"\x82\x20", id="a size update behind a header"),
        pytest.param(b"\x3f\xe2\x1f", id="a table of 4097 bytes"),
        pytest.param(b"\x00\x05abc", id="half a name"),
        pytest.param(b"\x00\x01a", id="no value"),
        pytest.param(b"\x00\x01a\x84\xff\xff\xff\xff", id="the end symbol"),
        pytest.param(b"\x00\x01a\x81\x00", id="padding of zeros"),
        pytest.param(b"\x00\x01a\x82\x1f\xff", id="padding of eleven bits"),
    ],
)
def test_what_is_no_header_block_is_refused(block: bytes) -> None:
    with pytest.raises(ConnectionFault) as refusal:
        hpack.Decoder(MOST).decode(block)
    assert refusal.value.code is Code.COMPRESSION_ERROR
