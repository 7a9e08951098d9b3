"""Each fault by the words in which Kubernetes tells it, and which one wins."""

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway_operator.core.diagnose import FINAL, Fault, diagnose, hinders, questions
from slipway_operator.core.observed import Scaler, Workload
from slipway_operator.core.pods import Host, Note, Pod

LABELS = {"slipway.dev/revision": "a"}
SPEC = {
    "nodeName": "n1",
    "initContainers": [{"name": "fetch", "resources": {"limits": {"memory": "64Mi"}}}],
    "containers": [{"name": "serve", "resources": {"limits": {"memory": "64Mi"}}}],
    "volumes": [{"name": "source", "persistentVolumeClaim": {"claimName": "models"}}],
    "imagePullSecrets": [{"name": "registry"}],
}


def a_pod(name: str = "fraud-x", **status: Any) -> Pod:
    return Pod.read({"metadata": {"name": name, "labels": LABELS}, "spec": SPEC, "status": status})


def fetching(**state: Any) -> Pod:
    return a_pod(initContainerStatuses=[{"name": "fetch", "restartCount": 1, **state}])


def serving(**state: Any) -> Pod:
    return a_pod(containerStatuses=[{"name": "serve", "restartCount": 3, **state}])


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    last = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    return {**waiting("CrashLoopBackOff", "back-off 10s"), "lastState": last}


def report(reason: str, **more: Any) -> str:
    said = {"schemaVersion": 1, "reason": reason, "message": "m", "hint": "h", **more}
    return json.dumps(said)


def unplaced(message: str, **room: int) -> Pod:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    pod = a_pod(conditions=[condition])
    wants = {"cpu": Decimal(4), "memory": Decimal(2**30)}
    return replace(pod, requests=wants, room={k: Decimal(v) for k, v in room.items()})


def noted(pod: Pod, reason: str, text: str) -> Pod:
    return replace(pod, notes=(*pod.notes, Note(reason, text)))


def lost(pod: Pod) -> Pod:
    return replace(pod, lapsed=True)


CREATING = a_pod(
    initContainerStatuses=[{"name": "fetch", **waiting("PodInitializing")}],
    containerStatuses=[{"name": "serve", **waiting("PodInitializing")}],
)
FETCHED = a_pod(
    initContainerStatuses=[{"name": "fetch", "state": {"terminated": {"exitCode": 0}}}],
    containerStatuses=[{"name": "serve", **waiting("PodInitializing")}],
)
PULL = "failed to resolve reference"
RUNNING: dict[str, Any] = {"state": {"running": {}}}
STARTUP = "Container serve failed startup probe, will be restarted"
LIVENESS = "Container serve failed liveness probe, will be restarted"
MOUNT = 'MountVolume.SetUp failed for volume "source" : '

FULL = unplaced("0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2", cpu=1)
NO_CLAIM = unplaced('0/2 nodes are available: persistentvolumeclaim "models" not found.')
NO_CLAIM_YET = unplaced(
    'running PreFilter plugin "VolumeBinding": error getting PVC "risk/models": could not find '
    'v1.PersistentVolumeClaim "risk/models"'
)
UNBOUND = unplaced("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
NO_VOLUME = unplaced(
    "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."
)
NO_IMAGE = serving(**waiting("ImagePullBackOff", f'Back-off pulling image "x": {PULL}: not found'))
DENIED = serving(**waiting("ErrImagePull", f"{PULL}: unexpected status: 401 Unauthorized"))
NO_HOST = serving(**waiting("ErrImagePull", f"{PULL}: dial tcp: no such host"))
MISNAMED = serving(**waiting("InvalidImageName"))
NO_SECRET = fetching(**waiting("CreateContainerConfigError", 'secret "s3" not found'))
NO_KEY = fetching(**waiting("CreateContainerConfigError", "couldn't find key id in Secret risk/s3"))
NO_MAP = noted(CREATING, "FailedMount", MOUNT + 'configmap "models" not found')
NOT_MOUNTED = noted(CREATING, "FailedMount", MOUNT + "timed out")
NO_PULL_SECRET = noted(
    DENIED,
    "FailedToRetrieveImagePullSecret",
    "Unable to retrieve some image pull secrets (registry); attempting to pull the image may not",
)
NOT_FOUND = fetching(**ended(1, report("SourceNotFound")))
WRONG = fetching(**ended(1, report("DigestMismatch")))
FETCH_OOM = fetching(**ended(137, reason="OOMKilled"))
LOAD_OOM = serving(**ended(137, reason="OOMKilled"))
SERVE_OOM = lost(LOAD_OOM)
SLOW = noted(serving(**ended(0, reason="Completed")), "Killing", STARTUP)
HUNG = noted(serving(**ended(137)), "Killing", LIVENESS)
CRASHED = serving(**ended(3, "one\nboom"))
SILENT = noted(
    noted(lost(serving(**RUNNING)), "Unhealthy", "Readiness probe failed: timeout"),
    "Unhealthy",
    "Liveness probe failed",
)
STRANDED = replace(serving(**RUNNING, ready=True), host=Host(False, "Kubelet stopped posting"))
EVICTED = replace(a_pod(), evicted="The node was low on resource: memory.")
DISK = replace(a_pod(), evicted="Pod ephemeral local storage usage exceeds the total limit of 10Mi")

CASES = [
    (MISNAMED, "InvalidImageName", "serve", "spec.runtime.image"),
    (WRONG, "DigestMismatch", "fetch", "h"),
    (STRANDED, "NodeGone", None, "kubectl delete pod"),
    (NO_CLAIM, "VolumeClaimMissing", None, "Create the claim models"),
    (NO_CLAIM_YET, "VolumeClaimMissing", None, "Create the claim models"),
    (UNBOUND, "VolumeClaimUnbound", None, "kubectl describe pvc models"),
    (NO_VOLUME, "VolumeClaimUnbound", None, "kubectl describe pvc models"),
    (FULL, "Unschedulable", None, "Lower spec.resources.requests[cpu], or add nodes"),
    (NO_PULL_SECRET, "SecretMissing", None, "Create the Secret registry"),
    (NO_SECRET, "SecretMissing", None, "Create it"),
    (NO_KEY, "SecretMissing", None, "Create it"),
    (NO_MAP, "ConfigMapMissing", None, "Create it"),
    (NOT_MOUNTED, "VolumeMountFailed", None, "Look at the volume"),
    (DENIED, "ImageAccessDenied", "serve", "spec.template.imagePullSecrets"),
    (NO_IMAGE, "ImageNotFound", "serve", "push the image"),
    (NO_HOST, "ImagePullFailed", "serve", "whether the node reaches the registry"),
    (NOT_FOUND, "SourceNotFound", "fetch", "h"),
    (FETCH_OOM, "OutOfMemory", "fetch", "Raise spec.resources.limits.memory."),
    (LOAD_OOM, "OutOfMemory", "serve", "the model does not fit"),
    (SERVE_OOM, "OutOfMemory", "serve", "lower spec.runtime.limits"),
    (SLOW, "StartupTooSlow", "serve", "spec.rollout.progressDeadlineSeconds"),
    (HUNG, "Unresponsive", "serve", "Look at its log"),
    (CRASHED, "Crashing", "serve", "kubectl logs fraud-x -c serve --previous"),
    (SILENT, "ReadinessLost", "serve", "Look at its log"),
    (EVICTED, "Evicted", None, "See what fills the node"),
    (DISK, "DiskFull", None, "spec.resources.limits[ephemeral-storage]"),
]  # fmt: skip


def why(*pods: Pod, refusal: str | None = None) -> Fault:
    fault = diagnose(Workload(wanted=1, refusal=refusal), pods)
    assert fault is not None
    return fault


@pytest.mark.parametrize(("pod", "reason", "container", "hint"), CASES, ids=lambda v: str(v)[:20])
def test_a_pod_that_is_not_well_has_a_reason_and_a_hint(
    pod: Pod, reason: str, container: str | None, hint: str
) -> None:
    fault = why(pod)
    assert (fault.reason, fault.pod, fault.container) == (reason, "fraud-x", container)
    assert hint in fault.hint
    assert fault.message
    assert fault.final == (reason in FINAL | {"InvalidImageName"})
    assert fault.others == () or reason == "SecretMissing"


@pytest.mark.parametrize(
    ("pod", "code", "log"),
    [
        (CRASHED, 3, "one\nboom"),
        (LOAD_OOM, 137, ""),
        (NOT_FOUND, 1, ""),
        (fetching(**ended(1, report("SourceNotFound", log="tried\ntwice"))), 1, "tried\ntwice"),
    ],
)
def test_a_container_that_ended_leaves_its_exit_code_and_its_last_lines(
    pod: Pod, code: int, log: str
) -> None:
    assert (why(pod).exit_code, why(pod).log) == (code, log)


def test_the_message_of_a_crash_is_the_line_that_names_the_error() -> None:
    last = "Fatal Python error: no encodings\nModuleNotFoundError: encodings\n  <no Python frame>"
    assert why(serving(**ended(1, last))).message.endswith(": ModuleNotFoundError: encodings")
    assert why(CRASHED).message.endswith(": boom")


def test_a_pod_that_lost_its_readiness_says_which_probe_failed() -> None:
    assert why(SILENT).message.endswith("Readiness probe failed: timeout")


def test_last_lines_are_few_short_and_whole() -> None:
    many = why(serving(**ended(3, "\n".join(f"line {n}" for n in range(99))))).log
    assert many.splitlines()[0] == "line 89"
    long = why(serving(**ended(3, "x" * 900 + "\n" + "y" * 900))).log
    assert long == "y" * 900
    assert len(why(serving(**ended(3, "z" * 5000))).log) == 1024


@pytest.mark.parametrize(
    ("refusal", "reason", "words"),
    [
        ("exceeded quota: q, requested: pods=1, used: pods=0", "QuotaExceeded", "ResourceQuota"),
        ("failed quota: q: must specify cpu for: serve", "QuotaExceeded", "spec.resources"),
        (
            'error looking up service account risk/x: serviceaccount "x" not found',
            "ServiceAccountMissing",
            "spec.template.serviceAccountName",
        ),
        ('violates PodSecurity "restricted:latest"', "PodsRefused", "restricted"),
        ("maximum cpu usage per Container is 1", "PodsRefused", "LimitRange"),
    ],
)
def test_what_does_not_let_pods_be_is_told_without_their_random_names(
    refusal: str, reason: str, words: str
) -> None:
    fault = why(refusal=f'pods "fraud-a-7d4b9c5f6-x2x9z" is forbidden: {refusal}')
    assert fault.reason == reason
    assert words in fault.hint
    assert refusal in fault.message
    assert "x2x9z" not in fault.message


def test_what_is_missing_of_a_resource_is_counted() -> None:
    text = "asks for cpu 4, the roomiest node has 1 free: 3 missing"
    assert text in why(FULL).message
    memory = unplaced("0/2 nodes are available: 2 Insufficient memory.", memory=2**29)
    assert "asks for memory 1.0Gi, the roomiest node has 512Mi free: 512Mi" in (why(memory).message)


@pytest.mark.parametrize("room", [{}, {"cpu": 9}, {"memory": 1}])
def test_what_is_missing_is_not_counted_where_that_is_not_the_reason(room: dict[str, int]) -> None:
    message = why(unplaced("2 Insufficient cpu.", **room)).message
    assert "missing" not in message
    assert "the scheduler says: 2 Insufficient cpu." in message


def test_a_placement_that_no_node_has_is_to_be_relaxed() -> None:
    fault = why(unplaced("0/2 nodes are available: 2 node(s) didn't match node selector."))
    assert "nodeSelector" in fault.hint


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (FETCH_OOM, "went over its memory limit of 64Mi while it fetched the model (restart 1)"),
        (LOAD_OOM, "while it loaded the model (restart 3)"),
        (SERVE_OOM, "while it served (restart 3)"),
    ],
)
def test_memory_that_ran_out_is_told_with_what_it_was_for(pod: Pod, words: str) -> None:
    assert words in why(pod).message


def test_the_message_of_a_pull_is_the_same_between_two_tries() -> None:
    detail = "rpc error: code = NotFound desc = failed to pull: not found"
    failing = serving(**waiting("ErrImagePull", detail))
    pause = f'Back-off pulling image "x": ErrImagePull: {detail}'
    waits = serving(**waiting("ImagePullBackOff", pause))
    assert why(failing) == why(waits)
    assert why(failing).message == "failed to pull: not found"


# Which one wins.

ORDER = [MISNAMED, STRANDED, NO_CLAIM, NO_PULL_SECRET, NOT_MOUNTED, NO_IMAGE, NOT_FOUND,
         LOAD_OOM, SLOW, HUNG, CRASHED, SILENT, EVICTED]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), list(pairwise(ORDER)))
def test_the_fault_that_explains_the_other_wins_and_the_other_stays_listed(
    first: Pod, second: Pod
) -> None:
    for pods in ((first, second), (second, first)):
        named = [replace(pod, name=str(n)) for n, pod in enumerate(pods)]
        fault = why(*named)
        assert fault.reason == why(first).reason
        assert why(second).reason in {other.reason for other in fault.others}


def test_what_nothing_but_a_change_mends_goes_before_all_else() -> None:
    fault = why(FULL, replace(WRONG, name="b"), refusal="exceeded quota: q")
    assert fault.reason == "DigestMismatch"
    assert [other.reason for other in fault.others] == ["QuotaExceeded", "Unschedulable"]


def test_pods_that_may_not_be_go_before_pods_that_find_no_node() -> None:
    assert why(FULL, refusal="exceeded quota: q").reason == "QuotaExceeded"


def test_of_a_pod_whose_node_is_gone_nothing_else_is_believed() -> None:
    fault = why(replace(CRASHED, host=Host(False)))
    assert (fault.reason, fault.others) == ("NodeGone", ())


def test_a_pod_that_leaves_is_only_told_of_if_its_node_is_gone() -> None:
    leaving = replace(STRANDED, name="leaving", leaving=True)
    fault = why(leaving, FULL)
    assert (fault.reason, fault.pod) == ("NodeGone", "leaving")
    assert [other.reason for other in fault.others] == ["Unschedulable"]
    assert diagnose(None, [replace(CRASHED, leaving=True)]) is None


def test_what_many_pods_have_in_common_is_told_once() -> None:
    pods = [replace(CRASHED, name=str(n)) for n in range(20)]
    fault = why(*pods)
    assert (fault.pod, fault.others) == ("0", ())


def test_no_more_than_eight_others_are_listed() -> None:
    every = [replace(case[0], name=str(n)) for n, case in enumerate(CASES)]
    assert len(why(*every).others) == 8


# What is no fault, or no fault any more.


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(serving(**waiting("PodInitializing")), id="starting"),
        pytest.param(CREATING, id="creating"),
        pytest.param(
            fetching(state={"terminated": {"exitCode": 0, "message": report("Fetched")}}),
            id="fetched",
        ),
        pytest.param(
            fetching(
                state={"terminated": {"exitCode": 0, "message": report("Fetched")}},
                lastState={"terminated": {"exitCode": 1, "message": report("SourceNotFound")}},
            ),
            id="fetched at the second try",
        ),
        pytest.param(serving(**RUNNING), id="loading"),
        pytest.param(replace(serving(**RUNNING, ready=True), host=Host(True)), id="node is back"),
        pytest.param(
            noted(serving(**RUNNING), "Unhealthy", "Startup probe failed"), id="not yet started"
        ),
        pytest.param(noted(FETCHED, "FailedMount", MOUNT), id="mounted by now"),
        pytest.param(
            noted(CREATING, "FailedMount", f"{MOUNT}failed to sync configmap cache: timed out"),
            id="not yet read by the kubelet",
        ),
        pytest.param(
            noted(CREATING, "FailedMount", MOUNT + 'object "kube-root-ca.crt" not registered'),
            id="not yet known to the kubelet",
        ),
        pytest.param(
            noted(serving(**RUNNING), "FailedToRetrieveImagePullSecret", "(x)"), id="pulled"
        ),
        pytest.param(replace(CRASHED, ready=True), id="ready"),
    ],
)
def test_a_pod_that_is_only_on_its_way_has_no_fault(pod: Pod) -> None:
    assert diagnose(Workload(wanted=1), [pod]) is None


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (fetching(**{**ended(1, report("SourceUnavailable")), **RUNNING}), "SourceUnavailable"),
        (fetching(**{**ended(1, report("DigestMismatch")), **RUNNING}), "DigestMismatch"),
        (serving(**{**ended(3), **RUNNING}), "Crashing"),
        (serving(**{**ended(137, reason="OOMKilled"), **RUNNING}), "OutOfMemory"),
        (lost(serving(**{**ended(3), **RUNNING})), "Crashing"),
    ],
)
def test_a_container_that_tries_again_is_not_well_yet(pod: Pod, reason: str) -> None:
    assert why(pod).reason == reason


def test_a_server_that_keeps_ending_without_an_error_is_crashing() -> None:
    assert why(serving(**ended(0, reason="Completed"))).reason == "Crashing"


def test_a_kill_for_a_probe_does_not_explain_a_later_crash() -> None:
    assert why(noted(CRASHED, "Killing", STARTUP)).reason == "Crashing"


@pytest.mark.parametrize(
    ("secret", "pull", "reason"),
    [("1", "1", "SecretMissing"), ("2", "1", "SecretMissing"), ("1", "2", "ImageAccessDenied")],
)
def test_a_pull_secret_that_is_there_by_now_is_not_missing(
    secret: str, pull: str, reason: str
) -> None:
    notes = (
        Note("FailedToRetrieveImagePullSecret", "(registry)", secret),
        Note("Pulling", "x", pull),
    )
    assert why(replace(DENIED, notes=notes)).reason == reason


def test_the_last_kill_counts() -> None:
    both = noted(noted(serving(**ended(137)), "Killing", STARTUP), "Killing", LIVENESS)
    assert why(both).reason == "Unresponsive"


def test_a_runtime_that_has_failed_and_stays_up_speaks_for_itself() -> None:
    said = json.loads(report("ModelInvalid", state="Failed", log="no model to serve"))
    fault = why(replace(serving(**{**ended(137), **RUNNING}), runtime=said))
    assert (fault.reason, fault.final, fault.exit_code) == ("ModelInvalid", True, None)
    assert fault.log == "no model to serve"


def test_a_report_of_another_schema_is_no_report() -> None:
    said = json.dumps({"schemaVersion": 2, "reason": "DigestMismatch"})
    assert why(fetching(**ended(1, said))).reason == "Crashing"


def test_a_runtime_that_talks_too_much_is_cut_short() -> None:
    assert len(why(fetching(**ended(1, report("x" * 999)))).reason) == 128


@pytest.mark.parametrize("ready", [True, False])
def test_a_pod_that_nobody_can_ask_about_its_node_is_judged_by_its_containers(ready: bool) -> None:
    pod = serving(**RUNNING, ready=ready)
    assert (diagnose(None, [pod]) is not None) == ready


# Who is looked at closely.


@pytest.mark.parametrize(
    ("pod", "asked"),
    [
        (CREATING, True),
        (SLOW, True),
        (SILENT, True),
        (DENIED, True),
        (replace(DENIED, secrets=()), False),
        (serving(**RUNNING), False),
        (CRASHED, False),
        (FULL, False),
        (EVICTED, False),
        (replace(SILENT, ready=True), False),
    ],
)
def test_only_pods_that_do_not_explain_themselves_have_their_events_read(
    pod: Pod, asked: bool
) -> None:
    assert questions.silent(pod) == asked


def test_room_is_only_counted_for_pods_that_lack_it() -> None:
    assert questions.homeless(FULL)
    assert not questions.homeless(NO_CLAIM)


# The HPA.


@pytest.mark.parametrize(
    ("scaler", "reason"),
    [
        (Scaler(active=False, reason="FailedGetResourceMetric"), "MetricsUnavailable"),
        (Scaler(active=False, reason="FailedGetContainerResourceMetric"), "MetricsUnavailable"),
        (Scaler(active=False, reason="ScalingDisabled"), None),
        (Scaler(active=True, reason="ValidMetricFound", capped="wants more"), "AtMaxReplicas"),
        (Scaler(active=True, reason="ValidMetricFound"), None),
        (Scaler(), None),
    ],
)
def test_an_hpa_that_can_not_follow_the_load_says_why(scaler: Scaler, reason: str | None) -> None:
    fault = hinders(scaler)
    assert (fault.reason if fault else None) == reason


WORDS = st.text(max_size=60) | st.sampled_from(
    [
        STARTUP,
        MOUNT,
        "Insufficient cpu",
        "persistentvolumeclaim",
        "exceeded quota",
        "401 (",
        "{",
        "not found",
    ]
)
REASONS = st.sampled_from(
    ["ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff", "ContainerCreating", "Killing",
     "CreateContainerConfigError", "FailedMount", "OOMKilled", "Error", "InvalidImageName",
     "FailedToRetrieveImagePullSecret", "Pulling", "Unhealthy", ""]
)  # fmt: skip
STATES = st.fixed_dictionaries(
    {},
    optional={
        "waiting": st.fixed_dictionaries({"reason": REASONS}, optional={"message": WORDS}),
        "running": st.just({}),
        "terminated": st.fixed_dictionaries(
            {"exitCode": st.integers(0, 255)}, optional={"reason": REASONS, "message": WORDS}
        ),
    },
)
STATUSES = st.fixed_dictionaries(
    {"name": st.sampled_from(["fetch", "serve"])},
    optional={"state": STATES, "lastState": STATES, "ready": st.booleans()},
)


@settings(deadline=None)  # its first call imports and builds: on a busy machine that takes long
@given(
    st.lists(STATUSES, max_size=3),
    st.lists(st.builds(Note, REASONS, WORDS, WORDS), max_size=3),
    WORDS | st.none(),
    WORDS | st.none(),
)
def test_whatever_kubernetes_says_the_answer_fits_into_status(
    statuses: list[dict[str, Any]], notes: list[Note], scheduler: str | None, refusal: str | None
) -> None:
    pod = replace(a_pod(containerStatuses=statuses), notes=tuple(notes), unschedulable=scheduler)
    fault = diagnose(Workload(wanted=1, refusal=refusal), [pod])
    assert fault is not None or refusal is None
    for each in (fault, *fault.others) if fault else ():
        assert 0 < len(each.reason) <= 128
        assert each.message
        assert each.hint
        assert len(each.log) <= 1024


def test_an_event_without_words_is_told_by_its_reason() -> None:
    fault = diagnose(None, [noted(CREATING, "FailedMount", "")])
    assert fault is not None
    assert fault.message == "FailedMount"
