"""What a request means over gRPC is what it means over REST, right or wrong."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_runtime import answers, protocol, tensors
from slipway_runtime.answers import Form
from slipway_runtime.classes import Classes
from slipway_runtime.datatypes import Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.grpc import requests, responses, wire
from slipway_runtime.grpc.messages import message, parse
from slipway_runtime.grpc.typed import FIELDS
from support.tensors import BY_NAME, arrays

REQUEST = message("inference.ModelInferRequest")
RESPONSE = message("inference.ModelInferResponse")

Asked = dict[str, Any]
"""A request as both protocols could say it: inputs have ``name, datatype, shape, raw``."""


def specs(**datatypes: str) -> dict[str, TensorSpec]:
    return {name: TensorSpec(name, BY_NAME[kind], (-1,)) for name, kind in datatypes.items()}


SIGNATURE = Signature(specs(a="FP32", b="INT64"), specs(y="FP32", h="FP16", t="BYTES"))


def asked(**changes: Any) -> Asked:
    a = {
        "name": "a",
        "datatype": "FP32",
        "shape": [2],
        "raw": np.array([1, 2], np.float32).tobytes(),
    }
    b = {"name": "b", "datatype": "INT64", "shape": [1], "raw": np.array([3], np.int64).tobytes()}
    return {"inputs": [a, b], "outputs": [], "parameters": {}, "id": "", **changes}


def change(index: int, **changes: Any) -> Asked:
    inputs = asked()["inputs"]
    inputs[index] = inputs[index] | changes
    return asked(inputs=inputs)


def fill(parameters: Any, given: dict[str, Any]) -> None:
    for name, value in given.items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}
        setattr(parameters[name], kind.get(type(value), "double_param"), value)


def as_message(request: Asked) -> Any:
    said = REQUEST(model_name="m", id=request["id"])
    fill(said.parameters, request["parameters"])
    for tensor in request["inputs"]:
        one = said.inputs.add(
            name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"]
        )
        fill(one.parameters, tensor.get("parameters", {}))
        said.raw_input_contents.append(tensor["raw"])
    for output in request["outputs"]:
        fill(said.outputs.add(name=output["name"]).parameters, output.get("parameters", {}))
    return said


def over_grpc(said: Any, signature: Signature = SIGNATURE) -> requests.Asked:
    content = said.SerializeToString()
    return requests.Reader(signature).read(REQUEST.FromString(content), content)


def over_rest(request: Asked, signature: Signature = SIGNATURE) -> protocol.Call:
    inputs = []
    for tensor in request["inputs"]:
        parameters = {**tensor.get("parameters", {}), "binary_data_size": len(tensor["raw"])}
        said = {key: tensor[key] for key in ("name", "datatype", "shape")}
        inputs.append(said | {"parameters": parameters})
    parameters = {**request["parameters"], "binary_data_output": True}
    said = {**request, "inputs": inputs, "parameters": parameters}
    header = json.dumps(said).encode()
    tail = b"".join(tensor["raw"] for tensor in request["inputs"])
    return protocol.Reader(signature).read(header + tail, len(header))


def assert_equal(ours: protocol.Call, theirs: protocol.Call) -> None:
    assert ours.feed.keys() == theirs.feed.keys()
    for name, array in ours.feed.items():
        other = theirs.feed[name]
        assert (array.dtype, array.shape) == (other.dtype, other.shape)
        assert array.tobytes() == other.tobytes() or array.tolist() == other.tolist()
    assert (ours.wish, ours.id, ours.priority) == (theirs.wish, theirs.id, theirs.priority)
    assert ours.timeout == theirs.timeout


@given(arrays(in_json=False))
def test_any_raw_tensor_is_read_as_over_rest(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    signature = Signature({"x": spec}, {"y": spec})
    raw = bytes(tensors.to_bytes(array))
    tensor = {"name": "x", "datatype": spec.datatype.name, "shape": list(array.shape), "raw": raw}
    request = asked(inputs=[tensor])
    assert_equal(over_grpc(as_message(request), signature).call, over_rest(request, signature))


@given(arrays(in_json=True))
def test_any_typed_tensor_is_read_as_the_raw_one(case: tuple[TensorSpec, Any]) -> None:
    spec, array = case
    signature = Signature({"x": spec}, {"y": spec})
    said = REQUEST(model_name="m")
    tensor = said.inputs.add(name="x", datatype=spec.datatype.name, shape=array.shape)
    values = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
    getattr(tensor.contents, FIELDS[spec.datatype.name]).extend(values)
    read = over_grpc(said, signature)
    assert read.typed
    raw = tensors.from_bytes(spec, array.shape, tensors.to_bytes(array))
    assert read.call.feed["x"].dtype == raw.dtype
    assert np.array_equal(read.call.feed["x"], raw)


@pytest.mark.parametrize(
    "request_",
    [
        asked(),
        asked(inputs=asked()["inputs"][::-1], id="7"),
        asked(parameters={"priority": 2, "timeout": 1500, "other": 0.5, "sequence_end": True}),
        asked(outputs=[{"name": "t"}, {"name": "y", "parameters": {"classification": 2}}]),
        change(0, parameters={"content_type": "np"}),
    ],
)
def test_a_request_means_what_it_means_over_rest(request_: Asked) -> None:
    assert_equal(over_grpc(as_message(request_)).call, over_rest(request_))


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asked(inputs=[]), id="no inputs"),
        pytest.param(asked(inputs=asked()["inputs"][:1]), id="an input missing"),
        pytest.param(asked(inputs=asked()["inputs"] * 2), id="an input twice"),
        pytest.param(change(0, name="z"), id="an unknown input"),
        pytest.param(change(0, datatype="FP64"), id="another datatype"),
        pytest.param(change(0, datatype="complex"), id="no datatype"),
        pytest.param(change(0, shape=[3]), id="too few bytes"),
        pytest.param(change(0, shape=[1]), id="too many bytes"),
        pytest.param(change(0, shape=[-2]), id="a negative size"),
        pytest.param(change(0, shape=[2, 1]), id="another rank"),
        pytest.param(change(0, shape=[1] * 40), id="too many dimensions"),
        pytest.param(change(0, shape=[2**40] * 2), id="a huge shape"),
        pytest.param(change(0, parameters={"shared_memory_region": "r"}), id="shared memory"),
        pytest.param(asked(outputs=[{"name": "q"}]), id="an unknown output"),
        pytest.param(asked(outputs=[{"name": "y"}] * 2), id="an output twice"),
        pytest.param(
            asked(outputs=[{"name": "y", "parameters": {"classification": "2"}}]), id="classes"
        ),
        pytest.param(
            asked(outputs=[{"name": "t", "parameters": {"classification": 2}}]), id="text classes"
        ),
        pytest.param(
            asked(outputs=[{"name": "y", "parameters": {"shared_memory_region": "r"}}]),
            id="shared output",
        ),
        pytest.param(asked(parameters={"priority": -1}), id="a negative priority"),
        pytest.param(asked(parameters={"priority": "high"}), id="a priority in words"),
        pytest.param(asked(parameters={"timeout": 0.5}), id="half a microsecond"),
    ],
)
def test_a_wrong_request_is_refused_in_the_same_words(request_: Asked) -> None:
    with pytest.raises(InvalidRequestError) as theirs:
        over_rest(request_)
    with pytest.raises(InvalidRequestError) as ours:
        over_grpc(as_message(request_))
    words = theirs.value.message
    if "binary_data_size" not in words:
        assert ours.value.message == words


def typed(**changes: Any) -> Any:
    said = REQUEST(model_name="m")
    a = said.inputs.add(name="a", datatype="FP32", shape=[2])
    a.contents.fp32_contents.extend([1, 2])
    b = said.inputs.add(name="b", datatype="INT64", shape=[1])
    b.contents.int64_contents.append(3)
    for name, value in changes.items():
        getattr(b.contents, name)[:] = value
    return said


def raw_and_typed() -> Any:
    said = typed()
    said.raw_input_contents.extend([b"", b""])
    return said


def too_few() -> Any:
    said = as_message(asked())
    del said.raw_input_contents[1]
    return said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(typed(int64_contents=[]), "int64_contents has 0 elements", id="no contents"),
        pytest.param(
            typed(int64_contents=[1, 2]), "has 2 elements, the request's shape [1] takes 1", id="2"
        ),
        pytest.param(
            typed(int64_contents=[], int_contents=[3]),
            "input 'b' (INT64 [-1]): 1 elements came in int_contents, expected them in int64",
            id="another field",
        ),
        pytest.param(typed(fp64_contents=[3]), "came in fp64_contents, expected", id="two fields"),
        pytest.param(raw_and_typed(), "both contents and raw_input_contents", id="both"),
        pytest.param(too_few(), "2 inputs and 1 raw_input_contents", id="one raw of two"),
    ],
)
def test_wrong_contents_are_refused(said: Any, expected: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        over_grpc(said)
    assert expected in refusal.value.message


@pytest.mark.parametrize(
    ("datatype", "field", "value", "expected"),
    [
        ("INT8", "int_contents", 128, "a number beyond INT8"),
        ("UINT8", "uint_contents", 256, "a number beyond UINT8"),
        ("INT16", "int_contents", -32769, "a number beyond INT16"),
        ("BYTES", "bytes_contents", b"\xff", "string 0 is not UTF-8"),
        ("FP16", "fp32_contents", 1.0, "FP16 has no typed contents; send raw_input_contents"),
        ("BF16", "fp32_contents", 1.0, "BF16 has no typed contents; send raw_input_contents"),
    ],
)
def test_elements_that_do_not_fit_are_refused(
    datatype: str, field: str, value: Any, expected: str
) -> None:
    signature = Signature(specs(x=datatype), specs(y="FP32"))
    said = REQUEST(model_name="m")
    tensor = said.inputs.add(name="x", datatype=datatype, shape=[1])
    getattr(tensor.contents, field).append(value)
    with pytest.raises(InvalidRequestError) as refusal:
        over_grpc(said, signature)
    assert expected in refusal.value.message


# What is remembered of a request.


def remembered(said: Any) -> requests.Reader:
    reader = requests.Reader(SIGNATURE)
    content = said.SerializeToString()
    reader.read(said, content)
    return reader


def test_a_request_like_the_one_before_is_read_from_memory() -> None:
    reader = remembered(as_message(asked(parameters={"priority": 2})))
    again = change(0, raw=np.array([5, 6], np.float32).tobytes()) | {"parameters": {"priority": 2}}
    recalled = reader.recall(as_message(again).SerializeToString())
    assert recalled is not None
    assert_equal(recalled.call, over_rest(again))


def test_an_id_is_not_remembered() -> None:
    said = as_message(asked(id="7"))
    assert remembered(said).recall(said.SerializeToString()) is None


def test_strings_of_another_length_are_not_taken_for_those_before() -> None:
    signature = Signature(specs(x="BYTES"), specs(y="FP32"))

    def content(text: bytes) -> bytes:
        raw = len(text).to_bytes(4, "little") + text
        tensor = {"name": "x", "datatype": "BYTES", "shape": [1], "raw": raw}
        return bytes(as_message(asked(inputs=[tensor])).SerializeToString())

    reader = requests.Reader(signature)
    reader.read(REQUEST.FromString(content(b"one")), content(b"one"))
    same, longer = reader.recall(content(b"two")), reader.recall(content(b"three"))
    assert same is not None
    assert same.call.feed["x"].tolist() == ["two"]
    assert longer is None


RAW = as_message(asked()).SerializeToString()


@given(st.integers(0, len(RAW)), st.binary(max_size=30), st.integers(0, 40))
def test_whatever_is_recalled_means_what_reading_it_means(at: int, new: bytes, cut: int) -> None:
    content = RAW[:at] + new + RAW[at + cut :]
    reader = remembered(REQUEST.FromString(RAW))
    try:
        recalled = reader.recall(content)
    except InvalidRequestError:
        recalled = None
    if recalled:
        request = REQUEST.FromString(content)
        fresh = requests.Reader(SIGNATURE).read(request, content)
        assert request.model_name == "m"
        assert_equal(recalled.call, fresh.call)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(InvalidRequestError):
        requests.Reader(SIGNATURE).read(parse(REQUEST, content), content)


def test_a_request_may_end_in_a_field_that_looks_like_its_tensors() -> None:
    tail = RAW[RAW.index(wire.key(7)) :]
    content = RAW + wire.field(wire.key(15), tail)
    reader = requests.Reader(SIGNATURE)
    asked_for = reader.read(parse(REQUEST, content), content)
    assert_equal(asked_for.call, over_rest(asked()))
    assert reader.recall(content) is None


# Answers.


def form(spec: TensorSpec, classes: Classes | None = None) -> Form:
    return Form(spec.name, spec.datatype, answers.head(spec.name, spec.datatype), True, classes)


def written(arrays: list[Any], forms: list[Form], as_typed: bool = False) -> Any:
    prefix = responses.prefix("m", "7")
    return RESPONSE.FromString(responses.write(prefix, "id", forms, arrays, as_typed))


@given(arrays(in_json=False), st.booleans())
def test_an_answer_is_what_came(case: tuple[TensorSpec, Any], as_typed: bool) -> None:
    spec, array = case
    answer = written([array], [form(spec)], as_typed)
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "7", "id")
    (output,) = answer.outputs
    assert (output.name, output.datatype) == ("x", spec.datatype.name)
    assert tuple(output.shape) == array.shape
    if as_typed and spec.datatype.name in FIELDS:
        assert not answer.raw_output_contents
        values = list(getattr(output.contents, FIELDS[spec.datatype.name]))
        texts = [v.decode() if isinstance(v, bytes) else v for v in values]
        assert np.array_equal(
            np.array(texts, spec.datatype.dtype), array.ravel(), equal_nan=array.dtype.kind == "f"
        )
    else:
        assert [bytes(tensors.to_bytes(array))] == list(answer.raw_output_contents)


def test_several_outputs_keep_their_order_and_classes_are_strings() -> None:
    y, h = SIGNATURE.outputs["y"], SIGNATURE.outputs["h"]
    array = np.array([0.25, 0.75], np.float32)
    best = Form("y", BY_NAME["BYTES"], b"", True, Classes(y.datatype, 1))
    answer = written([array, array.astype(np.float16)], [best, form(h)])
    assert [(o.name, o.datatype, list(o.shape)) for o in answer.outputs] == [
        ("y", "BYTES", [1]),
        ("h", "FP16", [2]),
    ]
    assert answer.raw_output_contents[0][4:] == b"0.750000:1"


def test_typed_and_raw_do_not_mix() -> None:
    y, h = SIGNATURE.outputs["y"], SIGNATURE.outputs["h"]
    array = np.array([1], np.float32)
    answer = written([array, array.astype(np.float16)], [form(y), form(h)], as_typed=True)
    assert len(answer.raw_output_contents) == 2
    assert not any(output.HasField("contents") for output in answer.outputs)


@given(st.integers(0, 2**40))
def test_lengths_are_written_as_protobuf_does(value: int) -> None:
    known = message("inference.ModelReadyRequest")
    assert wire.varint(value) == _as_protobuf(value)
    assert known.FromString(wire.field(wire.key(1), b"m")).name == "m"


def _as_protobuf(value: int) -> bytes:
    duration = message("inference.StatisticDuration")
    return bytes(duration(count=value).SerializeToString()[1:]) or b"\0"
