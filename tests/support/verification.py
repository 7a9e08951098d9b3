"""Data sets and settings of verification, as a user would write them."""

from pathlib import Path
from typing import Any

import numpy as np

from fixtures.model import Model
from slipway_runtime.verification.columns import Column, datatype_of
from support import parquet

CHECKS: dict[str, dict[str, Any]] = {
    "Expected": {"output": "probabilities"},
    "Output": {"output": "probabilities", "min": 0, "max": 1, "sum": 1},
    "BatchInvariance": {"sizes": [1, 3, 16]},
    "Metric": {"metric": "Accuracy", "output": "label", "label": "label", "min": 0.95},
    "Metamorphic": {"transform": "GaussianNoise", "amount": 0.01, "output": "probabilities"},
    "Performance": {"durationSeconds": 0.5, "minThroughput": 1},
}


def a_check(kind: str, **changes: Any) -> dict[str, Any]:
    """Write a check; it is called what its type is in small letters."""
    return {"name": kind.lower(), "type": kind, "dataset": "golden", **CHECKS[kind], **changes}


def a_dataset(directory: Path, **columns: Any) -> dict[str, Any]:
    path = directory / "golden.npz"
    np.savez(path, **columns)
    return {"name": "golden", "path": str(path)}


def golden(
    directory: Path, model: Model, rows: int | None = None, **changes: Any
) -> dict[str, Any]:
    """Write the rows of a model whose answers somebody else computed."""
    columns = {**model.inputs, **model.expected, **changes}
    return a_dataset(directory, **{name: column[:rows] for name, column in columns.items()})


def a_verification(dataset: dict[str, Any], *checks: Any, **more: Any) -> dict[str, Any]:
    """Write the settings' key; a check is its type, or ``a_check``."""
    asked = [a_check(each) if isinstance(each, str) else each for each in checks]
    return {"datasets": [dataset], "checks": asked, **more}


def a_column(values: Any) -> Column:
    """Make an input."""
    array = np.asarray(values)
    datatype = datatype_of(array)
    assert datatype
    return Column(datatype, array)


def rows_of(model: Model, path: Path, *, wrong_from: int | None = None) -> Path:
    """Write all rows of a model, and what it must answer, but for those from a row on.

    The path's ending says how.
    """
    expected = model.expected["probabilities"].copy()
    if wrong_from is not None:
        expected[wrong_from:] = expected[wrong_from:, ::-1]
    columns = {**model.ask(*range(model.rows)), "probabilities": expected}
    if path.suffix == ".parquet":
        return parquet.saved(path, columns)
    np.savez(path, allow_pickle=False, **columns)
    return path
