import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_runtime import encodings
from slipway_runtime.errors import InvalidRequestError

GZIP = gzip.compress(b"x" * 1000)
NAMES = st.sampled_from([b"gzip", b"deflate"])


@given(NAMES, st.lists(st.binary()))
def test_what_is_compressed_is_inflated_again(name: bytes, pieces: list[bytes]) -> None:
    body = encodings.deflate(name, pieces)
    assert encodings.inflate(name, body, 1 << 20) == b"".join(pieces)


@given(NAMES, st.binary(), st.integers(1, 100))
def test_any_bytes_are_inflated_within_the_bound_or_refused(
    name: bytes, body: bytes, most: int
) -> None:
    try:
        plain = encodings.inflate(name, body, most)
    except InvalidRequestError:
        return
    assert len(plain) <= most


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        pytest.param(b"gzip", b"plain", "not what its Content-Encoding says, gzip", id="plain"),
        pytest.param(b"gzip", zlib.compress(b"x"), "not what its Content", id="zlib as gzip"),
        pytest.param(b"deflate", GZIP, "not what its Content-Encoding says", id="gzip as zlib"),
        pytest.param(b"gzip", GZIP[:-1], "cut short after", id="cut short"),
        pytest.param(b"gzip", b"", "cut short after 0 bytes", id="nothing"),
        pytest.param(b"gzip", GZIP[:-8] + bytes(8), "not what its", id="a wrong checksum"),
        pytest.param(b"gzip", GZIP + b"more", "4 bytes follow", id="something after it"),
        pytest.param(b"gzip", GZIP + GZIP, "bytes follow", id="another piece"),
        pytest.param(
            b"gzip", gzip.compress(bytes(1001)), "more than 1000 bytes", id="one too many"
        ),
        pytest.param(b"gzip", gzip.compress(bytes(1 << 26)), "more than 1000", id="a bomb"),
    ],
)
def test_a_body_that_can_not_be_inflated_is_refused(
    name: bytes, body: bytes, expected: str
) -> None:
    with pytest.raises(InvalidRequestError, match=expected):
        encodings.inflate(name, body, 1000)


def test_a_body_may_be_as_large_as_the_bound() -> None:
    assert encodings.inflate(b"gzip", GZIP, 1000) == b"x" * 1000


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (b"", b""),
        (b"gzip", b"gzip"),
        (b"deflate, gzip", b"deflate"),
        (b"br, GZIP;q=0.5, *;q=0", b"gzip"),
        (b"gzip;q=0, deflate;q=0.001", b"deflate"),
        (b"gzip; q=0.0", b""),
        (b"identity", b""),
        (b"gzip;q=, ;;, =", b"gzip"),
    ],
)
def test_an_answer_is_encoded_as_the_client_accepts(accepted: bytes, expected: bytes) -> None:
    assert encodings.choose(accepted) == expected
