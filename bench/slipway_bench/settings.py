"""The settings file of a server, as the operator would write it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = {
    "schemaVersion": 1,
    "session": {
        "intraOpNumThreads": "Auto",
        "graphOptimizationLevel": "All",
        "configEntries": {},
    },
    "limits": {"maxQueue": 512, "requestTimeoutSeconds": 10.0, "maxRequestBytes": 1 << 26},
    "drainSeconds": 0.0,
}


def write(
    folder: Path,
    golden: Path,
    checks: Sequence[Mapping[str, Any]],
    model: Mapping[str, Any],
) -> Path:
    """Write it into a folder; ``checks`` are all over the data set ``golden``."""
    verification = {
        "datasets": [{"name": "golden", "path": str(golden)}],
        "checks": [{**check, "dataset": "golden"} for check in checks],
    }
    served = {"version": "1", "uri": "file:///nowhere", "sha256": None, **model}
    path = folder / "settings.json"
    path.write_text(json.dumps({**SETTINGS, "model": served, "verification": verification}))
    return path


def plain(path: Path, model: str, **limits: Any) -> Path:
    """Write it for a server that only serves, with other ``limits``; return where it is."""
    served = {"name": model, "version": "", "uri": "", "sha256": None}
    told = {**SETTINGS, "model": served, "limits": {**SETTINGS["limits"], **limits}}
    path.write_text(json.dumps(told))
    return path
