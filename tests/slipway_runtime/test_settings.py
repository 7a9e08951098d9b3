import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway_runtime.checks import Expected
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.settings import parse, without_file
from support.runtime_server import settings_file
from support.verification import CHECKS, a_check

Edit = Callable[[dict[str, Any]], object]


def a_file(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(settings_file(tmp_path).read_text())
    return content


def test_the_contracts_file_is_read(tmp_path: Path) -> None:
    settings = parse(settings_file(tmp_path).read_bytes(), "f")
    assert settings.model.name == "m"
    assert settings.version == "7"
    assert settings.limits.max_queue == 512


def test_a_model_without_a_version_is_version_1() -> None:
    assert without_file("m").version == "1"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(lambda s: s.update(x=1), "unknown field `x`", id="unknown"),
        pytest.param(lambda s: s["limits"].update(x=1), "`x` - at `limits`", id="unknown inside"),
        pytest.param(lambda s: s.pop("model"), "missing required field `model`", id="missing"),
        pytest.param(lambda s: s["model"].pop("uri"), "`uri` - at `model`", id="missing inside"),
        pytest.param(lambda s: s.update(schemaVersion=2), "`schemaVersion`", id="version"),
        pytest.param(lambda s: s.update(drainSeconds=-1), ">= 0.0 - at `drainSeconds`", id="drain"),
        pytest.param(lambda s: s["model"].update(sha256="A" * 64), "`model.sha256`", id="digest"),
        pytest.param(
            lambda s: s["session"].update(intraOpNumThreads=0), "`session.intraOp", id="threads"
        ),
        pytest.param(
            lambda s: s["session"].update(configEntries={"a": 1}), "got `int`", id="entries"
        ),
        pytest.param(
            lambda s: s.update(executionProviders=[]), "`executionProviders`", id="no provider"
        ),
        pytest.param(
            lambda s: s.update(executionProviders=["GPU"]), "`executionProviders[", id="provider"
        ),
        pytest.param(lambda s: s.update(requireProvider=1), "`requireProvider`", id="require"),
        pytest.param(
            lambda s: s.update(batching={"mode": "On"}), "`batching.mode`", id="batching mode"
        ),
        pytest.param(
            lambda s: s.update(batching={"maxBatchSize": 0}), "`batching.maxBatchSize`", id="most"
        ),
        pytest.param(lambda s: s.update(batching={"x": 1}), "at `batching`", id="batching field"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_path_of_the_key(
    tmp_path: Path, edit: Edit, expected: str
) -> None:
    content = a_file(tmp_path)
    edit(content)
    with pytest.raises(Fault) as fault:
        parse(json.dumps(content).encode(), "settings.json")
    assert fault.value.reason is Reason.SETTINGS_INVALID
    assert expected in fault.value.message
    assert "settings.json" in fault.value.message


def test_a_file_that_is_no_json_is_refused() -> None:
    with pytest.raises(Fault, match="SettingsInvalid"):
        parse(b"\xff", "settings.json")


def a_verified_file(tmp_path: Path, change: Edit) -> bytes:
    content = a_file(tmp_path)
    dataset = {"name": "golden", "path": "/etc/slipway/golden.json", "uri": None, "sha256": None}
    content["verification"] = {
        "datasets": [dataset],
        "checks": [a_check(kind) for kind in CHECKS],
        "continuous": {
            "intervalSeconds": 60,
            "rows": 4,
            "failureThreshold": 3,
            "peers": "http://m",
        },
    }
    change(content["verification"])
    return json.dumps(content).encode()


def test_what_is_to_be_verified_is_read(tmp_path: Path) -> None:
    read = parse(a_verified_file(tmp_path, lambda v: v), "f").verification
    assert read
    assert [type(check).__name__ for check in read.checks] == list(CHECKS)
    assert read.checks[0] == Expected(
        name="expected", dataset="golden", output="probabilities", rtol=1e-3, atol=1e-4
    )
    assert read.continuous
    assert read.continuous.peers == "http://m"


def test_nothing_is_verified_unless_it_is_wished(tmp_path: Path) -> None:
    assert parse(settings_file(tmp_path).read_bytes(), "f").verification is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda v: v.update(datasets=[]), "`verification.datasets`"),
        (lambda v: v.update(checks=[]), "`verification.checks`"),
        (lambda v: v.update(checks=v["checks"] * 2), "two checks have the same name"),
        (lambda v: v.update(datasets=v["datasets"] * 2), "two data sets have the same name"),
        (lambda v: v["datasets"][0].update(name="g"), "about data set 'golden'; there are g"),
        (lambda v: v["datasets"][0].update(path="/g.csv"), "`verification.datasets[0].path`"),
        (lambda v: v["datasets"][0].update(uri="http://m/g.npz"), "so needs sha256"),
        (
            lambda v: v["datasets"][0].update(uri="file:///g.npz"),
            "`verification.datasets[0].uri`",
        ),
        (lambda v: v["checks"][0].update(type="Exact"), "'Exact'"),
        (lambda v: v["checks"][0].update(min=0), "unknown field `min`"),
        (lambda v: v["checks"][0].update(rtol=-1), "`verification.checks[0].rtol`"),
        (lambda v: v["checks"][0].update(maxMismatchRatio=1.1), "maxMismatchRatio`"),
        (lambda v: v["checks"][2].update(sizes=[]), "`verification.checks[2].sizes`"),
        (lambda v: v["checks"][2].update(sizes=[0]), "`verification.checks[2].sizes[0]`"),
        (lambda v: v["checks"][3].pop("min"), "Accuracy needs min"),
        (lambda v: v["checks"][3].update(metric="MeanAbsoluteError"), "needs max"),
        (lambda v: v["checks"][4].pop("amount"), "GaussianNoise needs amount"),
        (lambda v: v["checks"][5].update(durationSeconds=61), "durationSeconds`"),
        (lambda v: v["checks"][5].pop("minThroughput"), "demands nothing"),
        (lambda v: v["checks"].pop(0), "there is none"),
        (lambda v: v["continuous"].update(intervalSeconds=0), "intervalSeconds`"),
    ],
)
def test_what_can_not_be_verified_is_refused(tmp_path: Path, change: Edit, expected: str) -> None:
    with pytest.raises(Fault) as fault:
        parse(a_verified_file(tmp_path, change), "settings.json")
    assert fault.value.reason is Reason.SETTINGS_INVALID
    assert expected in fault.value.message
