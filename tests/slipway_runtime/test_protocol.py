import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_runtime import answers, protocol
from slipway_runtime.datatypes import DATATYPES, Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError

BY_NAME = {datatype.name: datatype for datatype in DATATYPES}


def specs(**datatypes: str) -> dict[str, TensorSpec]:
    return {name: TensorSpec(name, BY_NAME[kind], (-1,)) for name, kind in datatypes.items()}


SIGNATURE = Signature(specs(a="FP32", b="INT64"), specs(y="FP32", h="FP16", t="BYTES"))
Y = [{"name": "y"}]
A = {"name": "a", "datatype": "FP32", "shape": [2], "data": [1, 2]}
B = {"name": "b", "datatype": "INT64", "shape": [1], "data": [3]}


def a_request(*inputs: dict[str, Any], **rest: Any) -> bytes:
    return json.dumps({"inputs": inputs, "outputs": Y, **rest}).encode()


def binary(tensor: dict[str, Any], size: Any) -> dict[str, Any]:
    rest = {key: value for key, value in tensor.items() if key != "data"}
    return rest | {"parameters": {"binary_data_size": size}}


def parse(header: bytes, tail: bytes = b"", length: int | None = None) -> protocol.Call:
    given = len(header) if tail and length is None else length
    return protocol.Reader(SIGNATURE).read(header + tail, given)


def test_inputs_come_in_any_order() -> None:
    call = parse(a_request(B, A))
    assert call.feed["a"].tolist() == [1, 2]
    assert call.feed["b"].tolist() == [3]


def test_binary_tensors_follow_in_the_order_of_the_request() -> None:
    tail = np.array([3], "<i8").tobytes() + np.array([1, 2], "<f4").tobytes()
    call = parse(a_request(binary(B, 8), binary(A, 8)), tail)
    assert call.feed["a"].tolist() == [1, 2]
    assert call.feed["b"].tolist() == [3]


def test_binary_and_json_tensors_mix() -> None:
    call = parse(a_request(A, binary(B, 8)), np.array([3], "<i8").tobytes())
    assert call.feed["a"].tolist() == [1, 2]
    assert call.feed["b"].tolist() == [3]


def test_without_a_wish_all_outputs_are_given_in_the_models_order() -> None:
    call = parse(a_request(A, B, outputs=[], parameters={"binary_data_output": True}))
    assert call.wish.names == ("y", "h", "t")
    assert [form.binary for form in call.wish.forms] == [True, True, True]


def test_an_outputs_own_wish_goes_before_the_requests() -> None:
    outputs = [{"name": "t", "parameters": {"binary_data": False}}, {"name": "h"}]
    call = parse(a_request(A, B, outputs=outputs, parameters={"binary_data_output": True}))
    assert [form.binary for form in call.wish.forms] == [False, True]


def test_parameters_that_mean_nothing_here_are_passed_over() -> None:
    parameters = {"priority": 1, "content_type": "np", "sequence_end": True, "x": 0.5}
    assert parse(a_request(A | {"parameters": parameters}, B, parameters=parameters)).id == ""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", "the body is empty", id="nothing"),
        pytest.param(b"{", "not JSON", id="half JSON"),
        pytest.param(b"\xff", "not JSON", id="no text"),
        pytest.param(b"[]", "Expected `object`, got `array`", id="a list"),
        pytest.param(b"{}", "missing required field `inputs`", id="no inputs"),
        pytest.param(b'{"inputs": {}}', "Expected `array`, got `object` - at `$.inputs`", id="map"),
        pytest.param(b'{"x":' + b"[" * 100_000, "nested too deep", id="a bomb"),
        pytest.param(b'{"inputs": [], "id": 7}', "Expected `str`, got `int` - at `$.id`", id="id"),
        pytest.param(a_request(A), "lacks input 'b' (INT64 [-1])", id="an input missing"),
        pytest.param(a_request(A, A, B), "'a' (FP32 [-1]) came twice", id="an input twice"),
        pytest.param(a_request(A | {"name": "z"}, B), "no input 'z'; it takes 'a'", id="unknown"),
        pytest.param(
            a_request(A | {"datatype": "FP64"}, B), "'FP64', the model takes FP32", id="datatype"
        ),
        pytest.param(
            a_request(A | {"shape": [1.5]}, B), "got `float` - at `$.inputs[0].shape", id="shape"
        ),
        pytest.param(
            a_request({k: v for k, v in A.items() if k != "data"}, B), "neither data", id="no data"
        ),
        pytest.param(a_request(A | {"data": None}, B), "'a' (FP32 [-1])", id="null data"),
        pytest.param(
            a_request(A | {"parameters": {"binary_data_size": 8}}, B), "both data", id="both"
        ),
        pytest.param(a_request(binary(A, 8), B), "but 0 bytes are left", id="no tail"),
        pytest.param(a_request(binary(A, -8), B), "is -8", id="a negative size"),
        pytest.param(a_request(binary(A, True), B), "is True", id="a boolean size"),
        pytest.param(a_request(binary(A, "8"), B), "is '8'", id="a quoted size"),
        pytest.param(
            a_request(binary(A, 8) | {"parameters": {"shared_memory_region": "r"}}, B),
            "shared memory is not supported",
            id="shared memory",
        ),
        pytest.param(a_request(A, B, outputs=[{"name": "q"}]), "no output 'q'; it gives", id="out"),
        pytest.param(a_request(A, B, outputs=Y + Y), "an output twice", id="an output twice"),
        pytest.param(a_request(A, B, outputs=[{"name": "h"}]), "FP16 has no JSON form", id="half"),
        pytest.param(
            a_request(A, B, outputs=[{"name": "y", "parameters": {"classification": -1}}]),
            "'y' (FP32 [-1]): classification is -1",
            id="classification",
        ),
        pytest.param(
            a_request(A, B, outputs=[{"name": "t", "parameters": {"classification": 1}}]),
            "BYTES has no highest values",
            id="classified text",
        ),
        pytest.param(
            a_request(A, B, parameters={"priority": -1}),
            "priority is -1, expected 1",
            id="priority",
        ),
        pytest.param(
            a_request(A, B, parameters={"timeout": 0.5}), "is 0.5, expected micro", id="timeout"
        ),
        pytest.param(
            a_request(A | {"shape": [2**63]}, B), "at `$.inputs[0].shape[0]`", id="64 bits"
        ),
        pytest.param(a_request(A | {"name": "n" * 10**6}, B), "no input 'nnn", id="a long name"),
        pytest.param(a_request(A | {"data": [float("nan")]}, B), "is not JSON", id="NaN"),
        pytest.param(a_request(A | {"data": [10**400]}, B), "out of range", id="beyond a double"),
        pytest.param(
            a_request(A, B, parameters={"binary_data_output": 1}), "expected true", id="flag"
        ),
        pytest.param(a_request(A, B, parameters={"x": [1]}), "parameters", id="a listed parameter"),
    ],
)
def test_a_refusal_names_what_came_and_what_was_expected(body: bytes, expected: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse(body)
    assert expected in str(refusal.value)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("length", [-1, 10_000])
def test_json_of_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"{length} bytes"):
        parse(a_request(A, B), length=length)


def test_a_call_has_the_priority_and_the_time_that_it_asks_for() -> None:
    call = parse(a_request(A, B, parameters={"priority": 2, "timeout": 1500}))
    assert (call.priority, call.timeout) == (2, 0.0015)
    call = parse(a_request(A, B, parameters={"priority": 0, "timeout": 0}))
    assert (call.priority, call.timeout) == (0, None)


def test_a_reader_takes_other_bytes_after_json_that_it_knows() -> None:
    reader = protocol.Reader(SIGNATURE)
    header = a_request(binary(A, 8), binary(B, 8), id="7")
    for number in (1, 2):
        tail = np.array([number] * 2, "<f4").tobytes() + np.array([number], "<i8").tobytes()
        call = reader.read(header + tail, len(header))
        assert (call.feed["a"].tolist(), call.feed["b"].tolist()) == ([number] * 2, [number])
        assert call.id == "7"
        with pytest.raises(InvalidRequestError, match="but 7 bytes are left"):
            reader.read(header + tail[:-1], len(header))
        with pytest.raises(InvalidRequestError, match="17 bytes follow the JSON"):
            reader.read(header + tail + b"x", len(header))


MIB = 1 << 20


@pytest.mark.parametrize(
    ("inputs", "size", "json_length", "expected"),
    [
        pytest.param({"a": "FP32"}, 60_000, None, True, id="a little JSON"),
        pytest.param({"a": "FP32"}, MIB, None, False, id="much JSON"),
        pytest.param({"a": "FP32"}, MIB, 100, True, id="a binary tensor"),
        pytest.param({"a": "FP32"}, MIB, MIB - 8, False, id="much JSON before a binary tensor"),
        pytest.param({"a": "FP32"}, 64 * MIB, 100, False, id="a tensor that takes long to copy"),
        pytest.param({"a": "BYTES"}, MIB, 100, False, id="many strings"),
    ],
)
def test_what_takes_long_to_read_is_not_for_the_event_loop(
    inputs: dict[str, str], size: int, json_length: int | None, expected: bool
) -> None:
    reader = protocol.Reader(Signature(specs(**inputs), {}))
    assert reader.quick(size, json_length) is expected


def test_a_reader_forgets_json_rather_than_growing() -> None:
    reader = protocol.Reader(SIGNATURE)
    tail = np.zeros(1, "<f8").tobytes() * 2
    for number in range(3 * protocol.MOST_PLANS):
        header = a_request(binary(A, 8), binary(B, 8), id=str(number))
        assert reader.read(header + tail, len(header)).id == str(number)
    assert len(reader._plans) <= protocol.MOST_PLANS


def one_input(datatype: str, *shape: int) -> Signature:
    return Signature({"x": TensorSpec("x", BY_NAME[datatype], shape)}, specs(y="FP32"))


@pytest.mark.parametrize(
    ("datatype", "model", "body", "expected"),
    [
        pytest.param("FP32", (-1, 2), bytes(16), (2, 2), id="an open size"),
        pytest.param("FP32", (2, 2), bytes(16), (2, 2), id="none"),
        pytest.param("UINT8", (-1, 2, -1), bytes(6), (1, 2, 3), id="two, of which the first is 1"),
        pytest.param("FP64", (), bytes(8), (), id="a scalar"),
        pytest.param("BYTES", (-1,), "é".encode(), (1,), id="text"),
        pytest.param("BYTES", (-1, 1), b"a", (1, 1), id="text in a column"),
    ],
)
def test_a_body_without_json_is_the_one_input(
    datatype: str, model: tuple[int, ...], body: bytes, expected: tuple[int, ...]
) -> None:
    call = protocol.Reader(one_input(datatype, *model)).read(body, 0)
    assert call.feed["x"].shape == expected
    assert [form.binary for form in call.wish.forms] == [True]


@pytest.mark.parametrize(
    ("datatype", "model", "body", "expected"),
    [
        pytest.param("FP32", (-1, 2), b"", "the body is empty", id="nothing"),
        pytest.param("FP32", (-1, 2), bytes(5), "5 bytes came", id="half an element"),
        pytest.param("FP32", (-1, 2), bytes(12), "12 bytes came", id="half a row"),
        pytest.param("FP32", (2, 2), bytes(8), "8 bytes came", id="too few"),
        pytest.param("FP32", (2, -1, -1), bytes(8), "which of the shape's", id="ambiguous"),
        pytest.param("FP32", (0, -1), bytes(8), "8 bytes came", id="no size would do"),
        pytest.param("BYTES", (2,), b"a", "is one string", id="more text"),
        pytest.param("BYTES", (-1,), b"\xff", "not UTF-8", id="no text"),
    ],
)
def test_a_body_without_json_that_does_not_fit_is_refused(
    datatype: str, model: tuple[int, ...], body: bytes, expected: str
) -> None:
    with pytest.raises(InvalidRequestError, match=expected):
        protocol.Reader(one_input(datatype, *model)).read(body, 0)


def test_a_body_without_json_is_not_enough_for_two_inputs() -> None:
    with pytest.raises(InvalidRequestError, match=r"'a' \(FP32 \[-1\]\), 'b'"):
        parse(bytes(8), length=0)


def test_bytes_that_belong_to_no_tensor_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"9 bytes follow the JSON.*sum up to 8"):
        parse(a_request(binary(A, 8), B), b"123456789")


@given(st.binary(), st.none() | st.integers(-1, 200))
def test_any_body_is_refused_or_read(body: bytes, length: int | None) -> None:
    with pytest.raises(InvalidRequestError):
        protocol.Reader(SIGNATURE).read(body, length)


CALL = parse(a_request(A, B, id='"7"\n'))


def composed(call: protocol.Call, *arrays: Any) -> answers.Answer:
    return answers.compose(answers.prefix("m", "1"), call.id, call.wish.forms, arrays)


def test_an_answer_carries_the_id_that_came() -> None:
    answer = composed(CALL, np.ones(2, np.float32))
    assert json.loads(b"".join(answer.body)) == {
        "model_name": "m",
        "model_version": "1",
        "id": '"7"\n',
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1, 1]}],
    }
    assert answer.json_size is None


def test_an_answer_has_its_binary_tensors_behind_it() -> None:
    outputs = [{"name": "t", "parameters": {"binary_data": True}}, {"name": "y"}]
    call = parse(a_request(A, B, outputs=outputs))
    answer = composed(call, np.array(["é"], object), np.ones(1, np.float32))
    text, number = json.loads(bytes(answer.body[0]))["outputs"]
    assert answer.json_size == len(answer.body[0])
    assert text["parameters"] == {"binary_data_size": 6}
    assert "data" not in text
    assert number["data"] == [1]
    assert [bytes(piece) for piece in answer.body[1:]] == [b"\2\0\0\0" + "é".encode()]


def test_answers_to_one_wish_have_the_shapes_and_sizes_of_their_own() -> None:
    outputs = [{"name": "t", "parameters": {"binary_data": True}}, {"name": "y"}]
    call = parse(a_request(A, B, outputs=outputs))
    for text, count in (("one", 1), ("another", 2), ("one", 1), ("", 0)):
        answer = composed(call, np.array([text], object), np.ones(count, np.float32))
        strings, numbers = json.loads(bytes(answer.body[0]))["outputs"]
        assert strings["parameters"] == {"binary_data_size": 4 + len(text)}
        assert (numbers["shape"], numbers["data"]) == ([count], [1] * count)


def test_what_is_remembered_of_answers_does_not_grow() -> None:
    forms = CALL.wish.forms
    for count in range(2 * answers.MOST_STARTS):
        composed(CALL, np.ones(count, np.float32))
    assert len(forms[0].starts) <= answers.MOST_STARTS
