"""What one side writes, the other reads: docs/contract.md, held by both sides' own code."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway_operator.core import names
from slipway_operator.core.diagnose import FINAL, diagnose
from slipway_operator.core.observed import Revision, Workload
from slipway_operator.core.pods import Pod
from slipway_operator.core.render import Owner, record, revision
from slipway_operator.core.render.record import settings
from slipway_operator.core.requests import Requests
from slipway_operator.core.verdict import Case, Verdict
from slipway_operator.observe import found_digests
from slipway_runtime import settings as runtime_settings
from slipway_runtime import termination
from slipway_runtime.checks import Expected, Metric, Slices
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.metrics import Metrics
from slipway_runtime.settings import Batching, Promise, Tensor
from slipway_runtime.statistics import requests
from slipway_runtime.verification import expected
from slipway_runtime.verification.report import Report, State, Suite
from support.builders import DIGEST, a_raw_spec, a_spec
from support.crd import SCHEMA, with_defaults
from support.spec_cases import check
from support.verifications import CASE, CONTINUOUS

CONTRACT = (Path(__file__).parents[2] / "docs" / "contract.md").read_text()


def a_pod(container: str, message: bytes, exit_code: int) -> Pod:
    ended = {"exitCode": exit_code, "message": message.decode()}
    status = {"name": container, "restartCount": 0, "state": {"terminated": ended}}
    metadata = {"name": "fraud-x", "labels": {names.REVISION_LABEL: "a"}}
    return Pod.read({"metadata": metadata, "status": {"initContainerStatuses": [status]}})


def test_the_runtime_reads_the_settings_that_the_operator_writes() -> None:
    runtime = a_raw_spec()["runtime"]
    runtime["session"] = {
        "intraOpNumThreads": 2,
        "graphOptimizationLevel": "Basic",
        "configEntries": {"session.load_model_format": "ONNX"},
    }
    runtime["limits"] = {"maxQueue": 3, "requestTimeout": "1500ms", "maxRequestBytes": "1Mi"}
    model = {"uri": "pvc://models/f.onnx", "name": "f", "version": "7", "sha256": DIGEST}
    written = json.dumps(settings(a_spec(model=model, runtime=runtime))).encode()
    read = runtime_settings.parse(written, "settings.json")
    assert (read.model.name, read.version, read.model.sha256) == ("f", "7", DIGEST)
    assert (read.session.intra_op_num_threads, read.session.graph_optimization_level) == (
        2,
        "Basic",
    )
    assert read.session.config_entries == {"session.load_model_format": "ONNX"}
    assert (read.limits.max_queue, read.limits.request_timeout_seconds) == (3, 1.5)
    assert read.limits.max_request_bytes == 2**20
    assert read.drain_seconds == 10


def test_the_runtime_reads_how_requests_may_share_a_run_and_on_what() -> None:
    runtime = a_raw_spec()["runtime"]
    runtime["batching"] = {"mode": "Disabled", "maxBatchSize": 8, "maxQueueDelay": "5ms"}
    runtime |= {"executionProviders": ["CUDA", "CPU"], "requireProvider": False}
    written = json.dumps(settings(a_spec(runtime=runtime))).encode()
    read = runtime_settings.parse(written, "settings.json")
    assert read.batching == Batching("Disabled", 8, 0.005)
    assert (read.execution_providers, read.require_provider) == (("CUDA", "CPU"), False)


def test_what_has_its_default_is_left_out_and_means_the_same() -> None:
    written = settings(a_spec())
    assert not {"batching", "executionProviders", "requireProvider"} & set(written)
    read = runtime_settings.parse(json.dumps(written).encode(), "settings.json")
    raw = a_raw_spec()["runtime"]
    assert list(read.execution_providers) == raw["executionProviders"]
    assert read.require_provider == raw["requireProvider"]
    assert read.batching == Batching(
        raw["batching"]["mode"],
        raw["batching"]["maxBatchSize"],
        float(raw["batching"]["maxQueueDelay"].removesuffix("s")),
    )


def test_the_runtime_reads_the_signature_that_the_spec_promises() -> None:
    promised = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]}
    written = json.dumps(settings(a_spec(signature=promised))).encode()
    read = runtime_settings.parse(written, "settings.json").signature
    assert read == Promise(inputs=(Tensor("x", "FP32", (-1, 4)),))
    assert runtime_settings.parse(json.dumps(settings(a_spec())).encode(), "s").signature is None


def test_the_operator_reads_what_the_runtime_has_counted() -> None:
    metrics = Metrics("m")
    for code, seconds in ((200, 0.002), (200, 0.02), (404, 0.001), (504, 10.0)):
        metrics.rest.answered(code, seconds)
    metrics.grpc.answered(200, 0.002)
    metrics.grpc.refused(400, "Malformed")
    read = Requests.read({"requests": requests(metrics)})
    assert read is not None
    assert (read.answered, read.refused, read.failed, read.timed) == (6, 2, 1, 5)
    assert read.slower(timedelta(milliseconds=5)) == 2
    assert Requests.read({}) is None, "of a release before"


def test_the_runtime_reads_the_verification_that_the_spec_demands() -> None:
    raw = {
        "compatibility": "Backward",
        "datasets": [
            {"name": "golden", "cases": [CASE]},
            {"name": "big", "configMap": {"name": "maps", "key": "g.npz"}},
            {"name": "far", "uri": "https://x.example.org/f.npz", "sha256": DIGEST},
            {"name": "frame", "uri": "https://x.example.org/f.parquet", "sha256": DIGEST},
        ],
        "checks": [check(kind, kind.lower(), **demands) for kind, demands in EVERY_CHECK.items()],
        "continuous": CONTINUOUS,
    }
    verification = SCHEMA["properties"]["spec"]["properties"]["verification"]
    spec = a_spec(verification=with_defaults(raw, verification))
    born = Revision(fingerprint="a", number=1, record=record("fraud", spec, "runtime:1"))
    written = revision.settings(Owner("risk", "fraud", "uid"), born)["data"]["settings.json"]
    read = runtime_settings.parse(written.encode(), "settings.json").verification
    assert read is not None
    assert [each.type for each in read.checks] == list(EVERY_CHECK)
    [scored] = [each for each in read.checks if isinstance(each, Metric)]
    assert scored.slices == Slices(column="c" * 256, bound=0.8, min_rows=30)
    far = [f"https://x.example.org/f.{ending}" for ending in ("npz", "parquet")]
    assert [each.uri for each in read.datasets] == [None, None, *far]
    assert read.continuous is not None
    assert (read.continuous.rows, read.continuous.peers) == (4, "http://fraud.risk.svc")


EVERY_CHECK: dict[str, dict[str, Any]] = {
    "Expected": {"minArgmaxAgreement": "1"},
    "Output": {"min": "0", "max": "1e3", "sum": "1"},
    "BatchInvariance": {},
    "Metamorphic": {"transform": "Scale", "amount": "2", "expect": "Close"},
    "Metric": {
        "metric": "MacroF1",
        "output": "o" * 256,
        "label": "l" * 256,
        "min": "0.9",
        "maxDrop": "0.1",
        "slices": {"column": "c" * 256, "bound": "0.8"},
    },
    "Performance": {"maxP99": "25ms", "minThroughput": "0.5", "maxMemory": "1Gi"},
}


def test_the_operator_reads_the_report_that_the_runtime_writes() -> None:
    asked = Expected(name="parity", dataset="golden", rtol=0.01)
    got, should = np.array([[0.9, 0.1], [0.5, 0.5]], "f4"), np.array([[0.9, 0.1], [0.9, 0.1]], "f4")
    report = Report(Suite.FULL, State.DONE, complete=True)
    report.verdicts.append((asked, expected.judge(asked, "y", got, should).verdict))
    read = Verdict.of(json.loads(json.dumps(report.describe(None))), "p")
    assert read is not None
    [finding] = read.findings
    assert (finding.name, finding.type, finding.outcome) == ("parity", "Expected", "Failed")
    assert (finding.rows, finding.value) == (2, "0.5")
    assert finding.worst == Case(
        row=1, output="y", index=(1, 1), got="0.5", expected="0.1",
        tolerance="rtol 0.01, atol 0.0001",
    )  # fmt: skip


def test_the_report_has_the_keys_of_the_contract() -> None:
    example = next(
        json.loads(text)
        for text in re.findall(r"```json\n(.*?)```", CONTRACT, re.DOTALL)
        if '"errorBound"' in text
    )
    asked = Expected(name="parity", dataset="golden")
    got = np.array([[0.02, 0.98], [0.88, 0.12]], "f4")
    report = Report(Suite.START, State.DONE)
    verdict = expected.judge(asked, "probabilities", got, np.abs(got - 0.5)).verdict
    report.verdicts.append((asked, verdict))
    written = report.describe(example["continuous"])
    [told], [shown] = written["checks"], example["checks"]
    assert (set(written), set(told)) == (set(example), set(shown))
    assert set(told["worst"]) == set(shown["worst"])
    assert told["worst"]["tolerance"] == shown["worst"]["tolerance"]
    assert f"({shown['worst']['tolerance']})" in shown["message"]


def test_the_runtime_reads_what_the_crds_defaults_become() -> None:
    written = json.dumps(settings(a_spec())).encode()
    read = runtime_settings.parse(written, "settings.json")
    assert (read.version, read.session.intra_op_num_threads) == ("1", "Auto")


def test_the_example_of_the_contract_is_of_the_contract() -> None:
    example = re.findall(r"```json\n(.*?)```", CONTRACT, re.DOTALL)[0]
    assert runtime_settings.parse(example.encode(), "docs/contract.md").model.name == "fraud"


@pytest.mark.parametrize("reason", [r for r in Reason if r is not Reason.FETCHED])
def test_the_operator_understands_each_reason_that_the_runtime_leaves(reason: Reason) -> None:
    message = termination.failed(Fault(reason, "what", "do this"))
    fault = diagnose(Workload(wanted=1), [a_pod(names.FETCH, message, 1)])
    assert fault is not None
    assert (fault.reason, fault.message, fault.hint) == (reason, "what", "do this")


def test_the_operator_finds_the_digest_that_the_fetcher_reports() -> None:
    pod = a_pod(names.FETCH, termination.fetched("there", DIGEST, 1), 0)
    assert found_digests([pod]) == {"a": DIGEST}


def test_the_contract_says_which_reasons_a_restart_does_not_mend() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [a-z, ]+ \| .* \| (yes|no)? ?\|$", CONTRACT, re.MULTILINE)
    table = dict(rows)
    assert set(table) == {str(r) for r in Reason}
    assert {reason for reason, mend in rows if mend == "no"} == FINAL


@pytest.mark.parametrize(
    "said",
    [names.SETTINGS_FOLDER, names.MODELS_FOLDER, names.SOURCE_FOLDER, str(names.REST_PORT),
     str(names.GRPC_PORT), str(names.ADMIN_PORT), names.MODEL_LABEL, names.REVISION_LABEL,
     names.TRACK_LABEL],
)  # fmt: skip
def test_names_are_those_of_the_contract(said: str) -> None:
    assert f"`{said}" in CONTRACT or f"| {said} |" in CONTRACT
