"""Whatever comes is answered, and never in a way that depends on how it came."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz import grpc_targets, targets

CORPORA = {"corpus": targets.check, "grpc_corpus": grpc_targets.check}
FOUND = [path for name in CORPORA for path in (Path(targets.__file__).parent / name).iterdir()]

LINES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /v2/models/m/infer HTTP/1.1\r\n",
    b"POST / HTTP/1.0\r\n",
    b"CONNECT s:1 HTTP/1.1\r\n",
    b"Host: s\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 5000\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"abc",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"X: \x00\r\n",
    b" folded\r\n",
]


@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=4), max_size=12).map(b"".join))
@example(b"GET / HTTP/1.1\r\nHost: s\r\n\r\n" * 3)
@example(b"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 3\r\n\r\nabc" * 2)
@example(b"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 60\r\n\r\n" * 3 + b"a" * 60)
@example((b"POST / HTTP/1.1\r\nHost: s\r\nContent-Length: 60\r\n\r\n" + b"a" * 60) * 5)
@settings(max_examples=300)
def test_a_connections_answers_depend_on_the_bytes_alone(data: bytes) -> None:
    targets.check_connection(data)


NAMES = st.sampled_from(["x", *targets.ALL.inputs, "y", "z"])
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        [
            "binary_data_size",
            "binary_data",
            "binary_data_output",
            "classification",
            "priority",
            "timeout",
            "shared_memory_region",
            "x",
        ]
    ),
    VALUES,
    max_size=3,
)
INPUTS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "shape": st.lists(st.integers(-1, 4) | st.integers(), max_size=3),
        "datatype": st.sampled_from([*targets.BY_NAME, "X"]),
    },
    optional={
        "data": st.recursive(VALUES, lambda inner: st.lists(inner, max_size=4), max_leaves=8),
        "parameters": PARAMETERS,
    },
)
FITTING = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=9).map(
    lambda row: {"name": "x", "datatype": "FP32", "shape": [len(row) // 2, 2], "data": row}
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS | FITTING, min_size=1, max_size=2)},
    optional={
        "id": st.text(max_size=3),
        "parameters": PARAMETERS,
        "outputs": st.lists(
            st.fixed_dictionaries({"name": NAMES}, optional={"parameters": PARAMETERS}), max_size=2
        ),
    },
).map(lambda request: json.dumps(request).encode())


@given(st.integers(0, 2), REQUESTS, st.binary(max_size=16), st.integers(-2, 2))
@settings(max_examples=300)
def test_a_body_is_refused_or_read_as_json_is(
    model: int, request: bytes, tail: bytes, off: int
) -> None:
    length = max(0, len(request) + off) if tail else 0xFFFF
    targets.check_body(bytes([model]) + length.to_bytes(2, "big") + request + tail)


@given(st.binary(max_size=64))
def test_compressed_bytes_are_refused_or_inflated_within_a_bound(data: bytes) -> None:
    targets.check_compression(data)


@pytest.mark.parametrize("path", sorted(FOUND), ids=lambda path: str(path.name[:12]))
def test_what_the_fuzzer_found_worth_keeping_holds(path: Path) -> None:
    CORPORA[path.parent.name](path.read_bytes())
