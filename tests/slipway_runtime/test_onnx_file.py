from contextlib import suppress
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data

from slipway_runtime import onnx_file
from slipway_runtime.protobuf import MalformedError
from support.onnx_models import (
    a_model,
    a_tensor,
    arithmetic,
    counting,
    identity,
    with_external_data,
)


def outside(name: str, location: str) -> TensorProto:
    tensor = helper.make_tensor(name, TensorProto.FLOAT, [1], b"\0\0\0\0", raw=True)
    set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    return tensor


def test_versions_are_those_that_onnx_wrote() -> None:
    facts = onnx_file.read(identity(versions=(9, 15)).SerializeToString())
    assert facts.ir_version == 9
    assert facts.opsets == {"": 15}
    assert facts.external == []


def test_a_loop_is_found() -> None:
    assert onnx_file.read(counting().SerializeToString()).loops
    assert not onnx_file.read(arithmetic().SerializeToString()).loops


def test_the_standard_domain_has_one_name() -> None:
    model = identity()
    model.opset_import[0].domain = "ai.onnx"
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    assert onnx_file.read(model.SerializeToString()).opsets == {"": 17, "ai.onnx.ml": 3}


def test_external_data_is_found(tmp_path: Path) -> None:
    path = with_external_data(tmp_path, "weights/w.bin")
    assert onnx_file.read(path.read_bytes()).external == ["weights/w.bin"]


def test_external_data_is_found_wherever_a_tensor_can_be() -> None:
    branch = helper.make_graph([], "branch", [], [], [outside("deep", "branch.bin")])
    sparse = onnx.SparseTensorProto(values=outside("v", "sparse.bin"), dims=[1])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside("c", "constant.bin")),
        helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch),
    ]
    model = a_model(nodes, [a_tensor("x", "BOOL", [])], [a_tensor("y", "FP32", [1])])
    model.graph.initializer.append(outside("w", "initializer.bin"))
    model.graph.sparse_initializer.append(sparse)
    function = helper.make_function("d", "f", [], [], [nodes[0]], [helper.make_opsetid("", 17)])
    function.node[0].attribute[0].t.external_data[0].value = "function.bin"
    model.functions.append(function)
    names = ("constant", "branch", "initializer", "sparse", "function")
    found = onnx_file.read(model.SerializeToString()).external
    assert sorted(found) == sorted(f"{name}.bin" for name in names)


def test_each_file_is_named_once() -> None:
    model = identity()
    model.graph.initializer.extend([outside("v", "w.bin"), outside("w", "w.bin")])
    assert onnx_file.read(model.SerializeToString()).external == ["w.bin"]


@pytest.mark.parametrize("length", range(len(arithmetic().SerializeToString())))
def test_a_model_that_is_cut_short_anywhere_is_not_taken_for_a_whole_one(length: int) -> None:
    content = arithmetic().SerializeToString()
    whole = onnx_file.read(content)
    try:
        facts = onnx_file.read(content[:length])
    except MalformedError:
        return
    assert facts != whole or length > len(content) - 10  # the opset's field is the last one


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(MalformedError):
        onnx_file.read(content)


@given(st.data())
def test_a_damaged_model_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(arithmetic().SerializeToString())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    with suppress(MalformedError):
        onnx_file.read(bytes(content))


@pytest.mark.parametrize(
    ("location", "unsafe"),
    [
        ("weights.bin", False),
        ("a/b/weights.bin", False),
        ("..weights", False),
        ("", True),
        ("/etc/passwd", True),
        ("../weights.bin", True),
        ("a/../../weights.bin", True),
        ("a\\..\\..\\w", True),
        ("w\0.bin", True),
    ],
)
def test_locations_stay_in_the_models_directory(location: str, unsafe: bool) -> None:
    assert onnx_file.unsafe(location) is unsafe
