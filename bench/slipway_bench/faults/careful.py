"""The model, its data set and the verification that a careful user would write for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fixtures.trained import digits
from slipway_bench.settings import write

ROWS = 64
NAME = "digits"
CHECKS: list[dict[str, Any]] = [
    {
        "name": "parity",
        "type": "Expected",
        "output": "probabilities",
        "rtol": 1e-3,
        "atol": 1e-4,
        "minArgmaxAgreement": 1,
    },
    {"name": "labels", "type": "Expected", "output": "label"},
    {"name": "sane", "type": "Output", "output": "probabilities", "min": 0, "max": 1, "sum": 1},
    {"name": "batch", "type": "BatchInvariance", "sizes": [1, 3, 16]},
    {
        "name": "accuracy",
        "type": "Metric",
        "metric": "Accuracy",
        "output": "probabilities",
        "label": "truth",
        "min": 0.95,
    },
    {
        "name": "slo",
        "type": "Performance",
        "concurrency": 8,
        "durationSeconds": 3,
        "maxP99Seconds": 0.25,
        "maxMemoryBytes": 400 << 20,
    },
]


def dataset(folder: Path) -> Path:
    """Write rows of digits with scikit-learn's answers to them, and what they really are."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second

    model, path = digits(), folder / "golden.npz"
    columns: dict[str, Any] = {**model.inputs, **model.expected, "truth": load_digits().target}
    np.savez(path, **{name: each[:ROWS] for name, each in columns.items()})
    return path


def settings(folder: Path, golden: Path, changes: Mapping[str, Any]) -> Path:
    """Write the settings file of a server; ``changes`` are of its model."""
    return write(folder, golden, CHECKS, {"name": NAME, **changes})
