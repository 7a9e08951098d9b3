"""onnxruntime: a session made for serving. No other module imports it."""

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from slipway_runtime import settings
from slipway_runtime.datatypes import BF16, BY_ONNX_NAME, BYTES, Signature, TensorSpec
from slipway_runtime.errors import Fault, InvalidRequestError, Kind, Reason, RequestError
from slipway_runtime.tensors import Array

VERSION: str = ort.__version__

PROVIDERS = {
    "CPU": "CPUExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "TensorRT": "TensorrtExecutionProvider",
    "OpenVINO": "OpenVINOExecutionProvider",
}
"""onnxruntime's names. Only what is asked for is used: its own choice includes a remote service."""

SILENT = 4
"""Errors come to us as exceptions; onnxruntime would also write them to stderr, in its own form."""

ort.set_default_logger_severity(SILENT)

_LEVELS = {
    "Disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "Basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "Extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "All": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}

_QUIET = {
    "session.intra_op.allow_spinning": "0",
    "session.inter_op.allow_spinning": "0",
}
"""Threads that spin for work burn a core at 100 requests a second; measured."""

_NEWEST = (
    r"Unsupported model (?P<what>IR version): (?P<has>\d+), max supported.*?: (?P<most>\d+)",
    r"(?P<what>Opset) (?P<has>\d+) is under dev.* domain (?P<of>\S+) is till opset (?P<most>\d+)",
)


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the session runs."""

    intra_op_threads: int
    level: settings.Level = "All"
    entries: tuple[tuple[str, str], ...] = ()
    providers: tuple[settings.Provider, ...] = ("CPU",)
    require: bool = True


class Engine:
    """A loaded model. ``run`` may be called from several threads at a time."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self.signature = signature
        self.provider: str = session.get_providers()[0]
        self._session = session
        self._inner = session._sess.run  # the public method checks again, for 0.8 µs a run
        self._has_run = False
        every = (*signature.inputs.values(), *signature.outputs.values())
        self._runs_values = any(spec.datatype is BF16 for spec in every)

    @classmethod
    def load(cls, path: Path, tuning: Tuning) -> "Engine":
        """Load a model file.

        Takes as long as onnxruntime's optimiser does, and does not hold the GIL meanwhile.

        Raises:
            Fault: ModelInvalid, ModelTooNew, ModelUnsupported or ProviderUnavailable.
        """
        providers = usable(tuning, ort.get_available_providers())
        try:
            session = ort.InferenceSession(path, _options(tuning), providers=providers)
        except Exception as error:
            raise refusal(path, str(error)) from error
        if tuning.require and session.get_providers()[0] != providers[0]:
            raise _unavailable(tuning.providers[0], "it does not start on this machine")
        return cls(session, _signature(session))

    def run(self, feed: dict[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Predict.

        A model that has run before and stops at this input is the input's fault: an index that
        is out of range, lengths that don't go together.

        Raises:
            RequestError: If onnxruntime stops.
        """
        try:
            if self._runs_values:
                arrays = self._run_values(feed, outputs)
            else:
                arrays = self._inner(outputs, feed, None)
        except Exception as error:
            raise self._stopped(error) from error
        self._has_run = True
        return arrays

    def shrink(self, feed: dict[str, Array]) -> None:
        """Give the memory back that runs larger than this one have left behind.

        onnxruntime keeps what its arena has grown to, and gives it up at the end of a run only.
        """
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            self._session.run(None, feed, options)
        except Exception as error:
            raise self._stopped(error) from error

    def _stopped(self, error: Exception) -> RequestError:
        message = _plain(str(error))
        if re.search("allocate memory|bad.alloc", message):
            return RequestError(Kind.INTERNAL, f"the model ran out of memory: {message}")
        if self._has_run or "INVALID_ARGUMENT" in str(error):
            return InvalidRequestError(f"the model can't work with this input: {message}")
        return RequestError(Kind.INTERNAL, f"the model failed: {message}")

    def _run_values(self, feed: dict[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run with bfloat16, of which numpy knows nothing, passed as untyped memory."""
        values = {
            name: ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, _BFLOAT16)
            if self.signature.inputs[name].datatype is BF16
            else ort.OrtValue.ortvalue_from_numpy(array)
            for name, array in feed.items()
        }
        answers = self._session.run_with_ort_values(outputs, values)
        return [
            _bfloat16(answer) if self.signature.outputs[name].datatype is BF16 else answer.numpy()
            for name, answer in zip(outputs, answers, strict=True)
        ]


_BFLOAT16 = 16
"""TensorProto.BFLOAT16."""


def _bfloat16(value: Any) -> Array:
    """Copy a bfloat16 tensor out of onnxruntime."""
    shape = value.shape()
    size = int(np.prod(shape)) * BF16.dtype.itemsize
    content = ctypes.string_at(value.data_ptr(), size) if size else b""
    return np.frombuffer(content, BF16.dtype).reshape(shape)


def _options(tuning: Tuning) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = tuning.intra_op_threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Plans for each shape: 0.2 µs a run faster, and twice the memory after a burst of shapes.
    options.enable_mem_pattern = False
    options.graph_optimization_level = _LEVELS[tuning.level]
    options.log_severity_level = SILENT
    for key, value in (_QUIET | dict(tuning.entries)).items():
        options.add_session_config_entry(key, value)
    return options


def _signature(session: Any) -> Signature:
    signature = Signature(
        {node.name: _spec("input", node) for node in session.get_inputs()},
        {node.name: _spec("output", node) for node in session.get_outputs()},
    )
    given = {spec.datatype for spec in signature.inputs.values()}
    every = given | {spec.datatype for spec in signature.outputs.values()}
    if BF16 in every and BYTES in given:
        raise Fault(
            Reason.MODEL_UNSUPPORTED,
            "the model takes strings and has bfloat16 inputs or outputs; onnxruntime's Python "
            "interface has no way to pass both.",
            "Cast the bfloat16 tensors to FP32 in the graph.",
        )
    return signature


def _spec(role: str, node: Any) -> TensorSpec:
    datatype = BY_ONNX_NAME.get(node.type)
    if datatype is None:
        raise Fault(
            Reason.MODEL_UNSUPPORTED,
            f"{role} {node.name!r} is of type {node.type}; the Open Inference Protocol has only "
            "tensors of numbers, booleans and strings.",
            _remedy(node.type),
        )
    # A name is a dimension that may vary; None is one of which the model says nothing.
    shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in node.shape)
    return TensorSpec(node.name, datatype, shape)


def _remedy(onnx_type: str) -> str:
    if onnx_type.startswith(("seq(", "map(")):
        return (
            'Export a classifier without ZipMap: skl2onnx options={"zipmap": False}, or cut the '
            "output off the graph."
        )
    return "Cast it to another type in the graph, or cut it off."


def usable(tuning: Tuning, available: Sequence[str]) -> list[str]:
    """Choose the providers to ask for, in order; the CPU's is the last resort.

    Raises:
        Fault: ProviderUnavailable, if the first one is required and not there.
    """
    wanted = [PROVIDERS[name] for name in tuning.providers]
    if tuning.require and wanted[0] not in available:
        raise _unavailable(tuning.providers[0], f"this onnxruntime has {', '.join(available)}")
    return [name for name in dict.fromkeys([*wanted, PROVIDERS["CPU"]]) if name in available]


def _unavailable(provider: str, problem: str) -> Fault:
    return Fault(
        Reason.PROVIDER_UNAVAILABLE,
        f"the execution provider {provider} can't be used: {problem}.",
        "Use a runtime image and a node that have it, name another in "
        "spec.runtime.executionProviders, or set requireProvider: false.",
    )


def refusal(path: Path, message: str) -> Fault:
    """Turn onnxruntime's reason not to load a model into ours."""
    for pattern in _NEWEST:
        if match := re.search(pattern, message, re.DOTALL):
            return _too_new(path, match.groupdict())
    if re.search(r"NOT_IMPLEMENTED|not a registered function|No Op registered", message):
        return Fault(
            Reason.MODEL_UNSUPPORTED,
            f"{path} needs an operator that onnxruntime {VERSION} lacks: {_plain(message)}.",
            "Export the model without it; operators from custom libraries are not supported.",
        )
    return Fault(
        Reason.MODEL_INVALID,
        f"onnxruntime {VERSION} refuses {path}: {_plain(message)}.",
        "Check the model with onnx.checker.check_model, and export it again.",
    )


def _too_new(path: Path, found: dict[str, str]) -> Fault:
    what = found["what"].replace("Opset", "opset")
    domain = f" of {found['of']}" if "of" in found else ""
    return Fault(
        Reason.MODEL_TOO_NEW,
        f"{path} has {what} {found['has']}{domain}; onnxruntime {VERSION} takes at most "
        f"{found['most']}.",
        f"Export the model again with {what} {found['most']} or lower{domain} "
        "(onnx.helper.make_model(ir_version=…), opset_version=… or target_opset=… of the "
        "exporter), or use a newer runtime.",
    )


def _plain(message: str) -> str:
    """Strip onnxruntime's prefix, source positions and line breaks from a message."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", message.strip())
    text = re.sub(r"/onnxruntime_src/\S+ .*?\) (?=[A-Z])", "", text)
    return re.sub(r"\s+", " ", text).rstrip(". ")[:500]
