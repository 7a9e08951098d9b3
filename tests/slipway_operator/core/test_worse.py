from dataclasses import replace
from typing import Any

import pytest

from slipway_operator.core.contract import Signature
from slipway_operator.core.decide import decide
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.render.record import record
from slipway_operator.core.spec import Spec
from slipway_operator.core.standing import standing
from slipway_operator.core.verdict import Verdict
from support.builders import a_revision, a_spec, a_world
from support.verifications import CASE, SIGNATURE, a_finding, a_report, a_verification

ACCURACY = {"metric": "Accuracy", "min": "0.5"}
ERROR = {"metric": "MeanAbsoluteError", "max": "9"}
CONFIG_MAP = {"name": "golden", "configMap": {"name": "golden", "key": "rows.npz"}}


def scored(drop: str | None = "0.01", uri: str = "http://m/2", **demands: Any) -> Spec:
    """Build a spec that demands a score, and bounds how much worse it may be."""
    dataset = demands.pop("datasets", {"name": "golden", "cases": [CASE]})
    metric = {"dataset": "golden", "label": "truth", **(demands or ACCURACY)}
    check = {"name": "score", "type": "Metric", "metric": metric}
    if drop is not None:
        metric["maxDrop"] = drop
    wish = a_verification(checks=[check], datasets=[dataset])
    return a_spec(model={"name": "fraud", "version": "", "uri": uri}, verification=wish)


def revision(spec: Spec, number: int, value: float | None, outcome: str = "Passed") -> Revision:
    """Build a revision whose pods have measured a score, as status holds it."""
    finding = a_finding(name="score", type="Metric", value=value, outcome=outcome)
    verdict = Verdict.of(a_report(outcome, checks=[finding]), "p")
    assert verdict is not None
    return replace(
        a_revision(spec.fingerprint, number),
        record=record("fraud", spec, "runtime:1"),
        verdict=replace(verdict, held=True),
        signature=Signature.read(SIGNATURE),
    )


def rolling(spec: Spec, before: Spec, old: float | None, new: float | None) -> Observed:
    serves = before.fingerprint
    return a_world(
        revision(before, 1, old), revision(spec, 2, new), good=serves, track=serves
    )  # fmt: skip


def reason(spec: Spec, seen: Observed) -> str | None:
    found = standing(spec, seen)
    assert found is not None
    assert found.trusted == (found.fault is None)
    return found.fault.reason if found.fault else None


@pytest.mark.parametrize(
    ("demands", "old", "new", "refused"),
    [
        pytest.param(ACCURACY, 0.95, 0.93, True, id="less accurate"),
        pytest.param(ACCURACY, 0.95, 0.94, False, id="by just as much as may be"),
        pytest.param(ACCURACY, 0.95, 0.99, False, id="more accurate"),
        pytest.param(ERROR, 1.5, 1.52, True, id="a greater error"),
        pytest.param(ERROR, 1.5, 1.51, False, id="an error as great as may be"),
        pytest.param(ERROR, 1.5, 0.2, False, id="a smaller error"),
    ],
)
def test_a_score_that_falls_too_far_is_refused(
    demands: dict[str, Any], old: float, new: float, *, refused: bool
) -> None:
    spec, before = scored(**demands), scored(uri="http://m/1", **demands)
    seen = rolling(spec, before, old, new)
    assert reason(spec, seen) == ("VerificationFailed" if refused else None)
    assert decide(spec, seen).traffic.track == (before if refused else spec).fingerprint


def test_the_message_has_both_scores() -> None:
    spec = scored()
    found = standing(spec, rolling(spec, scored(uri="http://m/1"), 0.95, 0.9))
    assert found is not None
    assert found.message == (
        "check score (Metric): Accuracy is 0.9, worse by 0.05 than the 0.95 of the revision that "
        "serves; maxDrop is 0.01"
    )


def test_without_a_bound_any_score_that_is_good_enough_passes() -> None:
    spec = scored(None)
    seen = rolling(spec, scored(None, "http://m/1"), 0.95, 0.6)
    assert reason(spec, seen) is None
    assert "nothing to compare" not in decide(spec, seen).standing.message  # type: ignore[union-attr]


OTHERS = {
    "another metric": scored(uri="http://m/1", metric="MacroF1", min="0.5"),
    "another output": scored(uri="http://m/1", **ACCURACY, output="other"),
    "another label": scored(uri="http://m/1", **{**ACCURACY, "label": "other"}),
    "other rows": scored(
        uri="http://m/1",
        **ACCURACY,
        datasets={"name": "golden", "cases": [CASE, CASE]},
    ),
    "rows from elsewhere": scored(uri="http://m/1", **ACCURACY, datasets=CONFIG_MAP),
    "no verification": a_spec(),
}


@pytest.mark.parametrize("before", [pytest.param(b, id=name) for name, b in OTHERS.items()])
def test_scores_of_different_things_are_not_compared(before: Spec) -> None:
    spec = scored()
    seen = rolling(spec, before, 0.95, 0.6)
    assert reason(spec, seen) is None
    found = standing(spec, seen)
    assert found is not None
    assert found.message.endswith("there was nothing to compare score with")


def test_rows_of_another_config_map_are_other_rows() -> None:
    elsewhere = {"name": "golden", "configMap": {"name": "silver", "key": "rows.npz"}}
    spec = scored(**ACCURACY, datasets=CONFIG_MAP)
    like = scored(uri="http://m/1", **ACCURACY, datasets=CONFIG_MAP)
    unlike = scored(uri="http://m/1", **ACCURACY, datasets=elsewhere)
    assert reason(spec, rolling(spec, like, 0.95, 0.6)) == "VerificationFailed"
    assert reason(spec, rolling(spec, unlike, 0.95, 0.6)) is None


def test_rows_from_a_url_are_those_of_their_digest() -> None:
    def rows(digest: str) -> dict[str, Any]:
        return {"name": "golden", "uri": "https://x.example.org/r.npz", "sha256": digest * 64}

    spec = scored(**ACCURACY, datasets=rows("1"))
    like = scored(uri="http://m/1", **ACCURACY, datasets=rows("1"))
    unlike = scored(uri="http://m/1", **ACCURACY, datasets=rows("2"))
    assert reason(spec, rolling(spec, like, 0.95, 0.6)) == "VerificationFailed"
    assert reason(spec, rolling(spec, unlike, 0.95, 0.6)) is None


def test_what_serves_needs_no_signature_to_be_compared_with() -> None:
    spec = scored()
    serves = replace(revision(spec, 1, 0.95), signature=None)
    seen = a_world(serves, good=spec.fingerprint, track=spec.fingerprint)
    found = standing(spec, seen)
    assert found is not None
    assert (found.trusted, found.fault) == (True, None)


@pytest.mark.parametrize("old", [None, float("nan"), float("inf")])
def test_what_was_not_measured_before_is_not_compared(old: float | None) -> None:
    spec = scored()
    assert reason(spec, rolling(spec, scored(uri="http://m/1"), old, 0.6)) is None


def test_a_failed_check_says_itself_why() -> None:
    spec, before = scored(), scored(uri="http://m/1")
    seen = a_world(
        revision(before, 1, 0.95),
        revision(spec, 2, 0.4, "Failed"),
        good=before.fingerprint,
        track=before.fingerprint,
    )
    found = standing(spec, seen)
    assert found is not None
    assert "worse by" not in found.message


def test_what_serves_is_not_compared_with_itself() -> None:
    spec = scored()
    serves = spec.fingerprint
    seen = a_world(revision(spec, 1, 0.6), good=serves, track=serves)
    assert reason(spec, seen) is None


def test_the_bound_is_no_matter_of_the_pods() -> None:
    assert scored("0.01").fingerprint == scored("0.5").fingerprint == scored(None).fingerprint
    assert record("fraud", scored("0.01"), "i") == record("fraud", scored(None), "i")


def test_scores_compare_though_callers_may_break() -> None:
    loose = scored()
    assert loose.verification is not None
    spec = replace(loose, verification=replace(loose.verification, backward=False))
    assert reason(spec, rolling(spec, scored(uri="http://m/1"), 0.95, 0.6)) == "VerificationFailed"
