"""What pods say of the copies that they send, and what they are told to copy."""

import json
from typing import Any

from support.lives import Life

WORST = {"output": "y", "index": [3, 0], "got": "1.5", "expected": "0.5"}


def compared(life: Life, by: str, of: str, requests: int, disagreed: int = 0) -> None:
    """Have each of the three pods tell what a third of so many copies came to."""
    counts = {"requests": requests // 3, "agreed": (requests - disagreed) // 3}
    life.shadows[by] = {
        "revision": of.rpartition("-")[2],
        **counts,
        "disagreed": disagreed // 3,
        "failed": 0,
        "dropped": 0,
        "worst": WORST if disagreed else None,
    }


def told(life: Life, name: str) -> Any:
    """Get what a revision's pods are told to copy, and to whom."""
    data = life.cluster.get("ConfigMap", name)["data"]
    return json.loads(data["shadow.json"]) if "shadow.json" in data else None
