"""A strategy is chosen by what finds room, and by what callers may hear; status says why."""

from dataclasses import replace
from typing import Any

import pytest

from slipway_operator.core.contract import Signature, Tensor
from slipway_operator.core.decide import decide
from slipway_operator.core.observed import Observed
from slipway_operator.core.pods import Pod
from slipway_operator.core.render import record
from slipway_operator.core.report import report
from slipway_operator.core.rollout import choose
from slipway_operator.core.spec import Strategy
from slipway_operator.core.standing import inquiry
from support.builders import NOON, a_raw_spec, a_revision, a_spec, a_world
from support.crd import SCHEMA
from support.lives import Life
from support.passes import NEW_URI, change, condition
from support.verifications import a_report, a_verification

ROLLOUT = {**a_raw_spec()["rollout"], "strategy": "Auto"}
SPEC = a_spec(replicas=4, rollout=ROLLOUT)
NEW = SPEC.fingerprint
X = Tensor("x", "FP32", (-1, 4))
SAME = Signature((X,), (Tensor("y", "FP32", (-1, 1)),))
WIDER = Signature((Tensor("x", "FP32", (-1, 5)),), SAME.outputs)
NO_ROOM = Pod(name="p", fingerprint=NEW, unschedulable="0/2 nodes are available")


def world(
    ready: int,
    *pods: Pod,
    takes: Signature | None = SAME,
    refusal: str | None = None,
    **changes: Any,
) -> Observed:
    """Four pods serve, and of a new revision so many are ready."""
    old = replace(a_revision("old", wanted=4, replicas=4, ready=4), signature=SAME)
    new = a_revision(NEW, 2, wanted=4, replicas=4, ready=ready, refusal=refusal)
    new = replace(new, signature=takes)
    return a_world(old, new, pods=pods, **{"good": "old", "track": "old"} | changes)


@pytest.mark.parametrize(
    ("seen", "strategy", "words"),
    [
        (world(0), "BlueGreen", "find room, as far as is known"),
        (world(4), "BlueGreen", "find room, as far as is known"),
        (world(2, NO_ROOM), "RollingUpdate", "2 of its 4 pods find room beside those that serve"),
        (world(2, refusal="exceeded quota"), "RollingUpdate", "takes and gives the same"),
        (world(0, NO_ROOM), "BlueGreen", "make room, or choose Recreate"),
        (world(2, NO_ROOM, takes=WIDER), "BlueGreen", "must not hear both: input x had the shape"),
        (world(2, NO_ROOM, takes=None), "BlueGreen", "inputs and outputs are not known yet"),
        (world(2, NO_ROOM, good=None, track=None), "BlueGreen", "no other revision serves"),
        (world(4, good=NEW, track=NEW), "BlueGreen", "no other revision serves"),
        (world(2, pooled=True), "RollingUpdate", "not all pods of both"),
    ],
)
def test_a_row_of_the_table(seen: Observed, strategy: str, words: str) -> None:
    found = choose(SPEC, seen)
    assert found.strategy == strategy
    assert words in found.why


def test_who_has_chosen_is_not_told_why() -> None:
    found = choose(a_spec(), world(2, NO_ROOM))
    assert found == (Strategy.BLUE_GREEN, "")


def test_a_reason_of_any_length_fits_into_status() -> None:
    wide = Signature(tuple(Tensor(f"x{n}" * 9, "FP32", (-1,)) for n in range(64)), SAME.outputs)
    seen, known = world(2, NO_ROOM, takes=wide), record("fraud", SPEC, "runtime:1")
    seen = replace(seen, revisions=tuple(replace(r, record=known) for r in seen.revisions))
    status = report(("risk", "fraud"), seen, decide(SPEC, seen), NOON)
    assert len(choose(SPEC, seen).why) > 1024
    schema = SCHEMA["properties"]["status"]["properties"]["rollout"]["properties"]["message"]
    assert len(status["rollout"]["message"]) == schema["maxLength"]


def test_a_pod_of_each_is_asked_what_it_takes_until_that_is_known() -> None:
    old, new = (a_revision(name, n, wanted=4, ready=1) for n, name in enumerate(("old", NEW)))
    seen = a_world(old, new, good="old", track="old")
    assert inquiry(SPEC, seen).one == {"old", NEW}
    told = [replace(revision, signature=SAME) for revision in (old, new)]
    assert inquiry(SPEC, replace(seen, revisions=tuple(told))).one == set()
    assert inquiry(a_spec(), seen).one == set(), "nobody wants to know"


async def serving(room: int, **spec: Any) -> tuple[Life, str, str]:
    """Serve a revision with four pods, and ask for another one."""
    life, first = Life.of(**{"replicas": 4, "rollout": ROLLOUT} | spec)
    life.room = room
    await life.passes()
    return life, first, change(life.cluster, model=NEW_URI)


async def test_with_room_for_both_all_traffic_moves_in_one_step() -> None:
    life, _, second = await serving(room=8)
    selectors = []
    for _ in range(8):
        await life.passes(1)
        selectors.append(dict(life.cluster.get("Service", "fraud")["spec"]["selector"]))
    assert not [s for s in selectors if "slipway.dev/pool" in s]
    assert life.status["stableRevision"] == second
    past = life.status["rollouts"][0]
    assert (past["strategy"], past["result"]) == ("BlueGreen", "Promoted")


@pytest.mark.parametrize("verified", [False, True])
async def test_with_room_for_some_pods_are_replaced_bit_by_bit(verified: bool) -> None:
    spec = {"verification": a_verification()} if verified else {}
    life, first, second = await serving(room=6, **spec)
    messages, counts = set(), []
    for _ in range(20):
        pooled = "rollingUpdate" in life.status.get("rollout", {})
        await life.passes(1)
        counts.append(life.replicas(second))
        if pooled:
            assert life.replicas(first) + life.replicas(second) <= 6, "nobody asks in vain"
        messages.add(life.status.get("rollout", {}).get("message", ""))
    assert life.status["stableRevision"] == second
    assert (life.replicas(first), life.replicas(second)) == (0, 4)
    past = life.status["rollouts"][0]
    assert (past["strategy"], past["result"]) == ("RollingUpdate", "Promoted")
    said = "2 of its 4 pods find room beside those that serve, and it takes and gives the same"
    assert said in messages
    shrunk = counts.index(2, counts.index(4))
    assert counts[shrunk:] == sorted(counts[shrunk:]), "it is asked for more again and again"
    assert condition(life.cluster, "Ready")["status"] == "True"


async def test_without_any_room_it_waits_and_says_what_could_be_done() -> None:
    life, first, second = await serving(room=4)
    await life.passes(20)
    assert life.status["stableRevision"] == first
    assert life.status["rollout"]["strategy"] == "BlueGreen"
    assert "choose Recreate" in life.status["rollout"]["message"]
    life.room = 5
    await life.passes(20)
    assert life.status["stableRevision"] == second
    assert life.replicas(first) == 0


@pytest.mark.parametrize("strategy", ["Auto", "BlueGreen", "Canary"])
async def test_who_finds_no_room_in_time_is_given_up_and_may_be_tried_again(strategy: str) -> None:
    wish = {**ROLLOUT, "strategy": strategy}
    if strategy == "Canary":
        wish["canary"] = {
            "steps": [{"weight": 20, "duration": "1m"}],
            "minRequests": 1,
            "maxErrorRatio": "0",
        }
    life, first, second = await serving(room=4, rollout=wish)
    life.late = True
    await life.passes(20)
    assert (life.status["stableRevision"], life.replicas(second)) == (first, 0)
    ready = condition(life.cluster, "Ready")
    assert (ready["reason"], "Unschedulable" in ready["message"]) == ("RolledBack", True)
    assert "spec.rollout.retry tries it again" in ready["message"]
    life.room, life.late = 1000, False
    await life.passes(20)
    assert life.replicas(second) == 0
    change(life.cluster, rollout={**a_raw_spec()["rollout"], "retry": "there is room now"})
    await life.passes(20)
    assert (life.status["stableRevision"], life.replicas(first)) == (second, 0)
    assert "refusal" not in life.entry(second)


async def test_a_wrong_one_gets_no_traffic_in_little_room_either() -> None:
    life, first, second = await serving(room=6, verification=a_verification())
    life.reports[second] = a_report("Failed")
    await life.passes(20)
    assert (life.status["stableRevision"], life.replicas(second)) == (first, 0)
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"


@pytest.mark.parametrize("how", ["abort", "rollbackTo"])
async def test_what_was_rolled_in_little_room_goes_back_in_it(how: str) -> None:
    life, first, second = await serving(room=6)
    await life.passes(20)
    assert life.status["stableRevision"] == second
    change(life.cluster, rollout=ROLLOUT | {how: {"abort": second, "rollbackTo": first}[how]})
    await life.passes(30)
    assert life.status["stableRevision"] == first
    assert (life.replicas(first), life.replicas(second)) == (4, 0)
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"
