from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.core.conditions import conditions
from slipway_operator.core.containers import Container
from slipway_operator.core.contract import Signature
from slipway_operator.core.decide import AT_ONCE, ROLLING, STALLED, decide
from slipway_operator.core.observed import Observed, Revision
from slipway_operator.core.pods import Pod
from slipway_operator.core.standing import Inquiry, Standing, inquiry, standing
from slipway_operator.core.verdict import Verdict
from support.builders import NOON, a_revision, a_spec, a_world
from support.verifications import (
    CONTINUOUS,
    SIGNATURE,
    WRONG,
    a_check,
    a_finding,
    a_report,
    a_status,
    a_verification,
)

SPEC = a_spec(verification=a_verification())
NEW = SPEC.fingerprint
KNOWN = Signature.read(SIGNATURE)
OTHER = Signature.read({**SIGNATURE, "outputs": []})
OLD = replace(a_revision("old"), signature=KNOWN)
BARE = replace(a_revision(NEW, 2), record={"settings": {"verification": {}}})


def told(report: dict[str, Any] | None = None, *, held: bool = True) -> Revision:
    """Build the latest revision with what a pod has said of it."""
    found = Verdict.of(a_report() if report is None else report, "p")
    assert found is not None
    return replace(BARE, verdict=replace(found, held=held), signature=KNOWN)


def a_pod(report: dict[str, Any] | None, fingerprint: str = NEW) -> Pod:
    return Pod(
        name="p", fingerprint=fingerprint, address="10.0.0.1", ready=True, asked=True, report=report
    )


def rolling(latest: Revision, *pods: Pod, old: Revision = OLD) -> Observed:
    return a_world(old, latest, good="old", track="old", pods=pods)


def judged(seen: Observed) -> Standing:
    found = standing(SPEC, seen)
    assert found is not None
    return found


def said(seen: Observed) -> dict[str, str]:
    found = conditions(seen, decide(SPEC, seen), NOON)
    return {c.type: f"{c.status} {c.reason}" for c in found}


def test_a_spec_that_demands_nothing_of_answers_asks_nobody() -> None:
    spec = a_spec()
    seen = a_world(a_revision("old"), a_revision(spec.fingerprint, 2), good="old", track="old")
    assert standing(spec, seen) is None
    assert not any(inquiry(spec, seen))
    assert "Verified" not in {c.type for c in conditions(seen, decide(spec, seen), NOON)}


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(rolling(told(WRONG)), "VerificationFailed", id="failed"),
        pytest.param(rolling(told(WRONG, held=False)), "VerificationFailed", id="failed just now"),
        pytest.param(
            rolling(told(a_report("Inconclusive"))), "VerificationInconclusive", id="undecided"
        ),
        pytest.param(
            rolling(told(a_report(checks=[a_finding(name="another")]))),
            "VerificationInconclusive",
            id="a check is not in the report",
        ),
        pytest.param(
            rolling(replace(told(), signature=OTHER)), "ContractBroken", id="callers would break"
        ),
        pytest.param(
            rolling(replace(BARE, signature=OTHER)),
            "ContractBroken",
            id="callers would break, known before the suite ends",
        ),
    ],
)
def test_a_revision_is_refused_for_good(seen: Observed, reason: str) -> None:
    fault = judged(seen).fault
    assert fault is not None
    assert (fault.reason, fault.final) == (reason, True)
    assert decide(SPEC, seen).traffic.track == "old"
    assert decide(SPEC, seen).recheck_after == STALLED


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        pytest.param(rolling(BARE), ROLLING, id="nobody has been asked"),
        pytest.param(rolling(BARE, a_pod(None)), ROLLING, id="no answer"),
        pytest.param(rolling(BARE, a_pod(a_report(state="Running"))), ROLLING, id="under way"),
        pytest.param(rolling(told(held=False)), AT_ONCE, id="passed, and status has yet to say so"),
        pytest.param(
            rolling(told(), old=replace(OLD, signature=None)), ROLLING,
            id="what serves has not told its signature",
        ),
        pytest.param(rolling(replace(told(), signature=None)), ROLLING, id="nor has the latest"),
    ],
)  # fmt: skip
def test_a_revision_waits_for_what_is_not_known(seen: Observed, again: object) -> None:
    found = judged(seen)
    assert (found.trusted, found.fault) == (False, None)
    plan = decide(SPEC, seen)
    assert (plan.traffic.track, plan.recheck_after) == ("old", again)


def test_a_revision_that_passed_takes_over() -> None:
    assert decide(SPEC, rolling(told())).traffic.track == NEW


def test_a_pod_that_waits_is_told_to_begin() -> None:
    assert judged(rolling(BARE, a_pod(a_report(complete=False)))).verify == "10.0.0.1"
    assert judged(rolling(BARE, a_pod(a_report(state="Running")))).verify is None


def test_with_compatibility_any_the_signature_does_not_matter() -> None:
    loose = a_spec(verification=a_verification(compatibility="Any"))
    assert loose.fingerprint == NEW, "it is no matter of the pods"
    seen = rolling(replace(told(), signature=OTHER))
    assert decide(loose, seen).traffic.track == NEW


@pytest.mark.parametrize(
    ("seen", "one"),
    [
        pytest.param(rolling(BARE), {NEW}, id="nothing is known"),
        pytest.param(rolling(BARE, old=a_revision("old")), {NEW, "old"}, id="nor of the other"),
        pytest.param(rolling(told(), old=a_revision("old")), {"old"}, id="only of the other"),
        pytest.param(rolling(told()), set(), id="all is known"),
        pytest.param(rolling(replace(BARE, workload=None)), set(), id="there are no pods"),
        pytest.param(
            rolling(replace(BARE, workload=a_revision(NEW, ready=1).workload)), set(),
            id="not all pods are ready",
        ),
        pytest.param(a_world(told(), good=NEW, track=NEW), set(), id="it serves"),
    ],
)  # fmt: skip
def test_only_those_are_asked_who_can_tell_what_is_missing(seen: Observed, one: set[str]) -> None:
    assert inquiry(SPEC, seen) == Inquiry(frozenset(one), frozenset())


def test_nobody_is_served_by_a_first_revision_before_it_is_verified() -> None:
    seen = a_world(BARE, track="none", pods=(a_pod(a_report(state="Running")),))
    assert decide(SPEC, seen).traffic.track == "none"
    found = said(seen)
    assert found["Available"] == "False Verifying"
    assert found["Ready"] == "False Verifying"
    assert found["Verified"] == "Unknown Pending"
    assert found["Progressing"] == "True Verifying"


def test_a_first_revision_that_fails_stands_alone_and_waits_for_a_person() -> None:
    found = said(a_world(told(WRONG), track="none"))
    assert found["Available"] == "False VerificationFailed"
    assert found["Ready"] == "False VerificationFailed"
    assert found["Stalled"] == "True VerificationFailed"
    assert found["Verified"] == "False VerificationFailed"


def test_where_another_revision_serves_status_says_rolled_back_with_the_evidence() -> None:
    seen = rolling(told(WRONG))
    found = {c.type: c for c in conditions(seen, decide(SPEC, seen), NOON)}
    assert found["Available"].status == "True"
    for kind in ("Ready", "Stalled", "Progressing"):
        assert found[kind].reason == "RolledBack"
    for words in ("revision old serves", "VerificationFailed", "y[3] is 0.1 where 0.9 is due"):
        assert words in found["Ready"].message
    assert found["Verified"].reason == "VerificationFailed"


def test_a_revision_that_passed_says_how_sure_that_is() -> None:
    seen = a_world(told(), good=NEW, track=NEW)
    verified = next(c for c in conditions(seen, decide(SPEC, seen), NOON) if c.type == "Verified")
    assert (verified.status, verified.reason) == ("True", "Passed")
    assert "150 rows" in verified.message
    assert "2.00%" in verified.message


WATCHFUL = a_spec(verification=a_verification(continuous=CONTINUOUS))


def watched(*pods: Pod, ready: int = 2) -> Observed:
    record = {"settings": {"verification": {"continuous": {"intervalSeconds": 60}}}}
    revision = replace(
        told(), fingerprint=WATCHFUL.fingerprint, record=record,
        workload=a_revision("x", ready=ready).workload,
    )  # fmt: skip
    return a_world(revision, good=WATCHFUL.fingerprint, track=WATCHFUL.fingerprint, pods=pods)


def a_watching_pod(name: str, *, wrong: bool, ready: bool = True) -> Pod:
    runtime = a_status(verification={"continuous": {"wrong": wrong}})
    if not ready:
        runtime |= {"state": "Failed", "reason": "AnswersWrong", "message": "y[3] is 0.1"}
    serve = Container(name="serve", running=True, ready=ready)
    return Pod(
        name=name, fingerprint=WATCHFUL.fingerprint, ready=ready, runtime=runtime,
        containers=(serve,),
    )  # fmt: skip


def test_pods_that_watch_their_answers_are_looked_at_each_interval() -> None:
    seen = watched()
    assert inquiry(WATCHFUL, seen).all == {WATCHFUL.fingerprint}
    assert decide(WATCHFUL, seen).recheck_after == timedelta(seconds=60)


def test_one_wrong_pod_is_named_and_the_others_serve() -> None:
    pods = a_watching_pod("a", wrong=True, ready=False), a_watching_pod("b", wrong=False)
    seen = watched(*pods, ready=1)
    plan = decide(WATCHFUL, seen)
    assert plan.fault is not None
    assert (plan.fault.reason, plan.fault.pod, plan.fault.final) == ("AnswersWrong", "a", False)
    found = {c.type: f"{c.status} {c.reason}" for c in conditions(seen, plan, NOON)}
    assert found["Available"] == "True Serving"
    assert found["Verified"] == "False AnswersWrong"


def test_when_all_pods_are_wrong_none_is_taken_away_and_a_person_is_told() -> None:
    seen = watched(a_watching_pod("a", wrong=True), a_watching_pod("b", wrong=True))
    plan = decide(WATCHFUL, seen)
    assert plan.fault is not None
    assert "so it goes on serving. Like it, 1 more." in plan.fault.message
    found = {c.type: f"{c.status} {c.reason}" for c in conditions(seen, plan, NOON)}
    assert found["Available"] == "True Serving"
    assert found["Ready"] == "False AnswersWrong"
    assert found["Verified"] == "False AnswersWrong"


def test_a_change_of_a_check_makes_a_new_revision() -> None:
    changed = a_verification(checks=[a_check(rtol="1e-2")])
    assert a_spec(verification=changed).fingerprint != NEW != a_spec().fingerprint


def test_what_callers_may_notice_is_told_though_it_breaks_none() -> None:
    more = {
        **SIGNATURE,
        "outputs": [*SIGNATURE["outputs"], {**SIGNATURE["outputs"][0], "name": "z"}],
    }
    latest = replace(told(), signature=Signature.read(more))
    found = judged(rolling(latest))
    assert found.trusted
    assert found.message.endswith("; callers of revision old go on, though output z is new")
    assert "go on" not in judged(rolling(told())).message
