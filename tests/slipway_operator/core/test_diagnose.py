import json
from typing import Any

import pytest

from slipway_operator.core.diagnose import diagnose
from slipway_operator.core.observed import Pod, Workload


def a_pod(**status: Any) -> Pod:
    metadata = {"name": "fraud-x", "labels": {"slipway.dev/revision": "a"}}
    return Pod.read({"metadata": metadata, "status": status})


def fetching(**state: Any) -> Pod:
    return a_pod(initContainerStatuses=[{"name": "fetch", "restartCount": 1, **state}])


def serving(**state: Any) -> Pod:
    return a_pod(containerStatuses=[{"name": "serve", "restartCount": 3, **state}])


def report(reason: str) -> str:
    said = {"schemaVersion": 1, "reason": reason, "message": "m", "hint": "h"}
    return json.dumps(said)


UNSCHEDULABLE = a_pod(
    conditions=[{"type": "PodScheduled", "status": "False", "message": "Insufficient cpu"}]
)
BACK_OFF = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}}


@pytest.mark.parametrize(
    ("pod", "reason", "final"),
    [
        (UNSCHEDULABLE, "Unschedulable", False),
        (serving(state={"waiting": {"reason": "ImagePullBackOff"}}), "ImagePullFailed", False),
        (serving(state={"waiting": {"reason": "InvalidImageName"}}), "InvalidImageName", True),
        (
            fetching(state={"terminated": {"exitCode": 1, "message": report("SourceNotFound")}}),
            "SourceNotFound",
            False,
        ),
        (
            fetching(
                **BACK_OFF,
                lastState={"terminated": {"exitCode": 1, "message": report("DigestMismatch")}},
            ),
            "DigestMismatch",
            True,
        ),
        (
            serving(**BACK_OFF, lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            "OutOfMemory",
            False,
        ),
        (
            serving(
                state={"running": {}},
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            ),
            "OutOfMemory",
            False,
        ),
        (
            serving(**BACK_OFF, lastState={"terminated": {"exitCode": 3, "message": "boom"}}),
            "Crashing",
            False,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pod_that_is_not_well_has_a_reason(pod: Pod, reason: str, final: bool) -> None:
    fault = diagnose(Workload(wanted=1), [pod])
    assert fault is not None
    assert (fault.reason, fault.final) == (reason, final)
    assert fault.pod == "fraud-x"


def test_quota_explains_pods_that_do_not_exist() -> None:
    fault = diagnose(Workload(wanted=1, refusal="exceeded quota: pods=2"), [])
    assert fault is not None
    assert fault.reason == "PodsRefused"
    assert "quota" in fault.message


def test_a_pod_that_is_only_starting_has_no_fault() -> None:
    starting = serving(state={"waiting": {"reason": "PodInitializing"}})
    assert diagnose(Workload(wanted=1), [starting]) is None


def test_what_a_ready_pod_went_through_is_no_fault() -> None:
    recovered = a_pod(
        conditions=[{"type": "Ready", "status": "True"}],
        containerStatuses=[
            {
                "name": "serve",
                "restartCount": 1,
                "state": {"waiting": {}},
                "lastState": {"terminated": {"exitCode": 1}},
            }
        ],
    )
    assert diagnose(Workload(wanted=2), [recovered]) is None


def test_a_successful_fetch_is_no_fault() -> None:
    done = fetching(state={"terminated": {"exitCode": 0, "message": report("Fetched")}})
    assert diagnose(Workload(wanted=1), [done]) is None


def test_the_surest_evidence_wins_over_all_pods() -> None:
    crashing = serving(**BACK_OFF, lastState={"terminated": {"exitCode": 3}})
    fault = diagnose(Workload(wanted=2), [crashing, UNSCHEDULABLE])
    assert fault is not None
    assert fault.reason == "Unschedulable"


def test_a_fault_that_no_restart_mends_holds_while_the_fetcher_tries_again() -> None:
    def again(reason: str) -> Pod:
        ended = {"terminated": {"exitCode": 1, "message": report(reason)}}
        return fetching(state={"running": {}}, lastState=ended)

    fault = diagnose(Workload(wanted=1), [again("DigestMismatch")])
    assert fault is not None
    assert fault.final
    assert diagnose(Workload(wanted=1), [again("SourceUnavailable")]) is None


def test_a_container_that_runs_again_is_not_crashing() -> None:
    again = serving(state={"running": {}}, lastState={"terminated": {"exitCode": 3}})
    assert diagnose(Workload(wanted=1), [again]) is None


def test_a_report_of_another_schema_is_no_report() -> None:
    said = json.dumps({"schemaVersion": 2, "reason": "DigestMismatch"})
    fault = diagnose(
        Workload(wanted=1), [fetching(state={"terminated": {"exitCode": 1, "message": said}})]
    )
    assert fault is not None
    assert fault.reason == "Crashing"


def test_a_runtime_that_talks_too_much_is_cut_short() -> None:
    ended = {"terminated": {"exitCode": 1, "message": report("x" * 999)}}
    fault = diagnose(Workload(wanted=1), [fetching(state=ended)])
    assert fault is not None
    assert len(fault.reason) == 128
