"""What pods are told of ``spec.verification``: the settings' part, and where data sets lie."""

import json
from typing import Any

from slipway_operator.core import names
from slipway_operator.core.units import seconds
from slipway_operator.core.verification import Continuous, Dataset, Verification


def settings(wish: Verification) -> dict[str, Any]:
    """Build the part of docs/contract.md that is the same wherever the model is."""
    written: dict[str, Any] = {
        "datasets": [_dataset(each) for each in wish.datasets],
        "checks": [
            {"name": check.name, "type": check.type, **check.parameters} for check in wish.checks
        ],
    }
    return written | ({"continuous": _continuous(wish.continuous)} if wish.continuous else {})


def _continuous(wish: Continuous) -> dict[str, Any]:
    return {
        "intervalSeconds": seconds(wish.interval),
        "rows": wish.rows,
        "failureThreshold": wish.failure_threshold,
    }


def _dataset(wish: Dataset) -> dict[str, Any]:
    return {"name": wish.name, "path": _path(wish), "uri": wish.uri, "sha256": wish.sha256}


def _path(wish: Dataset) -> str:
    if wish.cases is not None:
        return f"{names.SETTINGS_FOLDER}/{_key(wish)}"
    if wish.config_map is not None:
        return f"{_folder(wish)}/{wish.key}"
    path = (wish.uri or "").partition("?")[0]
    ending = next((each for each in (".npz", ".parquet") if path.endswith(each)), ".json")
    return f"{names.FETCHED_DATASETS_FOLDER}/{wish.name}{ending}"


def _folder(wish: Dataset) -> str:
    return f"{names.DATASETS_FOLDER}/{wish.name}"


def _key(wish: Dataset) -> str:
    return f"{wish.name}.json"


def inline(wish: Verification | None) -> dict[str, str]:
    """Write the data sets that the spec itself holds, by the key that each has in the settings."""
    found = wish.datasets if wish else ()
    return {
        _key(each): json.dumps({"cases": each.cases}, sort_keys=True)
        for each in found
        if each.cases is not None
    }


def volumes(wish: Verification | None) -> list[dict[str, Any]]:
    """Build a volume for each data set from a ConfigMap.

    Each is optional for the kubelet, so that the server starts and says plainly what is missing.
    """
    return [
        {
            "name": _volume(each),
            "configMap": {
                "name": each.config_map,
                "optional": True,
                "items": [{"key": each.key, "path": each.key}],
            },
        }
        for each in _mounted(wish)
    ]


def mounts(wish: Verification | None) -> list[dict[str, Any]]:
    """Build the mounts of these volumes."""
    return [
        {"name": _volume(each), "mountPath": _folder(each), "readOnly": True}
        for each in _mounted(wish)
    ]


def _mounted(wish: Verification | None) -> list[Dataset]:
    return [each for each in (wish.datasets if wish else ()) if each.config_map is not None]


def _volume(wish: Dataset) -> str:
    return f"dataset-{wish.name}"
