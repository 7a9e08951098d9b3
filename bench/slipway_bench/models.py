"""The models that are measured: a tiny one, a middling one, and two that have to work."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Rows = NDArray[np.float32]
RANDOM = np.random.default_rng

PERCEPTRONS = {"tiny": (4, 16, 16, 3), "mlp": (256, 1024, 1024, 16)}
Layers = tuple[tuple[int, int, int], ...]
"""Channels in, channels out and stride, of kernels of 3 by 3."""

CONVOLUTIONS: dict[str, tuple[int, Layers]] = {
    "conv": (64, ((3, 32, 1), (32, 64, 2), (64, 64, 2))),
    "deep": (16, ((3, 64, 1), *[(64, 64, 1)] * 8)),
}
"""The image's size, and its layers."""

CLASSES = 16


@dataclass(frozen=True)
class Model:
    """One input ``x`` and one output, FP32; the first dimension is the batch."""

    path: Path
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """What it is served as."""
        return self.path.stem

    def rows(self, count: int, seed: int = 1) -> Rows:
        """Make some input, the same each time."""
        return RANDOM(seed).random((count, *self.shape), np.float32)

    def session(self) -> ort.InferenceSession:
        """Load it as the runtime does: one thread, no spinning."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return ort.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])


def build(folder: Path) -> dict[str, Model]:
    """Write all models into a folder."""
    models = {}
    for name, sizes in PERCEPTRONS.items():
        models[name] = Model(folder / f"{name}.onnx", sizes[:1])
        _save(models[name], sizes[-1], list(_perceptron(sizes)))
    for name, (size, layers) in CONVOLUTIONS.items():
        models[name] = convolution(folder / f"{name}.onnx", size, layers)
    return models


def convolution(path: Path, size: int, layers: Layers) -> Model:
    """Write a convolutional model of square images."""
    model = Model(path, (3, size, size))
    _save(model, CLASSES, list(_convolutions(layers)))
    return model


Part = onnx.NodeProto | onnx.TensorProto


def _perceptron(sizes: tuple[int, ...]) -> Iterator[Part]:
    last = "x"
    for number, (rows, columns) in enumerate(pairwise(sizes)):
        yield _weight(f"w{number}", (rows, columns), rows)
        yield helper.make_node("MatMul", [last, f"w{number}"], [f"h{number}"])
        last = "y" if number == len(sizes) - 2 else f"r{number}"
        yield helper.make_node("Relu", [f"h{number}"], [last])


def _convolutions(layers: Layers) -> Iterator[Part]:
    last = "x"
    for number, (before, after, stride) in enumerate(layers):
        yield _weight(f"k{number}", (after, before, 3, 3), before * 9)
        yield helper.make_node(
            "Conv",
            [last, f"k{number}"],
            [f"c{number}"],
            pads=[1, 1, 1, 1],
            strides=[stride, stride],
        )
        yield helper.make_node("Relu", [f"c{number}"], [last := f"r{number}"])
    yield helper.make_node("GlobalAveragePool", [last], ["pooled"])
    yield helper.make_node("Flatten", ["pooled"], ["flat"])
    yield _weight("w", (layers[-1][1], CLASSES), layers[-1][1])
    yield helper.make_node("MatMul", ["flat", "w"], ["y"])


def _weight(name: str, shape: tuple[int, ...], fan_in: int) -> onnx.TensorProto:
    values = RANDOM(0).standard_normal(shape, np.float32) / np.float32(fan_in**0.5)
    return numpy_helper.from_array(values, name)


def _save(model: Model, width: int, parts: list[Part]) -> None:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
        for name, shape in (("x", model.shape), ("y", (width,)))
    ]
    graph = helper.make_graph(
        [part for part in parts if isinstance(part, onnx.NodeProto)],
        model.name,
        ends[:1],
        ends[1:],
        [part for part in parts if isinstance(part, onnx.TensorProto)],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[opset]), model.path)
