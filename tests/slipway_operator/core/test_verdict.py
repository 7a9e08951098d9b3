from dataclasses import replace
from typing import Any

import pytest

from slipway_operator.core.verdict import Outcome, Verdict, waits
from support.crd import SCHEMA
from support.verifications import WORST, WRONG, a_finding, a_report

FITS: dict[str, Any] = SCHEMA["properties"]["status"]["properties"]["revisions"]["items"][
    "properties"
]["verification"]["properties"]["checks"]["items"]["properties"]
"""What status takes of a check."""


def judged(**changes: Any) -> Verdict | None:
    return Verdict.of(a_report(**changes), "p")


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        pytest.param(a_report(), Outcome.PASSED, id="all of it passed"),
        pytest.param(a_report("Failed"), Outcome.FAILED, id="failed"),
        pytest.param(a_report("Failed", complete=False), Outcome.FAILED, id="failed early"),
        pytest.param(a_report("Inconclusive"), Outcome.INCONCLUSIVE, id="inconclusive"),
        pytest.param(a_report("Splendid"), Outcome.INCONCLUSIVE, id="a word that nobody knows"),
        pytest.param(a_report(outcome=None), Outcome.INCONCLUSIVE, id="no outcome"),
        pytest.param(a_report(rows=0), Outcome.INCONCLUSIVE, id="passed without a row"),
        pytest.param(a_report(rows=None), Outcome.INCONCLUSIVE, id="rows unknown"),
        pytest.param(a_report(complete=False), None, id="a part of the rows passed"),
        pytest.param(
            a_report(None, complete=False, suite="Start", rows=0, checks=[]),
            None,
            id="nothing to ask before a pod is ready",
        ),
        pytest.param(a_report(complete="yes"), None, id="not plainly complete"),
        pytest.param(a_report(state="Running"), None, id="under way"),
        pytest.param(a_report(state="Waiting", outcome=None), None, id="not begun"),
        pytest.param(None, None, id="nobody answers"),
    ],
)
def test_only_what_is_sure_passes(report: dict[str, Any] | None, expected: Outcome | None) -> None:
    found = Verdict.of(report, "p")
    assert (found and found.outcome) == expected


@pytest.mark.parametrize("report", [a_report(), WRONG, a_report(checks=[], errorBound=None)])
def test_status_gives_back_what_was_written_into_it_and_then_holds_it(
    report: dict[str, Any],
) -> None:
    found = Verdict.of(report, "p")
    assert found is not None
    assert not found.held
    assert Verdict.recall(found.write()) == replace(found, held=True)


def test_the_worst_check_is_one_that_failed_though_another_was_undecided_first() -> None:
    found = judged(
        checks=[
            a_finding(name="a"),
            a_finding(name="b", outcome="Inconclusive"),
            a_finding(name="c", outcome="Failed"),
        ],
        outcome="Failed",
    )
    assert found is not None
    assert found.worst is not None
    assert found.worst.name == "c"


def test_numbers_are_written_as_short_text() -> None:
    found = judged(errorBound=3 / 7, checks=[a_finding(value=1e-7)])
    assert found is not None
    written = found.write()
    assert (written["errorBound"], written["checks"][0]["value"]) == ("0.428571", "1e-07")


def test_what_a_pod_says_fits_into_status() -> None:
    long = dict.fromkeys(("output", "got", "expected", "tolerance"), "x" * 9999)
    worst = {**long, "row": 0, "index": [0] * 99}
    told = [a_finding(name=str(n), message="x" * 9999, worst=worst) for n in range(99)]
    found = judged(checks=told)
    assert found is not None
    assert len(found.findings) == 16
    written = found.write()["checks"][15]
    assert len(written["message"]) == FITS["message"]["maxLength"]
    fits = FITS["worst"]["properties"]
    for key in long:
        assert len(written["worst"][key]) == fits[key]["maxLength"]
    assert len(written["worst"]["index"]) == fits["index"]["maxItems"]


def test_status_has_the_rows_and_the_worst_element_of_each_check() -> None:
    found = Verdict.of(WRONG, "p")
    assert found is not None
    [check] = found.write()["checks"]
    assert (check["rows"], check["worst"]) == (32, WORST)
    assert set(check) <= set(FITS)
    assert set(WORST) == set(FITS["worst"]["properties"])


def test_what_a_pod_of_an_older_release_does_not_tell_is_not_in_status() -> None:
    untold = {key: value for key, value in WORST.items() if key != "tolerance"}
    found = judged(checks=[{"name": "a"}, a_finding(rows=None, worst=untold)])
    assert found is not None
    bare, old = found.write()["checks"]
    assert not {"rows", "worst"} & set(bare)
    assert "rows" not in old
    assert old["worst"] == untold


@pytest.mark.parametrize(
    "worst",
    [None, {}, "y[3]", {**WORST, "row": None}, {**WORST, "index": 3}, {**WORST, "index": ["a"]}],
)
def test_a_worst_element_that_is_no_whole_one_is_none(worst: object) -> None:
    found = judged(checks=[a_finding(worst=worst)])
    assert found is not None
    assert "worst" not in found.write()["checks"][0]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (a_report(state="Waiting"), True),
        (a_report(complete=False, suite="Start"), True),
        (a_report(state="Running"), False),
        (a_report(), False),
        (None, False),
    ],
)
def test_a_pod_is_told_to_verify_all_rows_only_if_it_has_not(
    report: dict[str, Any] | None, expected: bool
) -> None:
    assert waits(report) is expected
