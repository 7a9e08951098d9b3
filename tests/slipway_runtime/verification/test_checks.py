"""What each check says of arrays."""

from typing import Any

import msgspec
import numpy as np
import pytest

from slipway_runtime import checks
from slipway_runtime.verification import (
    batch_invariance,
    expected,
    metamorphic,
    metric,
    output,
    performance,
)
from slipway_runtime.verification.performance import Load
from slipway_runtime.verification.verdicts import Outcome, Verdict
from support.verification import a_check, a_column

NAN, INF = np.nan, np.inf
PASSED, FAILED, INCONCLUSIVE = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE


def made(kind: str, **changes: Any) -> Any:
    return msgspec.convert(a_check(kind, **changes), checks.AnyCheck)


def floats(*rows: Any) -> Any:
    return np.array(rows, np.float32)


def judge_expected(got: Any, should: Any, **changes: Any) -> expected.Found:
    return expected.judge(made("Expected", **changes), "y", got, should)


@pytest.mark.parametrize(
    ("got", "should", "outcome"),
    [
        (floats([1.0, 2.0]), floats([1.0, 2.0]), PASSED),
        (floats([1.0, 2.0]), np.array([[1.0005, 2.0]]), PASSED),
        (floats([1.0, 2.0]), floats([1.01, 2.0]), FAILED),
        (floats([NAN, 2.0]), floats([1.0, 2.0]), FAILED),
        (floats([1.0, 2.0]), floats([NAN, 2.0]), FAILED),
        (floats([NAN, 2.0]), floats([NAN, 2.0]), PASSED),
        (floats([INF, 2.0]), floats([INF, 2.0]), PASSED),
        (floats([INF, 2.0]), floats([-INF, 2.0]), FAILED),
        (floats([INF, 2.0]), floats([3e38, 2.0]), FAILED),
        (floats([3e38, 2.0]), floats([INF, 2.0]), FAILED),
        (floats([1.0], [2.0]), floats(1.0, 2.0), PASSED),
        (floats([1.0, 2.0]), floats([[1.0], [2.0]]), PASSED),
        (floats([1.0, 2.0]), floats([1.0]), FAILED),
        (np.array([1000]), np.array([1001]), FAILED),
        (np.array([2**53]), np.array([2**53 + 1]), FAILED),
        (np.array(["a"], object), np.array(["a"], object), PASSED),
        (np.array(["a"], object), np.array(["b"], object), FAILED),
        (np.array(["1"], object), np.array([1]), FAILED),
        (np.zeros((1, 0), np.float32), np.zeros((1, 0)), PASSED),
    ],
)
def test_an_answer_is_right_within_its_tolerance(got: Any, should: Any, outcome: Outcome) -> None:
    assert judge_expected(got, should).verdict.outcome is outcome


def test_the_worst_element_is_named_with_its_row() -> None:
    got = np.tile(floats([0.02, 0.98]), (32, 1))
    should = got.copy()
    should[3], should[7] = (0.9, 0.2), (0.03, 0.97)
    verdict = judge_expected(got, should).verdict
    assert verdict.message == (
        "y[3, 0] is 0.02 where 0.9 is expected (rtol 0.001, atol 0.0001); 2 of 32 rows differ"
    )
    assert verdict.worst
    assert (verdict.worst.row, verdict.worst.index) == (3, (3, 0))
    assert (verdict.value, verdict.rows) == (2 / 32, 32)


def worst(verdict: Verdict) -> tuple[str, str, str | None]:
    assert verdict.worst
    return str(verdict.worst), verdict.worst.got, verdict.worst.tolerance


def test_the_worst_element_says_how_far_it_may_be_off() -> None:
    got, should = floats([0.5, 0.1]), floats([0.9, 0.1])
    loose = {"rtol": 0.01, "atol": 0.02}
    element = ("y[0, 0]", "0.5", "rtol 0.01, atol 0.02")
    assert worst(judge_expected(got, should, **loose).verdict) == element
    together = batch_invariance.judge(
        made("BatchInvariance", **loose), {"y": should}, {3: {"y": got}}
    )
    assert worst(together) == element
    assert "0.5 in concurrent requests of 3 rows and 0.9 alone (rtol 0.01" in together.message
    close = made("Metamorphic", expect="Close", **loose)
    moved = metamorphic.judge(close, "y", should, got)
    assert worst(moved) == element
    assert moved.message.endswith(
        "; furthest off is y[0, 0]: 0.5, and 0.9 before (rtol 0.01, atol 0.02)"
    )
    summed = output.judge(made("Output", min=None, max=None), "y", floats([0.5, 0.4]))
    assert worst(summed) == ("the sum of y[0]", "0.9", "atol 0.001")


def test_what_must_be_the_same_or_has_another_bound_has_no_tolerance() -> None:
    whole = judge_expected(np.array([1000]), np.array([1001])).verdict
    assert worst(whole) == ("y[0]", "1000", None)
    assert whole.message == "y[0] is 1000 where 1001 is expected; 1 of 1 rows differ"
    above = output.judge(made("Output"), "y", floats([0.5, 1.5]))
    assert worst(above) == ("y[0, 1]", "1.5", None)
    highest = metamorphic.judge(made("Metamorphic"), "y", floats([0.6, 0.4]), floats([0.3, 0.4]))
    assert worst(highest) == ("y[0, 0]", "0.3", None)
    assert highest.message.endswith("; furthest off is y[0, 0]: 0.3, and 0.6 before")


def test_the_worst_element_is_found_in_any_slice() -> None:
    got = np.zeros((1 << 16, 8), np.float32)
    got[50_001, 3], got[9, 0] = 5.0, 1.0
    verdict = judge_expected(got, np.zeros_like(got)).verdict
    assert verdict.worst
    assert verdict.worst.index == (50_001, 3)


def test_some_rows_may_be_wrong_where_that_is_allowed() -> None:
    got, should = floats(*[[0.9, 0.1]] * 10), floats(*[[0.9, 0.1]] * 9, [0.2, 0.8])
    assert judge_expected(got, should, maxMismatchRatio=0.1).verdict.outcome is PASSED
    assert judge_expected(got, should, maxMismatchRatio=0.09).verdict.outcome is FAILED


def test_the_highest_value_may_be_demanded_to_agree_more_often_than_values_do() -> None:
    got, should = floats([0.6, 0.4], [0.6, 0.4]), floats([0.9, 0.1], [0.45, 0.55])
    loose = {"maxMismatchRatio": 1.0}
    assert judge_expected(got, should, **loose).verdict.outcome is PASSED
    agreed = judge_expected(got, should, minArgmaxAgreement=0.5, **loose)
    assert agreed.verdict.outcome is PASSED
    assert agreed.right.tolist() == [True, False]
    assert judge_expected(got, should, minArgmaxAgreement=0.6, **loose).verdict.outcome is FAILED


def test_a_row_with_nan_has_no_highest_value() -> None:
    nan = floats([NAN, 0.4])
    loose = {"maxMismatchRatio": 1.0, "minArgmaxAgreement": 0.1}
    assert judge_expected(nan, floats([0.9, 0.1]), **loose).verdict.outcome is FAILED
    assert judge_expected(nan, nan, **loose).verdict.outcome is FAILED


def test_one_number_has_no_highest_value() -> None:
    one = floats([0.9], [0.1])
    assert judge_expected(one, one, minArgmaxAgreement=1.0).verdict.outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (floats([0.2, 0.8], [NAN, 0.5]), "y[1, 0] is nan, expected a finite number; 1 of 2"),
        (floats([0.2, 0.8], [INF, 0.5]), "y[1, 0] is inf, expected a finite number; 1 of 2"),
        (floats([0.2, 0.8], [-0.5, 1.5]), "y[1, 0] is -0.5, expected at least 0; 1 of 2"),
        (floats([0.2, 0.8], [0.5, 1.5]), "y[1, 1] is 1.5, expected at most 1; 1 of 2"),
        (floats([0.2, 0.5], [0.2, 0.8]), "the sum of y[0] is 0.7, expected 1; 1 of 2"),
    ],
)
def test_output_names_the_first_number_that_can_not_be_right(rows: Any, message: str) -> None:
    verdict = output.judge(made("Output"), "y", rows)
    assert verdict.outcome is FAILED
    assert verdict.message.startswith(message)


def test_output_passes_what_it_demands_and_no_more() -> None:
    assert output.judge(made("Output"), "y", floats([0.2, 0.8])).outcome is PASSED
    free = made("Output", min=None, max=None, sum=None)
    assert output.judge(free, "y", floats([-5.0, 80.0])).outcome is PASSED
    assert output.judge(free, "y", floats([-5.0, NAN])).outcome is FAILED
    assert output.judge(free, "y", np.array(["a"], object)).outcome is INCONCLUSIVE


def test_probabilities_of_float16_add_up_as_well_as_they_can() -> None:
    many = np.full((1, 1000), 0.001, np.float16)
    assert output.judge(made("Output"), "y", many).outcome is PASSED


@pytest.mark.parametrize(
    ("changes", "got", "label", "value"),
    [
        ({}, np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]), 0.75),
        ({}, floats([0.9, 0.1], [0.2, 0.8]), np.array([0, 0]), 0.5),
        ({}, floats([NAN, 0.1], [0.2, 0.8]), np.array([0, 1]), 0.5),
        ({}, np.array(["a", "b"], object), np.array(["a", "b"], object), 1.0),
        ({"metric": "MacroF1"}, np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]), 7 / 9),
        ({"metric": "MeanAbsoluteError", "max": 1}, floats([1.0], [4.0]), np.array([1, 1]), 1.5),
        (
            {"metric": "RootMeanSquaredError", "max": 1},
            floats([1.0], [5.0]),
            np.array([1, 1]),
            8**0.5,
        ),
    ],
)
def test_a_metric_is_what_others_call_it(
    changes: dict[str, Any], got: Any, label: Any, value: float
) -> None:
    verdict = metric.judge(made("Metric", **changes), "y", got, label)
    assert verdict.value == pytest.approx(value)


def test_a_metric_passes_at_its_bound() -> None:
    rows = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    assert metric.judge(made("Metric", min=0.75), "y", *rows).outcome is PASSED
    assert metric.judge(made("Metric", min=0.76), "y", *rows).outcome is FAILED


def test_an_error_that_is_no_number_fails() -> None:
    check = made("Metric", metric="MeanAbsoluteError", max=1e9)
    assert metric.judge(check, "y", floats([NAN]), floats([1.0])).outcome is FAILED


@pytest.mark.parametrize(
    ("got", "label"),
    [
        (floats([0.9]), np.array([1])),
        (np.array(["a"], object), np.array([1])),
        (np.array([1]), floats([1.0, 2.0])),
    ],
)
def test_what_can_not_be_scored_is_inconclusive(got: Any, label: Any) -> None:
    assert metric.judge(made("Metric"), "y", got, label).outcome is INCONCLUSIVE


SLICED: Any = {"column": "region", "bound": 0.8, "minRows": 2}
TRUTH = np.array([0, 0, 1, 1, 1, 2])
REGION = np.array(["n", "n", "s", "s", "s", "w"], object)


@pytest.mark.parametrize(
    ("got", "changes", "outcome", "said"),
    [
        (TRUTH, {}, PASSED, "Accuracy of y is 1 over 6 rows"),
        (
            np.array([0, 1, 1, 1, 1, 2]), {}, FAILED,
            "Accuracy is 0.5 over the 2 rows whose region is 'n', expected at least 0.8; "
            "Accuracy of y is 0.833333 over 6 rows, expected at least 0.5",
        ),
        (np.array([0, 0, 1, 1, 1, 0]), {}, PASSED, "0.833333 over 6 rows"),
        (np.array([0, 0, 0, 0, 0, 2]), {}, FAILED, "0 over the 3 rows whose region is 's'"),
        (TRUTH, {"minRows": 4}, INCONCLUSIVE, "no value of region has 4 rows"),
        (np.array([1, 1, 1, 1, 1, 1]), {"bound": 0}, PASSED, "0.5 over 6 rows"),
    ],
)  # fmt: skip
def test_a_metric_holds_in_every_slice_that_is_large_enough(
    got: Any, changes: dict[str, Any], outcome: Outcome, said: str
) -> None:
    check = made("Metric", min=0.5, slices=SLICED | changes)
    verdict = metric.judge(check, "y", got, TRUTH, REGION)
    assert verdict.outcome is outcome
    assert said in verdict.message


def test_the_slice_with_the_greatest_error_is_the_worst() -> None:
    check = made("Metric", metric="MeanAbsoluteError", max=9, slices=SLICED | {"bound": 1})
    off = TRUTH + np.array([1, 1, 2, 2, 2, 9])
    verdict = metric.judge(check, "y", off.astype(np.float32), TRUTH, np.array([1, 1, 2, 2, 2, 3]))
    assert verdict.outcome is FAILED
    assert "is 2 over the 3 rows whose region is 2, expected at most 1" in verdict.message


def test_a_metric_that_fails_on_the_whole_fails_though_no_slice_does() -> None:
    check = made("Metric", min=1, slices=SLICED | {"bound": 0})
    assert metric.judge(check, "y", TRUTH[::-1], TRUTH, REGION).outcome is FAILED


@pytest.mark.parametrize("by", [np.arange(12).reshape(6, 2), np.zeros((6, 2))])
def test_a_column_of_several_values_a_row_tells_no_slices_apart(by: Any) -> None:
    check = made("Metric", min=0.5, slices=SLICED)
    verdict = metric.judge(check, "y", TRUTH, TRUTH, by)
    assert (verdict.outcome, verdict.value) == (INCONCLUSIVE, 1.0)


def test_a_column_of_too_many_values_tells_no_slices_apart() -> None:
    rows = np.zeros(600, int)
    check = made("Metric", min=0.5, slices=SLICED)
    assert metric.judge(check, "y", rows, rows, np.arange(600) // 2).outcome is INCONCLUSIVE
    assert metric.judge(check, "y", rows, rows, np.arange(600) // 3).outcome is PASSED


def test_rows_that_got_anothers_answer_are_told_with_the_size_of_the_request() -> None:
    alone = {"y": np.arange(32, dtype=np.float32)}
    mixed = {1: alone, 3: {"y": np.roll(alone["y"], 1)}}
    check = made("BatchInvariance")
    assert batch_invariance.judge(check, alone, {1: alone, 3: alone}).outcome is PASSED
    verdict = batch_invariance.judge(check, alone, mixed)
    assert verdict.outcome is FAILED
    assert "in concurrent requests of 3 rows and 0 alone (rtol" in verdict.message
    assert verdict.message.endswith("32 of 32 rows differ")


def test_noise_is_relative_to_each_columns_spread_and_the_same_each_time() -> None:
    inputs = {"x": a_column(floats([0.0, 5.0], [100.0, 5.0], [200.0, 5.0]))}
    check = made("Metamorphic", amount=0.01)
    first, second = (metamorphic.changed(check, inputs) for _ in range(2))
    assert first
    assert second
    moved = first["x"].values - inputs["x"].values
    assert first["x"].values.dtype == np.float32
    assert 0 < np.abs(moved[:, 0]).max() < 5
    assert not moved[:, 1].any()
    assert (first["x"].values == second["x"].values).all()


def test_a_factor_scales_floats_and_leaves_what_is_counted() -> None:
    inputs = {"x": a_column(floats([1.0])), "n": a_column(np.array([3]))}
    changed = metamorphic.changed(made("Metamorphic", transform="Scale", amount=2), inputs)
    assert changed
    assert (changed["x"].values.item(), changed["n"].values.item()) == (2.0, 3)


def test_where_no_input_has_floats_nothing_is_changed() -> None:
    assert metamorphic.changed(made("Metamorphic"), {"n": a_column(np.array([3]))}) is None


def test_as_many_rows_must_agree_as_are_demanded() -> None:
    before, after = floats([0.9, 0.1], [0.6, 0.4]), floats([0.8, 0.2], [0.4, 0.6])
    for wanted, outcome in ((0.5, PASSED), (0.6, FAILED)):
        check = made("Metamorphic", minAgreement=wanted)
        assert metamorphic.judge(check, "y", before, after).outcome is outcome
    close = made("Metamorphic", expect="Close", minAgreement=0.5)
    assert metamorphic.judge(close, "y", before, after).outcome is FAILED


def test_permuted_rows_are_compared_with_their_own_answers() -> None:
    check = made("Metamorphic", transform="Permutation", expect="Close")
    before = np.arange(20, dtype=np.float32)[:, None]
    order = metamorphic.permutation(20)
    assert metamorphic.judge(check, "y", before, before[order]).outcome is PASSED
    assert metamorphic.judge(check, "y", before, before).outcome is FAILED


def a_load(latency: float = 0.001, count: int = 1000, **changes: Any) -> Load:
    of: dict[str, Any] = {"seconds": 10.0, "unanswered": 0, "memory_bytes": 100 << 20, **changes}
    return Load([latency] * count, **of)


@pytest.mark.parametrize(
    ("demand", "load", "outcome"),
    [
        ({"maxP99Seconds": 0.002}, a_load(), PASSED),
        ({"maxP99Seconds": 0.002}, a_load(0.003), FAILED),
        ({"maxP99Seconds": 0.002}, a_load(count=99), INCONCLUSIVE),
        ({"maxP99Seconds": 0.002}, a_load(0.003, count=99), FAILED),
        ({"maxP99Seconds": 0.002}, a_load(count=0), INCONCLUSIVE),
        ({"maxP99Seconds": 0.002}, a_load(unanswered=1), FAILED),
        ({"minThroughput": 100}, a_load(), PASSED),
        ({"minThroughput": 101}, a_load(), FAILED),
        ({"maxMemoryBytes": 100 << 20}, a_load(), PASSED),
        ({"maxMemoryBytes": 99 << 20}, a_load(), FAILED),
    ],
)
def test_what_is_demanded_must_be_measured(
    demand: dict[str, Any], load: Load, outcome: Outcome
) -> None:
    check = msgspec.convert(
        {"name": "slo", "type": "Performance", "dataset": "g", "durationSeconds": 10, **demand},
        checks.Performance,
    )
    assert performance.judge(check, load).outcome is outcome


def test_one_slow_answer_of_a_hundred_is_no_99th_percentile_but_two_are() -> None:
    quick = [0.001] * 98
    assert Load([*quick, 0.001, 1.0], 1.0, 0, 0).p99 == 0.001
    assert Load([*quick, 1.0, 1.0], 1.0, 0, 0).p99 == 1.0
