"""Small ONNX models, each of which does one thing that a test can tell apart."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IR_VERSION = 10
OPSET = 17

TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "BF16": TensorProto.BFLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}

Shape = Sequence[int | str]


def a_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto] = (),
    versions: tuple[int, int] = (IR_VERSION, OPSET),
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "test", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", versions[1])]
    return helper.make_model(graph, ir_version=versions[0], opset_imports=opsets)


def a_tensor(name: str, datatype: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TYPES[datatype], shape)


def identity(
    datatype: str = "FP32",
    shape: Shape = ("N", 3),
    versions: tuple[int, int] = (IR_VERSION, OPSET),
) -> onnx.ModelProto:
    """Answer ``y`` with what came as ``x``."""
    node = helper.make_node("Identity", ["x"], ["y"])
    ends = a_tensor("x", datatype, shape), a_tensor("y", datatype, shape)
    return a_model([node], [ends[0]], [ends[1]], versions=versions)


def identities(datatypes: Sequence[str]) -> onnx.ModelProto:
    """Answer ``y_FP32`` with what came as ``x_FP32``, and so on for each type."""
    nodes = [helper.make_node("Identity", [f"x_{name}"], [f"y_{name}"]) for name in datatypes]
    inputs = [a_tensor(f"x_{name}", name, ["N", 3]) for name in datatypes]
    outputs = [a_tensor(f"y_{name}", name, ["N", 3]) for name in datatypes]
    return a_model(nodes, inputs, outputs)


def arithmetic() -> onnx.ModelProto:
    """Answer ``sum`` and ``difference`` of ``a`` and ``b``."""
    ends = [a_tensor(name, "FP32", ["N"]) for name in ("a", "b", "sum", "difference")]
    nodes = [
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    return a_model(nodes, ends[:2], ends[2:])


def logarithm() -> onnx.ModelProto:
    """Answer ``y`` = log(x): infinite for 0, and no number below."""
    node = helper.make_node("Log", ["x"], ["y"])
    return a_model([node], [a_tensor("x", "FP32", ["N"])], [a_tensor("y", "FP32", ["N"])])


def total() -> onnx.ModelProto:
    """Answer ``y`` with the sum of all that came as ``x``."""
    node = helper.make_node("ReduceSum", ["x"], ["y"])
    return a_model([node], [a_tensor("x", "FP32", ["N", 1])], [a_tensor("y", "FP32", [1, 1])])


def leaning() -> onnx.ModelProto:
    """Answer ``y`` = ``x`` and the mean of all rows: what a row gets depends on the others."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0]),
        helper.make_node("Add", ["x", "mean"], ["y"]),
    ]
    return a_model(nodes, [a_tensor("x", "FP32", ["N", 3])], [a_tensor("y", "FP32", ["N", 3])])


def lookup() -> onnx.ModelProto:
    """Answer ``y`` = the row ``x`` of a table of three: other indices are an error."""
    table = numpy_helper.from_array(np.arange(3, dtype=np.float32), "table")
    node = helper.make_node("Gather", ["table", "x"], ["y"])
    ends = a_tensor("x", "INT64", ["N"]), a_tensor("y", "FP32", ["N"])
    return a_model([node], [ends[0]], [ends[1]], [table])


def filler() -> onnx.ModelProto:
    """Answer ``y`` with as many zeros as the number that comes as ``x``."""
    node = helper.make_node("ConstantOfShape", ["x"], ["y"])
    return a_model([node], [a_tensor("x", "INT64", [1])], [a_tensor("y", "FP32", ["N"])])


def long(nodes: int) -> onnx.ModelProto:
    """Answer ``y`` with ``x`` after so many nodes, which take their time to be loaded."""
    names = ["x", *(f"h{number}" for number in range(nodes - 1)), "y"]
    steps = [helper.make_node("Neg", [before], [after]) for before, after in pairwise(names)]
    return a_model(steps, [a_tensor("x", "FP32", ["N", 1])], [a_tensor("y", "FP32", ["N", 1])])


def slow(iterations: int, size: int = 256) -> onnx.ModelProto:
    """Answer ``y`` after so many multiplications of two square matrices."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.random((size, size), np.float32) / size, "w")
    names = ["x", *(f"h{number}" for number in range(iterations - 1)), "y"]
    nodes = [
        helper.make_node("MatMul", [before, "w"], [after]) for before, after in pairwise(names)
    ]
    ends = a_tensor("x", "FP32", [size, size]), a_tensor("y", "FP32", [size, size])
    return a_model(nodes, [ends[0]], [ends[1]], [weight])


def deep(layers: int, width: int = 256) -> onnx.ModelProto:
    """Answer ``y`` = ``x`` after so many multiplications with a rotation, rows each by itself."""
    turn = numpy_helper.from_array(np.roll(np.eye(width, dtype=np.float32), 1, 1), "turn")
    names = ["x", *(f"h{number}" for number in range(layers - 1)), "y"]
    nodes = [
        helper.make_node("MatMul", [before, "turn"], [after]) for before, after in pairwise(names)
    ]
    ends = a_tensor("x", "FP32", ["N", width]), a_tensor("y", "FP32", ["N", width])
    return a_model(nodes, [ends[0]], [ends[1]], [turn])


def blurring() -> onnx.ModelProto:
    """Answer ``y``, an image's mean after three convolutions that keep its size, which is any."""
    nodes, weights, last, channels = [], [], "x", 3
    for number, width in enumerate((16, 16, 32)):
        kernel = np.full((width, channels, 3, 3), 1 / (9 * channels), np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{number}"))
        given = [last, f"w{number}"]
        nodes.append(helper.make_node("Conv", given, [f"h{number}"], pads=[1, 1, 1, 1]))
        last, channels = f"h{number}", width
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["y"]))
    ends = a_tensor("x", "FP32", ["N", 3, "H", "W"]), a_tensor("y", "FP32", ["N", 32, 1, 1])
    return a_model(nodes, [ends[0]], [ends[1]], weights)


def counting() -> onnx.ModelProto:
    """Answer ``y``, to which one is added as often as ``x`` says: as slow as the caller wants."""
    scalar = [helper.make_tensor_value_info("i", TensorProto.INT64, [])]
    more = helper.make_tensor_value_info("more", TensorProto.BOOL, [])
    before, after = (a_tensor(name, "FP32", [1]) for name in ("before", "after"))
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["again"]),
            helper.make_node("Add", ["before", "one"], ["after"]),
        ],
        "body",
        [*scalar, more, before],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), after],
    )
    first = [
        numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
        numpy_helper.from_array(np.ones(1, np.float32), "one"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    node = helper.make_node("Loop", ["x", "yes", "zero"], ["y"], body=body)
    return a_model([node], [a_tensor("x", "INT64", [1])], [a_tensor("y", "FP32", [1])], first)


def with_external_data(directory: Path, location: str = "weights.bin") -> Path:
    """Save a model that adds one to its input; the one is in another file."""
    weight = numpy_helper.from_array(np.full(512, 1, np.float32), "one")
    node = helper.make_node("Add", ["x", "one"], ["y"])
    ends = a_tensor("x", "FP32", ["N", 512]), a_tensor("y", "FP32", ["N", 512])
    model = a_model([node], [ends[0]], [ends[1]], [weight])
    path = directory / "model.onnx"
    (directory / location).parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, path, save_as_external_data=True, location=location)
    return path


def written(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path
