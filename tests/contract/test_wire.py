"""What one side writes, the other reads: docs/contract.md, held by both sides' own code."""

import json
import re
from pathlib import Path

import pytest

from slipway_operator.core import names
from slipway_operator.core.diagnose import FINAL, diagnose
from slipway_operator.core.observed import Pod, Workload
from slipway_operator.core.render.record import settings
from slipway_operator.observe import found_digests
from slipway_runtime import settings as runtime_settings
from slipway_runtime import termination
from slipway_runtime.errors import Fault, Reason
from support.builders import DIGEST, a_raw_spec, a_spec

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
     str(names.ADMIN_PORT), names.MODEL_LABEL, names.REVISION_LABEL, names.TRACK_LABEL],
)  # fmt: skip
def test_names_are_those_of_the_contract(said: str) -> None:
    assert f"`{said}" in CONTRACT or f"| {said} |" in CONTRACT
