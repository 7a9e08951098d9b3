"""Wishes for a canary, and what its pods say of their requests."""

from datetime import timedelta
from typing import Any

from slipway_operator.core.decide import WATCHED
from support.builders import a_raw_spec
from support.lives import Life

MINUTE = timedelta(minutes=1)
STEPS = [{"weight": 25, "duration": "1m"}, {"weight": 50, "duration": "1m"}]
GOOD = {
    "answered": 1000,
    "refused": 0,
    "failed": 0,
    "durations": {"bounds": [1.0], "counts": [1000, 0]},
}
BAD = {**GOOD, "failed": 200}
NOTHING = {
    "answered": 0,
    "refused": 0,
    "failed": 0,
    "durations": {"bounds": [1.0], "counts": [0, 0]},
}


def rollout(**changes: Any) -> dict[str, Any]:
    canary = {"steps": STEPS, "minRequests": 100, "maxErrorRatio": "0.01"}
    return {**a_raw_spec()["rollout"], "strategy": "Canary", "canary": canary, **changes}


async def end_a_step(life: Life, revision: str) -> None:
    """Look at a step that goes on, which writes nothing, and let it end well."""
    before = list(life.cluster.writes)
    assert await life.passes() == WATCHED
    assert life.cluster.writes == before
    life.requests[revision] = GOOD
    life.now += MINUTE
    await life.passes()
