"""Which models may be batched, and what it gains them: proven and measured, never assumed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from slipway_runtime.batching import Feed
from slipway_runtime.datatypes import BY_ONNX_NAME, DATATYPES, Datatype, Signature, TensorSpec
from slipway_runtime.engine import Engine, Tuning
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.profile import Profile, Wish, profile
from slipway_runtime.samples import candidates
from support.onnx_models import a_model, a_tensor, identity, lookup, written

FP32 = BY_ONNX_NAME["tensor(float)"]
WISH = Wish(most=64, seconds=5.0)


def a_signature(taken: Sequence[int] = (-1, 4), given: Sequence[int] = (-1, -1)) -> Signature:
    return Signature(
        {"x": TensorSpec("x", FP32, tuple(taken))}, {"y": TensorSpec("y", FP32, tuple(given))}
    )


@dataclass
class Model:
    """Answers ``of(x)``, and takes ``cost(rows)`` seconds on its own clock for it."""

    of: Callable[[Any], Any]
    cost: Callable[[int], float] = lambda rows: 1e-3
    now: float = 0.0
    rows: list[int] = field(default_factory=list)

    def run(self, feed: Feed, outputs: Sequence[str]) -> list[Any]:
        self.rows.append(len(feed["x"]))
        self.now += self.cost(len(feed["x"]))
        return [self.of(feed["x"])]

    def profile(self, signature: Signature | None = None, wish: Wish = WISH) -> Profile:
        return profile(self.run, signature or a_signature(), wish, lambda: self.now)


def test_rows_that_are_answered_alike_alone_and_together_are_batched() -> None:
    found = Model(lambda x: x * 2 + 1).profile()
    assert (found.proven, found.most, found.reason) == (True, 64, "")
    assert found.gain == pytest.approx(64)
    assert list(found.times) == [1, 2, 4, 8, 16, 32, 64]


def from_the_fifth_row_on(x: Any) -> Any:
    return np.concatenate([x[:4], x[4:] + x[:1]])


def in_odd_numbers(x: Any) -> Any:
    return np.roll(x, 1, 0) if len(x) % 2 else x


def refusing(x: Any) -> Any:
    if len(x) > 1:
        raise InvalidRequestError("one at a time")
    return x


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        pytest.param(lambda x: x - x.mean(0), "same", id="alone it has no answer to speak of"),
        pytest.param(lambda x: x - x.mean(0) / 2, "changes when it shares a run", id="mean"),
        pytest.param(lambda x: x / np.abs(x).max(), "changes when", id="one scale for all rows"),
        pytest.param(
            lambda x: np.round(x / np.abs(x).max() * 127) * (np.abs(x).max() / 127),
            "changes when it shares a run of 2 rows",
            id="quantised with one scale",
        ),
        pytest.param(lambda x: x + np.arange(len(x))[:, None], "changes when", id="position"),
        pytest.param(lambda x: x[::-1], "changes when", id="order"),
        pytest.param(lambda x: np.roll(x, 1, 0), "changes when", id="off by one"),
        pytest.param(from_the_fifth_row_on, "shares a run of 8 rows", id="only in large batches"),
        pytest.param(in_odd_numbers, "shares a run of 3 rows", id="only in odd batches"),
        pytest.param(lambda x: x + RNG.random(), "differently from run to run", id="random"),
        pytest.param(lambda x: x.sum(0), "2 rows gave an output of shape [4]", id="summed up"),
        pytest.param(lambda x: np.tile(x, (2, 1)), "gave an output of shape", id="two for each"),
        pytest.param(lambda x: x * 0, "the same, which proves nothing", id="constant"),
        pytest.param(lambda x: x * np.nan, "the same, which proves nothing", id="no number"),
        pytest.param(refusing, "fails at 2 rows: one at a time", id="one row only"),
    ],
)
def test_a_model_that_fails_the_proof_is_served_unbatched_and_says_why(
    of: Callable[[Any], Any], reason: str
) -> None:
    found = Model(of).profile()
    assert (found.proven, found.most) == (False, 1)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("taken", "given", "reason"),
    [
        pytest.param((1, 4), (-1, 4), "input 'x' (FP32 [1, 4]) has a first", id="input"),
        pytest.param((-1, 4), (1, 4), "output 'y' (FP32 [1, 4]) has a first", id="output"),
        pytest.param((), (-1, 4), "scalar or of unknown rank", id="rank"),
    ],
)
def test_a_model_that_fixes_its_batch_dimension_is_served_unbatched(
    taken: tuple[int, ...], given: tuple[int, ...], reason: str
) -> None:
    of = (lambda x: x) if taken else (lambda x: x[None])
    model = Model(of)
    model.cost = lambda rows: 1e-3
    if not taken:
        model.run = lambda feed, outputs: [feed["x"]]  # type: ignore[method-assign]
    assert reason in model.profile(a_signature(taken, given)).reason


def test_a_model_that_brings_every_row_to_one_scale_is_batched() -> None:
    assert Model(lambda x: x / np.abs(x).max(1, keepdims=True)).profile().proven


def test_rounding_is_no_difference() -> None:
    def of(x: Any) -> Any:
        return (x * (1 + 1e-6 * len(x))).astype(np.float32)

    assert Model(of).profile().proven


@pytest.mark.parametrize(
    ("cost", "most", "reason"),
    [
        pytest.param(lambda rows: 1e-3 * rows, 1, "gain only 1.00 times", id="nothing"),
        pytest.param(lambda rows: 1e-3 * rows**1.2, 1, "gain only 1.00 times", id="less"),
        pytest.param(lambda rows: 1e-3 + 1e-3 * min(rows, 16) ** 1.0, 64, "", id="all"),
        pytest.param(lambda rows: 1e-3 + 1e-4 * rows + 1e-5 * rows**2, 8, "", id="a little"),
    ],
)
def test_batches_are_as_large_as_is_worth_it(
    cost: Callable[[int], float], most: int, reason: str
) -> None:
    found = Model(lambda x: x, cost).profile()
    assert found.proven
    assert (found.most, reason in found.reason) == (most, True)


def test_a_batch_never_takes_more_than_its_time() -> None:
    found = Model(lambda x: x, lambda rows: 0.001 * rows**0.5).profile(wish=Wish(64, 0.0041))
    assert found.most == 16


def test_a_limit_that_is_no_power_of_two_is_kept_to() -> None:
    model = Model(lambda x: x)
    assert model.profile(wish=Wish(48, 5.0)).most == 48
    assert max(model.rows) == 48


def test_where_batching_is_disabled_nothing_is_proven() -> None:
    model = Model(lambda x: x)
    assert model.profile(wish=Wish(1, 5.0)).reason == "batching is disabled"
    assert set(model.rows) == {1}


def test_a_model_too_slow_to_prove_anything_is_served_unbatched() -> None:
    model = Model(lambda x: x, lambda rows: 1.0 * rows)
    found = model.profile()
    assert "one run takes 1 s" in found.reason
    assert model.rows == [1]


def test_proof_and_measurement_end_in_time() -> None:
    model = Model(lambda x: x, lambda rows: 0.1)
    model.profile()
    assert model.now < 5


def test_a_model_that_takes_no_sample_is_served_unbatched() -> None:
    def never(x: Any) -> Any:
        raise InvalidRequestError("no")

    found = Model(never).profile()
    assert (found.most, found.sample) == (1, None)
    assert "no sample input" in found.reason


# With onnxruntime.


def real(model: onnx.ModelProto, directory: Path) -> tuple[Engine, Profile]:
    engine = Engine.load(written(model, directory / "model.onnx"), Tuning(1))
    clock = iter(range(1_000_000))
    return engine, profile(engine.run, engine.signature, Wish(8, 5.0), lambda: next(clock) * 1e-4)


@pytest.mark.parametrize("datatype", DATATYPES, ids=lambda datatype: datatype.name)
def test_rows_of_every_type_are_proven(datatype: Datatype, tmp_path: Path) -> None:
    found = real(identity(datatype.name, ["N", "M"]), tmp_path)[1]
    assert (found.proven, found.reason) == (True, "")


def test_indices_into_a_small_table_are_found(tmp_path: Path) -> None:
    assert real(lookup(), tmp_path)[1].proven


def test_quantisation_of_the_whole_batch_is_found_out(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    ends = a_tensor("x", "FP32", ["N", 8]), a_tensor("y", "FP32", ["N", 8])
    found = real(a_model(nodes, [ends[0]], [ends[1]]), tmp_path)[1]
    assert "a row's answer changes when it shares a run of 2 rows" in found.reason


@pytest.mark.parametrize("datatype", DATATYPES, ids=lambda datatype: datatype.name)
def test_samples_are_of_the_models_types_and_shapes_and_differ(datatype: Datatype) -> None:
    spec = TensorSpec("x", datatype, (-1, 2, -1))
    rows = next(candidates(Signature({"x": spec}, {})))
    assert {row["x"].shape for row in rows} == {(1, 2, 16)}
    assert {row["x"].dtype for row in rows} == {datatype.dtype}
    assert rows[0]["x"].tolist() != rows[1]["x"].tolist()
