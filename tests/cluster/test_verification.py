"""Only what answers rightly takes traffic: looked at in each pod, and once over all rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.model import Model
from fixtures.trained import iris
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def golden(model: Model, path: Path, *, wrong_from: int | None = None) -> Path:
    """Write all rows of a model, and what it must answer, but for those from a row on."""
    expected = model.expected["probabilities"].copy()
    if wrong_from is not None:
        expected[wrong_from:] = expected[wrong_from:, ::-1]
    np.savez(path, allow_pickle=False, **model.ask(*range(model.rows)), probabilities=expected)
    return path


def verified(key: str, version: int = 1) -> Object:
    demands = {"dataset": "golden", "output": "probabilities"}
    verification = {
        "datasets": [{"name": "golden", "configMap": {"name": "golden", "key": key}}],
        "checks": [{"name": "parity", "type": "Expected", "expected": demands}],
    }
    model = {"uri": f"configMap://models/iris-v{version}.onnx"}
    return a_model_deployment(model=model, verification=verification)


def stalled(workplace: Workplace, reason: str) -> Any:
    """Wait until somebody must act for a reason."""
    return workplace.until(
        f"it is stalled, {reason}",
        lambda: workplace.condition("iris", "Stalled").get("reason") == reason,
    )


def entry(workplace: Workplace, key: str) -> Object:
    """Get what status has of the stable or the latest revision."""
    status = workplace.get("mdeploy", "iris")["status"]
    found: Object = next(r for r in status["revisions"] if r["name"] == status[key])
    return found


def selected(workplace: Workplace) -> str:
    track: str = workplace.get("service", "iris")["spec"]["selector"]["slipway.dev/track"]
    return track


def test_a_model_gets_traffic_only_once_it_answers_rightly(
    workplace: Workplace, tmp_path: Path
) -> None:
    workplace.provide(iris(1), iris(2))
    right = golden(iris(1), tmp_path / "right.npz")
    late = golden(iris(1), tmp_path / "late.npz", wrong_from=140)
    workplace.provide_files(right, late, name="golden")

    workplace.apply(verified("right.npz", version=2))
    stalled(workplace, "VerificationFailed")
    assert selected(workplace) == "none"
    assert workplace.condition("iris", "Available")["status"] == "False"
    assert "probabilities[" in entry(workplace, "latestRevision")["failure"]["message"]

    workplace.apply(verified("right.npz"))
    workplace.wait("iris")
    assert workplace.condition("iris", "Verified")["status"] == "True"
    found = entry(workplace, "stableRevision")["verification"]
    assert (found["outcome"], found["rows"], found["errorBound"]) == ("Passed", 150, "0.02")
    served = selected(workplace)
    assert iris(1).wrong(workplace.predict("iris", iris(1).ask(0, 50)), 0, 50) == []

    workplace.apply(verified("late.npz"))
    stalled(workplace, "RolledBack")
    assert selected(workplace) == served
    assert workplace.condition("iris", "Available")["status"] == "True"
    assert workplace.condition("iris", "Verified")["reason"] == "VerificationFailed"
    refused = entry(workplace, "latestRevision")
    assert refused["verification"]["suite"] == "Full"
    assert "probabilities[14" in refused["failure"]["message"]
    [warning] = [e for e in workplace.find("event") if e["reason"] == "RolledBack"]
    assert "probabilities[14" in warning["message"]
