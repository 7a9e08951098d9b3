import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from fixtures import broken
from slipway_runtime.datatypes import DATATYPES, Datatype
from slipway_runtime.engine import Engine, Tuning
from slipway_runtime.errors import Fault, InvalidRequestError, Kind, Reason, RequestError
from support.onnx_models import (
    a_model,
    a_tensor,
    arithmetic,
    filler,
    identities,
    identity,
    long,
    lookup,
    written,
)


def load(model: onnx.ModelProto, directory: Path) -> Engine:
    return Engine.load(written(model, directory / "model.onnx"), Tuning(1))


@pytest.mark.parametrize("datatype", DATATYPES, ids=lambda datatype: datatype.name)
def test_every_type_of_the_protocol_goes_in_and_out(datatype: Datatype, tmp_path: Path) -> None:
    engine = load(identity(datatype.name), tmp_path)
    given = np.array([["a", "é", ""]] if datatype.name == "BYTES" else [[0, 1, 1]], datatype.dtype)
    (answer,) = engine.run({"x": given}, ["y"])
    assert engine.signature.inputs["x"].datatype == datatype
    assert answer.dtype == given.dtype
    assert answer.tolist() == given.tolist()


def test_outputs_come_in_the_order_asked_for(tmp_path: Path) -> None:
    engine = load(arithmetic(), tmp_path)
    feed = {"a": np.array([3], np.float32), "b": np.array([1], np.float32)}
    assert [a.tolist() for a in engine.run(feed, ["difference", "sum"])] == [[2], [4]]


def test_dimensions_without_a_size_are_free(tmp_path: Path) -> None:
    engine = load(identity(shape=["N", 2]), tmp_path)
    assert engine.signature.inputs["x"].shape == (-1, 2)


def test_an_input_at_which_the_model_stops_is_the_callers_fault(tmp_path: Path) -> None:
    engine = load(lookup(), tmp_path)
    with pytest.raises(InvalidRequestError, match="out of data bounds"):
        engine.run({"x": np.array([7])}, ["y"])


def test_a_model_that_has_never_worked_is_not_the_callers_fault(tmp_path: Path) -> None:
    node = helper.make_node("Reshape", ["x", "to"], ["y"])
    to = helper.make_tensor("to", TensorProto.INT64, [1], [7])
    ends = a_tensor("x", "FP32", ["N"]), a_tensor("y", "FP32", ["M"])
    engine = load(a_model([node], [ends[0]], [ends[1]], [to]), tmp_path)
    with pytest.raises(RequestError) as first:
        engine.run({"x": np.ones(3, np.float32)}, ["y"])
    assert first.value.kind is Kind.INTERNAL
    engine.run({"x": np.ones(7, np.float32)}, ["y"])
    with pytest.raises(InvalidRequestError):
        engine.run({"x": np.ones(3, np.float32)}, ["y"])


def test_an_answer_that_does_not_fit_into_memory_is_no_fault_of_the_request(tmp_path: Path) -> None:
    engine = load(filler(), tmp_path)
    engine.run({"x": np.array([1])}, ["y"])
    with pytest.raises(RequestError, match="ran out of memory") as error:
        engine.run({"x": np.array([2**45])}, ["y"])
    assert error.value.kind is Kind.INTERNAL


async def test_a_model_that_loads_for_long_holds_up_nobody(tmp_path: Path) -> None:
    """Probes are answered meanwhile: the interpreter is free, and so is the event loop."""
    path = written(long(20_000), tmp_path / "model.onnx")
    began = perf_counter()
    loading = asyncio.create_task(asyncio.to_thread(Engine.load, path, Tuning(1)))
    turns = [began]
    while not loading.done():
        await asyncio.sleep(0.001)
        turns.append(perf_counter())
    assert turns[-1] - began > 0.2
    assert max(later - turn for turn, later in pairwise(turns)) < (turns[-1] - began) / 4


def test_onnxruntime_is_told_not_to_report_home_before_it_is_imported() -> None:
    code = (
        "import os, sys; del os.environ['ORT_DISABLE_TELEMETRY']; import slipway_runtime;"
        "assert 'onnxruntime' not in sys.modules; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    told = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "1\n"


def test_a_classifier_with_zipmap_is_refused_with_the_remedy(tmp_path: Path) -> None:
    from skl2onnx import to_onnx  # noqa: PLC0415 - takes seconds

    rows = np.array([[0.0], [1.0]], np.float32)
    model = to_onnx(LogisticRegression().fit(rows, [0, 1]), rows, target_opset={"": 17})
    with pytest.raises(Fault) as fault:
        load(model, tmp_path)
    assert fault.value.reason is Reason.MODEL_UNSUPPORTED
    assert "seq(map(int64,tensor(float)))" in fault.value.message
    assert 'options={"zipmap": False}' in fault.value.hint


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(broken.ir_too_new, "IR version 99; onnxruntime", id="IR"),
        pytest.param(broken.opset_too_new, "opset 99 of ai.onnx.ml; onnxruntime", id="opset"),
    ],
)
def test_a_model_of_the_future_is_refused_with_both_numbers(
    path: Callable[[], Path], expected: str
) -> None:
    with pytest.raises(Fault) as fault:
        Engine.load(path(), Tuning(1))
    assert fault.value.reason is Reason.MODEL_TOO_NEW
    assert expected in fault.value.message
    assert "takes at most" in fault.value.message
    assert "or lower" in fault.value.hint


def test_an_operator_that_nobody_knows_is_named(tmp_path: Path) -> None:
    ends = a_tensor("x", "FP32", [1]), a_tensor("y", "FP32", [1])
    model = a_model([helper.make_node("Frobnicate", ["x"], ["y"])], [ends[0]], [ends[1]])
    with pytest.raises(Fault, match="Frobnicate") as fault:
        load(model, tmp_path)
    assert fault.value.reason is Reason.MODEL_UNSUPPORTED


def test_a_graph_that_does_not_fit_together_is_invalid(tmp_path: Path) -> None:
    ends = a_tensor("x", "FP32", [1]), a_tensor("y", "FP32", [1])
    model = a_model([helper.make_node("Add", ["x", "nowhere"], ["y"])], [ends[0]], [ends[1]])
    with pytest.raises(Fault, match="nowhere") as fault:
        load(model, tmp_path)
    assert fault.value.reason is Reason.MODEL_INVALID
    assert "onnxruntime_src" not in fault.value.message


def test_strings_and_bfloat16_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"ModelUnsupported.*no way to pass both"):
        load(identities(["BYTES", "BF16"]), tmp_path)


def test_config_entries_reach_the_session(tmp_path: Path) -> None:
    path = written(identity(), tmp_path / "model.onnx")
    with pytest.raises(Fault, match="ModelInvalid"):
        Engine.load(path, Tuning(1, entries=(("session.load_model_format", "ORT"),)))
