from pathlib import Path

import pytest

from slipway_runtime import inspection
from slipway_runtime.datatypes import BY_ONNX_NAME, Signature, TensorSpec
from slipway_runtime.errors import Fault
from slipway_runtime.loading import load
from slipway_runtime.settings import Promise, Tensor, parse
from slipway_runtime.signature import check
from support.onnx_models import identity, written
from support.runtime_server import settings_file

FP32 = BY_ONNX_NAME["tensor(float)"]


def a_model(**shapes: tuple[int, ...]) -> Signature:
    """A model with input ``x`` and output ``y``; more names are more inputs."""
    tensors = {name: TensorSpec(name, FP32, shape) for name, shape in shapes.items()}
    output = tensors.pop("y", TensorSpec("y", FP32, (-1, 2)))
    return Signature(tensors, {"y": output})


def a_promise(role: str, name: str, *shape: int, datatype: str = "FP32") -> Promise:
    tensors = (Tensor(name, datatype, shape),)  # type: ignore[arg-type]
    return Promise(inputs=tensors) if role == "inputs" else Promise(outputs=tensors)


def problem(found: Signature, promised: Promise) -> str | None:
    try:
        check(found, promised)
    except Fault as fault:
        return fault.message
    return None


@pytest.mark.parametrize(
    ("promised", "has", "as_input", "as_output"),
    [
        pytest.param(4, 4, True, True, id="the same size"),
        pytest.param(4, -1, True, False, id="the model is free"),
        pytest.param(-1, 4, False, True, id="the promise is free"),
        pytest.param(-1, -1, True, True, id="both are free"),
        pytest.param(4, 5, False, False, id="another size"),
    ],
)
def test_a_model_may_take_more_and_give_less_than_promised(
    promised: int, has: int, as_input: bool, as_output: bool
) -> None:
    taken = problem(a_model(x=(-1, has)), a_promise("inputs", "x", -1, promised))
    given = problem(a_model(x=(1,), y=(-1, has)), a_promise("outputs", "y", -1, promised))
    assert (taken is None, given is None) == (as_input, as_output)


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (a_promise("inputs", "z", -1, 4), "there is no input 'z', only 'x' (FP32 [-1, 4])"),
        (a_promise("inputs", "z", -1, 4), "the model also needs input 'x' (FP32 [-1, 4])"),
        (a_promise("outputs", "z", 1), "there is no output 'z', only 'y' (FP32 [-1, 2])"),
        (a_promise("inputs", "x", -1, 4, datatype="FP64"), "should be FP64 [-1, 4]"),
        (a_promise("inputs", "x", -1), "input 'x' (FP32 [-1, 4]) should be FP32 [-1]"),
    ],
)
def test_every_difference_is_told_in_the_words_of_both(promise: Promise, words: str) -> None:
    assert words in str(problem(a_model(x=(-1, 4)), promise))


def test_an_output_more_than_promised_disturbs_nobody() -> None:
    assert problem(a_model(x=(1,)), Promise(outputs=())) is None


def test_what_was_not_promised_is_not_compared() -> None:
    assert problem(a_model(x=(1,), z=(1,)), a_promise("outputs", "y", -1, 2)) is None


def test_a_model_is_held_to_its_promise_when_it_is_loaded(tmp_path: Path) -> None:
    found = inspection.inspect(written(identity(), tmp_path / "m.onnx"), None)
    wanted = {"outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}]}
    settings = parse(settings_file(tmp_path, signature=wanted).read_bytes(), "f")
    with pytest.raises(Fault, match=r"SignatureMismatch.*'y' \(FP32 \[-1, 3\]\) should be INT64"):
        load(found, settings)
    assert load(found, parse(settings_file(tmp_path).read_bytes(), "f")).workers >= 1
