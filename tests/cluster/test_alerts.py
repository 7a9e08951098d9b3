"""Alerts and dashboard in Prometheus' own judgement: promtool, with series that are made up."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from slipway_dev.packages import unpacked
from slipway_dev.state import cache_folder
from support.manifests import MONITORING, documents

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="promtool comes as a Debian package"),
]

[RULES] = documents(MONITORING / "alerts.yaml")
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in RULES["spec"]["groups"] for rule in group["rules"]
}


@cache
def promtool() -> Path:
    return unpacked("prometheus", cache_folder(os.environ)) / "usr" / "bin" / "promtool"


def check(folder: Path, *command: str, **files: Any) -> None:
    """Run promtool in a folder with files; JSON is YAML, too."""
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(json.dumps(content))
    done = subprocess.run(
        [promtool(), *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


LEADS = 'leader_election_master_status{name="slipway-operator",pod="%s"}'
PASSES = 'controller_runtime_reconcile_total{controller="modeldeployment"}'
ERRORS = 'controller_runtime_reconcile_errors_total{controller="modeldeployment"}'
APPLIED = 'slipway_operator_event_to_applied_seconds_bucket{le="+Inf"}'
LATE, LATER = (APPLIED.replace("+Inf", seconds) for seconds in ("30.0", "60.0"))
LONGEST = 'workqueue_longest_running_processor_seconds{name="modeldeployment"}'
REFUSED = 'slipway_operator_writes_total{resource="services",result="refused"}'
STALLED = 'slipway_operator_model_conditions{type="Stalled",status="%s"}'
AVAILABLE = 'slipway_operator_model_conditions{type="Available",status="%s"}'
MODEL = {"namespace": "risk", "slipway_dev_model": "fraud"}
WRONG = 'slipway_verification_wrong{namespace="risk",slipway_dev_model="fraud",model="m",pod="%s"}'
OTHERS = WRONG.replace("risk", "shop")
NAMED = {
    "SlipwayWritesRefused": {"resource": "services"},
    "SlipwayAnswersWrong": MODEL,
    "SlipwayPodAnswersWrong": {**MODEL, "pod": "a"},
}
"""What an alert says beside its own labels."""


class Case(NamedTuple):
    """What is measured each minute, in promtool's notation, and when the alert is looked at."""

    alert: str
    series: Mapping[str, str]
    after: str


FIRES = [
    Case("SlipwayNoLeader", {LEADS % "a": "0x9", LEADS % "b": "0x9"}, "3m"),
    Case("SlipwayNoLeader", {}, "3m"),
    Case("SlipwayTwoLeaders", {LEADS % "a": "1x9", LEADS % "b": "1x9"}, "3m"),
    Case("SlipwayPassesFail", {ERRORS: "0+2x40", PASSES: "0+10x40"}, "30m"),
    Case("SlipwaySlow", {LATE: "0x40", LATER: "0+9x40", APPLIED: "0+9x40"}, "30m"),
    Case("SlipwayPassStuck", {LONGEST: "120x9"}, "2m"),
    Case("SlipwayWritesRefused", {REFUSED: "0+1x40"}, "30m"),
    Case("SlipwayModelsStalled", {STALLED % "True": "2x40", STALLED % "False": "7x40"}, "35m"),
    Case("SlipwayModelsUnavailable", {AVAILABLE % "False": "1x20"}, "15m"),
    Case("SlipwayAnswersWrong", {WRONG % "a": "1x9", WRONG % "b": "1x9"}, "3m"),
    Case("SlipwayAnswersWrong", {WRONG % "a": "1x9", OTHERS % "a": "0x9"}, "3m"),
    Case("SlipwayPodAnswersWrong", {WRONG % "a": "1x9", WRONG % "b": "0x9"}, "6m"),
]
KEEPS_STILL = [
    Case("SlipwayNoLeader", {LEADS % "a": "0x9", LEADS % "b": "1x9"}, "9m"),
    Case("SlipwayNoLeader", {LEADS % "a": "1 0 1x9"}, "2m"),  # a takeover
    Case("SlipwayTwoLeaders", {LEADS % "a": "1x9", LEADS % "b": "0x9"}, "3m"),
    Case("SlipwayPassesFail", {ERRORS: "0+1x40", PASSES: "0+20x40"}, "30m"),
    Case("SlipwayPassesFail", {ERRORS: "5x40", PASSES: "9x40"}, "30m"),  # no pass at all
    Case("SlipwaySlow", {LATE: "0+9x40", LATER: "0+9x40", APPLIED: "0+9x40"}, "30m"),
    Case("SlipwaySlow", {LATE: "9x40", LATER: "9x40", APPLIED: "9x40"}, "30m"),  # no news at all
    Case("SlipwayPassStuck", {LONGEST: "30x9"}, "5m"),
    Case("SlipwayWritesRefused", {REFUSED: "0 1x40"}, "20m"),  # once
    Case("SlipwayModelsStalled", {STALLED % "True": "2x20 0x20"}, "35m"),
    Case(
        "SlipwayModelsUnavailable", {AVAILABLE % "True": "9x20", AVAILABLE % "False": "0x20"}, "15m"
    ),
    Case("SlipwayModelsUnavailable", {AVAILABLE % "False": "1x3 0x20"}, "15m"),  # it starts
    Case("SlipwayAnswersWrong", {WRONG % "a": "1x9", WRONG % "b": "0x9"}, "9m"),
    Case("SlipwayAnswersWrong", {WRONG % "a": "1 1 0x9", WRONG % "b": "1x9"}, "3m"),  # one is back
    Case("SlipwayAnswersWrong", {}, "3m"),  # nobody asks
    Case("SlipwayPodAnswersWrong", {WRONG % "a": "0x9", WRONG % "b": "0x9"}, "9m"),
    Case("SlipwayPodAnswersWrong", {WRONG % "a": "1x4 0x5", WRONG % "b": "0x4 1x5"}, "9m"),
    Case("SlipwayPodAnswersWrong", {}, "9m"),
]


def as_test(case: Case, *told: Mapping[str, Any]) -> dict[str, Any]:
    look = {"eval_time": case.after, "alertname": case.alert, "exp_alerts": told}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": v} for name, v in case.series.items()],
        "alert_rule_test": [look],
    }


def told(alert: str) -> dict[str, Any]:
    rule = ALERTS[alert]
    return {
        "exp_labels": rule["labels"] | NAMED.get(alert, {}),
        "exp_annotations": rule["annotations"],
    }


def test_an_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    tests = [as_test(case, told(case.alert)) for case in FIRES]
    tests += [as_test(case) for case in KEEPS_STILL]
    asked = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    check(tmp_path, "test", "rules", "tests.yaml", rules=RULES["spec"], tests=asked)


@pytest.mark.parametrize("cases", [FIRES, KEEPS_STILL], ids=["fires", "keeps still"])
def test_each_alert_is_seen_both_ways(cases: list[Case]) -> None:
    assert {case.alert for case in cases} == ALERTS.keys()


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    panels = json.loads((MONITORING / "operator.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    shown = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(asked)
    ]
    assert shown
    groups = [*RULES["spec"]["groups"], {"name": "dashboard", "rules": shown}]
    check(tmp_path, "check", "rules", "--lint-fatal", "rules.yaml", rules={"groups": groups})
