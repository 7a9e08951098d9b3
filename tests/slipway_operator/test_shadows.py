"""A shadow's whole life: copies, what they tell, and what follows."""

from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.core.copies import Copies
from slipway_operator.core.rollout import Mirror
from support.builders import a_raw_spec, a_spec
from support.copies import compared, told
from support.crd import SCHEMA
from support.lives import Life, deaths
from support.passes import NEW_URI, change, condition, selected

KEPT = SCHEMA["properties"]["status"]["properties"]["rollouts"]["items"]["properties"]["shadow"][
    "properties"
]
"""What status takes of a shadow."""
MINUTE = timedelta(minutes=1)


def requests(answered: int) -> dict[str, Any]:
    durations = {"bounds": [1.0], "counts": [answered, 0]}
    return {"answered": answered, "refused": 0, "failed": 0, "durations": durations}


def rollout(**changes: Any) -> dict[str, Any]:
    shadow = {
        "percent": 50,
        "duration": "1m",
        "minRequests": 300,
        "minAgreement": "0.99",
        "rtol": "0.001",
        "atol": "0.0001",
    }
    return {**a_raw_spec()["rollout"], "strategy": "Shadow", "shadow": shadow, **changes}


CANARY = {
    "steps": [{"weight": 25, "duration": "1m"}],
    "minRequests": 100,
    "maxErrorRatio": "0.01",
}


async def begun(**changes: Any) -> tuple[Life, str, str]:
    """Serve a revision with three pods, and begin the shadow of a second one."""
    life, first = Life.of(replicas=3, rollout=rollout(**changes))
    await life.passes()
    second = change(life.cluster, model=NEW_URI)
    life.requests[first] = life.requests[second] = requests(0)
    await life.passes()
    return life, first, second


async def test_copies_go_to_it_and_nobody_else_asks_it() -> None:
    life, first, second = await begun()
    assert selected(life.cluster) == first
    assert life.replicas(second) == 2, "half of three, rounded up"
    assert told(life, first) == {
        "schemaVersion": 1,
        "revision": second.rpartition("-")[2],
        "url": f"http://{second}.risk.svc",
        "percent": 50,
        "rtol": 0.001,
        "atol": 0.0001,
    }
    assert told(life, second) is None
    service = life.cluster.get("Service", second)["spec"]
    assert service["selector"] == {
        "slipway.dev/model": "fraud",
        "slipway.dev/revision": second.rpartition("-")[2],
    }
    assert life.status["rollout"]["phase"] == "Shadow"
    assert condition(life.cluster, "Ready")["reason"] == "Shadow"
    before = list(life.cluster.writes)
    compared(life, first, second, 30)
    await life.passes()
    assert life.cluster.writes == before, "while it goes on nothing is written"


async def test_one_that_agrees_takes_over() -> None:
    life, first, second = await begun()
    compared(life, first, second, 600, 3)
    await life.passes()
    assert selected(life.cluster) == first, "its time is not over"
    life.now += MINUTE
    await life.passes()
    assert (selected(life.cluster), life.replicas(second)) == (second, 3)
    assert life.cluster.names("Service") == {"fraud"}
    assert told(life, first) is None
    past = life.status["rollouts"][0]
    assert (past["result"], past["strategy"]) == ("Promoted", "Shadow")
    assert past["shadow"] == {
        "requests": 600,
        "agreed": 597,
        "disagreed": 3,
        "failed": 0,
        "dropped": 0,
        "agreement": "0.995",
        "agreementAtLeast": "0.976414",
    }
    assert set(past["shadow"]) <= set(KEPT)


async def test_one_that_answers_otherwise_is_given_up_at_once_with_an_example() -> None:
    life, first, second = await begun()
    compared(life, first, second, 300, 60)
    await life.passes(1)
    assert told(life, first) is None
    await life.passes()
    assert (selected(life.cluster), life.replicas(second), life.replicas(first)) == (first, 0, 3)
    ready = condition(life.cluster, "Ready")
    assert ready["reason"] == "RolledBack"
    assert "60 of the 300 requests that it took were answered otherwise" in ready["message"]
    assert "y[3, 0] differed most" in ready["message"]
    assert "1.5" not in ready["message"], "what users are answered is no matter for status"
    assert life.entry(second)["refusal"]["reason"] == "ShadowDisagrees"
    assert life.cluster.names("Service") == {"fraud"}
    past = life.status["rollouts"][0]["shadow"]
    assert (past["disagreed"], past["agreement"]) == (60, "0.8")
    before = list(life.cluster.writes)
    life.now += timedelta(hours=1)
    await life.passes()
    assert life.cluster.writes == before, "it is not tried again"


async def test_a_copy_without_an_answer_is_one_that_disagrees() -> None:
    life, first, second = await begun()
    compared(life, first, second, 300)
    life.shadows[first] = {**life.shadows[first], "agreed": 80, "failed": 20}
    await life.passes()
    assert life.entry(second)["refusal"]["reason"] == "ShadowDisagrees"
    assert life.status["rollouts"][0]["shadow"]["agreement"] == "0.8"


async def test_the_service_for_copies_is_never_taken_for_the_callers() -> None:
    life, first, _ = await begun()
    del life.cluster.objects["Service", "fraud"]
    await life.passes()
    assert selected(life.cluster) == first
    assert life.status["rollout"]["phase"] == "Shadow"


async def test_a_few_too_many_are_found_at_its_end() -> None:
    life, first, second = await begun()
    compared(life, first, second, 300, 6)
    await life.passes()
    assert life.status["rollout"]["phase"] == "Shadow", "that may be chance"
    life.now += MINUTE
    await life.passes()
    assert life.entry(second)["refusal"]["reason"] == "ShadowDisagrees"


async def test_with_too_few_copies_it_waits_and_says_so() -> None:
    life, first, second = await begun()
    compared(life, first, second, 297)
    life.now += timedelta(hours=1)
    await life.passes()
    assert selected(life.cluster) == first
    assert "spec.rollout.shadow.minRequests" in condition(life.cluster, "Ready")["message"]
    change(life.cluster, rollout=rollout(promote=second))
    await life.passes()
    assert selected(life.cluster) == second
    assert life.cluster.names("Service") == {"fraud"}


@pytest.mark.parametrize(
    ("disagreed", "failed", "of", "shares"),
    [
        (0, 0, 300, ("1", "0.970874")),
        (0, 0, 3000, ("1", "0.997009")),
        (1, 2, 600, ("0.995", "0.976414")),
        (100, 200, 300, ("0", "0")),
        (0, 0, 0, (None, None)),
    ],
)
def test_the_share_that_agrees_is_told_with_wilsons_lower_bound(
    disagreed: int, failed: int, of: int, shares: tuple[str | None, str | None]
) -> None:
    agreed = of - disagreed - failed
    copies = Copies(requests=of, agreed=agreed, disagreed=disagreed, failed=failed)
    wish = a_spec(rollout=rollout()).rollout.shadow
    assert wish is not None
    found = Mirror(wish=wish, copies=copies).numbers()
    assert (found.get("agreement"), found.get("agreementAtLeast")) == shares


async def test_copies_to_another_revision_do_not_count() -> None:
    life, first, _ = await begun()
    compared(life, first, "fraud-00000000", 3000)
    life.now += MINUTE
    await life.passes()
    assert life.status["rollout"]["phase"] == "Shadow"


async def test_a_canary_follows_where_it_is_asked_for() -> None:
    life, first, second = await begun(canary=CANARY)
    compared(life, first, second, 300)
    life.now += MINUTE
    await life.passes()
    assert life.status["rollout"]["phase"] == "Canary"
    held = life.status["rollout"]["shadow"]
    assert (held["agreed"], held["agreement"], held["agreementAtLeast"]) == (300, "1", "0.970874")
    before = list(life.cluster.writes)
    await life.passes()
    assert life.cluster.writes == before
    assert told(life, first) is None
    assert selected(life.cluster) == first
    life.requests[second] = requests(100)
    life.now += MINUTE
    await life.passes()
    assert selected(life.cluster) == second
    assert {"shadow", "canary"} <= set(life.status["rollouts"][0])


async def test_a_paused_shadow_goes_no_further() -> None:
    life, first, second = await begun()
    compared(life, first, second, 300)
    change(life.cluster, rollout=rollout(paused=True))
    life.now += MINUTE
    await life.passes()
    assert selected(life.cluster) == first
    assert told(life, first) is not None
    assert condition(life.cluster, "Ready")["reason"] == "Paused"


@pytest.mark.parametrize("disagreed", [0, 300])
async def test_an_operator_that_dies_at_any_write_leaves_what_serves_and_goes_on(
    disagreed: int,
) -> None:
    async def begin() -> Life:
        life, first = Life.of(replicas=3, rollout=rollout())
        await life.passes()
        second = change(life.cluster, model=NEW_URI)
        life.requests |= {first: requests(0), second: requests(0)}
        return life

    def look(life: Life) -> None:
        first, second = life.requests
        assert life.replicas(selected(life.cluster)) == 3
        if life.cluster.names("Service") > {"fraud"}:
            compared(life, first, second, 300, disagreed)

    lives = await deaths(begin, look)
    for life in lives:
        first, second = life.requests
        assert selected(life.cluster) == (first if disagreed else second)
        assert life.cluster.names("Service") == {"fraud"}
    assert len(lives) > 10
