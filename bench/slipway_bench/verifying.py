"""What verification adds to a pod's start."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from slipway_bench.models import Model, convolution
from slipway_bench.servers import Server, running, slipway
from slipway_bench.settings import write
from slipway_bench.speed import Rounds
from slipway_bench.table import Row, Target

ROWS = 32
SECONDS = 1.0
LAYERS = ((3, 64, 1), *[(64, 64, 1)] * 54)
CHECKS: list[dict[str, Any]] = [
    {"name": "parity", "type": "Expected", "minArgmaxAgreement": 1},
    {"name": "sane", "type": "Output"},
    {"name": "batch", "type": "BatchInvariance", "sizes": [1, 3, 16]},
]


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Start a server whose model takes about 5 ms, and have it verify 32 rows in three ways."""
    del models
    with TemporaryDirectory() as folder:
        model = convolution(Path(folder) / "five.onnx", 16, LAYERS)
        config = _settings(Path(folder), model)
        runs, suites = [], []
        for _ in range(rounds.count):
            runs.append(_run_seconds(model) * 1e3)
            with running(slipway(model, f"--config={config}")) as server:
                suites.append(_report(server)["seconds"])
    yield Row("five: onnxruntime alone, one run", "ms", runs)
    yield Row(
        f"five: verification of {ROWS} rows before ready", "s", suites, Target(SECONDS), "3 checks"
    )


def _settings(folder: Path, model: Model) -> Path:
    rows = model.rows(ROWS)
    (answers,) = model.session().run(None, {"x": rows})
    golden = folder / "golden.npz"
    np.savez(golden, x=rows, y=answers)
    return write(folder, golden, CHECKS, {"name": "five"})


def _run_seconds(model: Model) -> float:
    """Take the middle of some runs of one row."""
    session, row, taken = model.session(), model.rows(1), []
    for _ in range(30):
        began = time.perf_counter()
        session.run(None, {"x": row})
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]


def _report(server: Server) -> Any:
    with closing(HTTPConnection("127.0.0.1", server.admin, timeout=30)) as connection:
        connection.request("GET", "/verification")
        return json.loads(connection.getresponse().read())
