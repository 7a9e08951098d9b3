from datetime import timedelta
from typing import Any

from slipway_operator.core.decide import decide
from slipway_operator.core.diagnose import Fault
from slipway_operator.core.observed import Observed, Revision, Workload
from slipway_operator.core.pods import Pod
from slipway_operator.core.render import record
from slipway_operator.core.report import report, report_refusal
from slipway_operator.core.spec import Spec
from support.builders import DIGEST, NOON, a_spec, a_world

OLD, NEW = a_spec(model={"uri": "https://x.example.org/m", "name": "was"}), a_spec()
LATER = NOON + timedelta(hours=1)


def a_real_revision(spec: Spec, number: int, ready: int = 2) -> Revision:
    return Revision(
        fingerprint=spec.fingerprint,
        number=number,
        record=record("fraud", spec, "slipway-runtime:1"),
        digest=DIGEST,
        workload=Workload(wanted=2, replicas=2, ready=ready),
    )


def rolling(**changes: Any) -> Observed:
    revisions = a_real_revision(OLD, 1), a_real_revision(NEW, 2, ready=0)
    return a_world(*revisions, good=OLD.fingerprint, track=OLD.fingerprint, **changes)


def told(seen: Observed) -> dict[str, Any]:
    return report(("risk", "fraud"), seen, decide(NEW, seen), NOON)


def test_the_status_is_about_the_revision_that_serves() -> None:
    status = told(rolling())
    assert status["stableRevision"] == f"fraud-{OLD.fingerprint}"
    assert status["latestRevision"] == f"fraud-{NEW.fingerprint}"
    assert status["selector"] == f"slipway.dev/model=fraud,slipway.dev/track={OLD.fingerprint}"
    assert status["url"] == "http://fraud.risk.svc/v2/models/was"
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)


def test_no_revision_is_stable_before_one_was_ready() -> None:
    seen = a_world(a_real_revision(NEW, 1, ready=0), track=NEW.fingerprint)
    assert "stableRevision" not in told(seen)


def test_each_revision_has_its_role_and_its_digest() -> None:
    found = told(rolling())["revisions"]
    assert [(r["role"], r["digest"]) for r in found] == [("Stable", DIGEST), ("Candidate", DIGEST)]


def test_a_fault_stands_with_the_revision_that_it_ails_and_fits_into_the_status() -> None:
    ended = {"exitCode": 3, "message": "x" * 9999}
    pods = tuple(
        Pod.read(
            {
                "metadata": {"name": name, "labels": {"slipway.dev/revision": spec.fingerprint}},
                "status": {
                    "containerStatuses": [{"name": "serve", "state": {"terminated": ended}}]
                },
            }
        )
        for name, spec in (("old", OLD), ("new", NEW))
    )
    revisions = a_real_revision(OLD, 1, ready=0), a_real_revision(NEW, 2, ready=0)
    seen = a_world(*revisions, good=OLD.fingerprint, track=OLD.fingerprint, pods=pods)
    failures = [r["failure"] for r in told(seen)["revisions"]]
    assert [f["pod"] for f in failures] == ["old", "new"]
    assert all(len(f["message"]) <= 4096 for f in failures)
    assert all(len(f["logTail"]) == 1024 for f in failures)


def test_faults_that_do_not_win_are_listed_beside_the_one_that_does() -> None:
    ended = {"exitCode": 3, "message": "boom"}
    labels = {"slipway.dev/revision": NEW.fingerprint}
    states: list[dict[str, Any]] = [{"terminated": ended}, {"waiting": {"reason": "ErrImagePull"}}]
    pods = tuple(
        Pod.read(
            {
                "metadata": {"name": str(n), "labels": labels},
                "status": {"containerStatuses": [{"name": "serve", "state": state}]},
            }
        )
        for n, state in enumerate(states)
    )
    entry = told(rolling(pods=pods))["revisions"][1]
    assert entry["failure"]["reason"] == "ImagePullFailed"
    assert [(f["reason"], f["exitCode"]) for f in entry["otherFailures"]] == [("Crashing", 3)]
    assert "otherFailures" not in told(rolling(pods=pods[:1]))["revisions"][1]


def test_the_time_of_a_condition_is_that_of_its_last_flip() -> None:
    status = told(rolling())
    after = a_world(
        a_real_revision(OLD, 1), a_real_revision(NEW, 2),
        good=NEW.fingerprint, track=NEW.fingerprint, conditions=tuple(status["conditions"]),
    )  # fmt: skip
    later = report(("risk", "fraud"), after, decide(NEW, after), LATER)
    times = {c["type"]: c["lastTransitionTime"] for c in later["conditions"]}
    assert times["Available"] == "2026-01-01T12:00:00Z"
    assert times["Ready"] == "2026-01-01T13:00:00Z"


def test_a_refusal_keeps_what_the_status_knew() -> None:
    fault = Fault(reason="SpecInvalid", message="no")
    status = report_refusal(a_world(), {"stableRevision": "fraud-a"}, fault, NOON)
    assert status["stableRevision"] == "fraud-a"
    assert status["observedGeneration"] == 1
