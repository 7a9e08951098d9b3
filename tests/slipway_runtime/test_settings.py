import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway_runtime.errors import Fault, Reason
from slipway_runtime.settings import parse, without_file
from support.runtime_server import settings_file

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
