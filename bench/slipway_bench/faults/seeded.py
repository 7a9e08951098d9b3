"""The faults: each a small change of a good model, or of what serves it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from fixtures.broken import MIXING

Edit = Callable[[onnx.ModelProto], None]

SERVE = "from slipway_runtime import __main__; __main__.main()"


@dataclass(frozen=True)
class Fault:
    """What is done to the model's file, to its settings, or to the program that serves it."""

    name: str
    edit: Edit = lambda _: None
    spoil: Callable[[bytes], bytes] = lambda content: content
    model: Mapping[str, Any] = field(default_factory=dict)
    program: str = ""
    quantize: bool = False

    def write(self, good: Path, path: Path) -> None:
        """Write the faulty model."""
        if self.quantize:
            from onnxruntime.quantization import quantize_dynamic  # noqa: PLC0415 - one needs it

            quantize_dynamic(good, path)
            return
        model = onnx.load(good)
        self.edit(model)
        path.write_bytes(self.spoil(model.SerializeToString()))


def _weight(name: str, change: Callable[[Any], Any]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        [tensor] = [each for each in model.graph.initializer if each.name == name]
        tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))

    return edit


def _one(value: float) -> Callable[[Any], Any]:
    def change(weights: Any) -> Any:
        weights[0, 0] = value
        return weights

    return change


def _node(kind: str, change: Callable[[onnx.NodeProto], None]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        change(next(node for node in model.graph.node if node.op_type == kind))

    return edit


def _into(kind: str, **attributes: Any) -> Callable[[onnx.NodeProto], None]:
    """Make a node one of another kind, with the same ends."""

    def change(node: onnx.NodeProto) -> None:
        node.CopyFrom(helper.make_node(kind, node.input, node.output, **attributes))

    return change


def _scaled(name: str, change: Callable[[Any], Any]) -> Callable[[onnx.NodeProto], None]:
    def edit(node: onnx.NodeProto) -> None:
        [attribute] = [each for each in node.attribute if each.name == name]
        attribute.floats[:] = change(np.array(attribute.floats)).tolist()

    return edit


def _versions(ir: int, opset: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.ir_version = ir
        for each in model.opset_import:
            each.version = each.version if each.domain else opset

    return edit


def _renamed(old: str, new: str) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        for end in (*model.graph.input, *model.graph.output):
            end.name = new if end.name == old else end.name
        for node in model.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]

    return edit


def _swapped(model: onnx.ModelProto) -> None:
    for old, new in (("label", "other"), ("probabilities", "label"), ("other", "probabilities")):
        _renamed(old, new)(model)


def _without_input(model: onnx.ModelProto) -> None:
    del model.graph.input[:]
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 64), np.float32), "X"))


def _another_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [None, 1]))
    _insert(model, "mul_result1", [helper.make_node("Add", ["in", "age"], ["out"])])


def _doubles(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _external(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 2:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
            set_external_data(tensor, location="digits.weights")
            tensor.ClearField("raw_data")


def _insert(model: onnx.ModelProto, after: str, nodes: list[onnx.NodeProto]) -> None:
    """Put nodes, from ``in`` to ``out``, behind a tensor."""
    place = next(i for i, node in enumerate(model.graph.node) if after in node.output) + 1
    for node in model.graph.node:
        node.input[:] = ["out" if name == after else name for name in node.input]
    for node in nodes:
        node.input[:] = [after if name == "in" else name for name in node.input]
    for offset, node in enumerate(nodes):
        model.graph.node.insert(place + offset, node)


def _half(model: onnx.ModelProto) -> None:
    """Compute the logits in float16, after a factor that is too much for it."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(10_000, np.float32), "factor"))
    nodes = [
        helper.make_node("Mul", ["in", "factor"], ["large"]),
        helper.make_node("Cast", ["large"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["single", "factor"], ["out"]),
    ]
    _insert(model, "add_result1", nodes)


def _over_the_batch(model: onnx.ModelProto) -> None:
    """Centre rows by the mean of those that are asked together."""
    nodes = [
        helper.make_node("ReduceMean", ["in"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["in", "mean"], ["out"]),
    ]
    _insert(model, "cast_input", nodes)


def _slow(model: onnx.ModelProto) -> None:
    """Multiply large matrices, to add nothing in the end."""
    square = np.eye(1024, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(square, "square"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "nothing"))
    nodes = [
        helper.make_node("ReduceSum", ["in"], ["one"], keepdims=0),
        helper.make_node("Add", ["square", "one"], ["s0"]),
        *[helper.make_node("MatMul", [f"s{n}", "square"], [f"s{n + 1}"]) for n in range(3)],
        helper.make_node("ReduceSum", ["s3"], ["whole"], keepdims=0),
        helper.make_node("Mul", ["whole", "nothing"], ["zero"]),
        helper.make_node("Add", ["in", "zero"], ["out"]),
    ]
    _insert(model, "add_result1", nodes)


def _greedy(model: onnx.ModelProto) -> None:
    """Keep a table of 512 MiB, of which one element is used."""
    ones = helper.make_tensor("ones", TensorProto.FLOAT, [1], [1.0])
    size = numpy_helper.from_array(np.array([1 << 27]), "size")
    model.graph.initializer.append(size)
    nodes = [
        helper.make_node("Shape", ["in"], ["shape"]),
        helper.make_node("ReduceMin", ["shape"], ["least"], keepdims=0),
        helper.make_node("Div", ["size", "least"], ["count"]),
        helper.make_node("ConstantOfShape", ["count"], ["many"], value=ones),
        helper.make_node("ReduceMin", ["many"], ["unit"], keepdims=0),
        helper.make_node("Mul", ["in", "unit"], ["out"]),
    ]
    _insert(model, "add_result1", nodes)


def _roll(weights: Any) -> Any:
    return np.roll(weights, 1, axis=0)


def _fewer_classes(model: onnx.ModelProto) -> None:
    _weight("coefficient1", lambda weights: weights[:, :9])(model)
    _weight("intercepts1", lambda weights: weights[:, :9])(model)
    model.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 9


FAULTS = (
    Fault("a weight is NaN", _weight("coefficient1", _one(np.nan))),
    Fault("a weight is infinite", _weight("coefficient", _one(np.inf))),
    Fault("the last layer is zero", _weight("coefficient1", np.zeros_like)),
    Fault("a bias is lost", _weight("intercepts", np.zeros_like)),
    Fault("labels are shuffled", _weight("classes", _roll)),
    Fault("weights are of another training", _weight("coefficient", lambda w: w * np.float32(1.1))),
    Fault("a class is missing", _fewer_classes),
    Fault("columns are permuted", _weight("coefficient", _roll)),
    Fault("inputs are multiplied by 1000", _node("Scaler", _scaled("scale", lambda s: s * 1000))),
    Fault("the scaler has another mean", _node("Scaler", _scaled("offset", lambda o: o + 1))),
    Fault("inputs are not scaled", _node("Scaler", _into("Identity"))),
    Fault("an activation is missing", _node("Relu", _into("Identity"))),
    Fault("probabilities do not add up", _node("Softmax", _into("Sigmoid"))),
    Fault("logits instead of probabilities", _node("Softmax", _into("Identity"))),
    Fault("the answer is always the same", _weight("coefficient", np.zeros_like)),
    Fault("the least instead of the most likely", _node("ArgMax", _into("ArgMin", axis=1))),
    Fault("outputs are swapped", _swapped),
    Fault("an output has another name", _renamed("probabilities", "scores")),
    Fault("the input has another name", _renamed("X", "features")),
    Fault("the input is lost", _without_input),
    Fault("a new input is needed", _another_input),
    Fault("the input has another datatype", _doubles),
    Fault("float16 overflows", _half),
    Fault("int8 beyond the tolerance", quantize=True),
    Fault("a statistic over the batch", _over_the_batch),
    Fault("the server mixes up requests", program=MIXING + SERVE),
    Fault("a slow model", _slow),
    Fault("a model that takes too much memory", _greedy),
    Fault("the IR version is too new", _versions(99, 17)),
    Fault("the opset is too new", _versions(8, 99)),
    Fault("the file is cut short", spoil=lambda content: content[: len(content) // 2]),
    Fault("a web page instead of the file", spoil=lambda _: b"<!doctype html><title>Sign in"),
    Fault("weights in another file are missing", _external),
    Fault("another file than was pinned", model={"sha256": "0" * 64}),
)
