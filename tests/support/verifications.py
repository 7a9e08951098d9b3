"""Specs that demand something of answers, and what pods report of them."""

from typing import Any

CASE: dict[str, Any] = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2.5]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [0.5]}],
}
TOLERANCE = {"rtol": "1e-3", "atol": "1e-4"}


def a_check(name: str = "parity", **changes: Any) -> dict[str, Any]:
    """Build a check of type Expected as the API server returns it."""
    demands = {"dataset": "golden", **TOLERANCE, "maxMismatchRatio": "0"}
    return {"name": name, "type": "Expected", "expected": demands | changes}


def a_verification(**changes: Any) -> dict[str, Any]:
    """Build ``spec.verification``: one check of one row."""
    return {
        "compatibility": "Backward",
        "datasets": [{"name": "golden", "cases": [CASE]}],
        "checks": [a_check()],
        **changes,
    }


CONTINUOUS = {"interval": "60s", "rows": 4, "failureThreshold": 3}


def a_finding(**changes: Any) -> dict[str, Any]:
    """Build what one check found."""
    return {
        "name": "parity", "type": "Expected", "outcome": "Passed", "rows": 32, "value": 0.0,
        "message": "", "worst": None, **changes,
    }  # fmt: skip


def a_report(outcome: str | None = "Passed", **changes: Any) -> dict[str, Any]:
    """Build the report of a full verification that has ended."""
    return {
        "schemaVersion": 1, "suite": "Full", "state": "Done", "complete": True, "outcome": outcome,
        "rows": 150, "errorBound": 0.02, "seconds": 0.4, "checks": [a_finding(outcome=outcome)],
        **changes,
    }  # fmt: skip


WORST = {
    "row": 3, "output": "y", "index": [3], "got": "0.1", "expected": "0.9",
    "tolerance": "rtol 0.001, atol 0.0001",
}  # fmt: skip
WRONG = a_report(
    "Failed",
    errorBound=None,
    checks=[
        a_finding(
            outcome="Failed", value=0.15625, message="y[3] is 0.1 where 0.9 is due", worst=WORST
        )
    ],
)

SIGNATURE: dict[str, Any] = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
}


def a_status(**changes: Any) -> dict[str, Any]:
    """Build ``/status`` of a pod that serves."""
    return {
        "schemaVersion": 1,
        "state": "Ready",
        "model": SIGNATURE,
        "verification": None,
        **changes,
    }
