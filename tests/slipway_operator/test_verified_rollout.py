"""Revisions whose answers must be right before they take traffic, from change to promotion."""

from collections.abc import Mapping
from typing import Any

import pytest

from support.builders import a_raw_spec
from support.fakes import DiedError, FakeSignals
from support.lives import Life
from support.passes import NEW_URI, change, condition, selected
from support.verifications import SIGNATURE, WORST, WRONG, a_report, a_verification


def a_life() -> tuple[Life, str]:
    return Life.of(verification=a_verification())


async def test_the_service_selects_nobody_until_the_first_revision_is_verified() -> None:
    life, first = a_life()
    life.reports[first] = a_report(state="Waiting", outcome=None, complete=False)
    await life.passes()
    assert selected(life.cluster) == "fraud-none"
    assert condition(life.cluster, "Available")["status"] == "False"
    assert set(life.signals.told) == {first}
    life.reports[first] = a_report()
    await life.passes()
    assert selected(life.cluster) == first
    assert condition(life.cluster, "Ready")["status"] == "True"
    assert condition(life.cluster, "Verified")["status"] == "True"
    assert life.entry(first)["verification"]["outcome"] == "Passed"
    assert life.entry(first)["signature"] == SIGNATURE
    assert "Verified" in [event.reason for event in life.cluster.told]


async def test_what_is_known_is_not_asked_again_and_nothing_is_written() -> None:
    life, _ = a_life()
    await life.passes()
    before, life.signals = list(life.cluster.writes), FakeSignals()
    await life.passes()
    assert life.cluster.writes == before
    assert life.signals.asked == []


async def test_a_revision_that_answers_wrongly_never_gets_traffic() -> None:
    life, first = a_life()
    await life.passes()
    bad = change(life.cluster, model=NEW_URI)
    life.reports[bad] = WRONG
    await life.passes()
    assert selected(life.cluster) == first
    assert condition(life.cluster, "Available")["status"] == "True"
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"
    assert life.entry(bad)["failure"]["reason"] == "VerificationFailed"
    found = life.entry(bad)["verification"]["checks"][0]
    assert (found["value"], found["rows"], found["worst"]) == ("0.15625", 32, WORST)
    [warning] = [event for event in life.cluster.told if event.warning]
    assert warning.reason == "RolledBack"
    assert "y[3] is 0.1 where 0.9 is due" in warning.note
    before = list(life.cluster.writes)
    life.reports[bad] = a_report()
    await life.passes()
    assert life.cluster.writes == before, "it is tried again only if somebody asks for that"
    change(life.cluster, rollout={**a_raw_spec()["rollout"], "retry": "1"})
    await life.passes()
    assert selected(life.cluster) == bad
    assert life.entry(bad)["verification"]["outcome"] == "Passed"


async def test_a_wish_to_try_again_leaves_alone_what_serves() -> None:
    life, first = a_life()
    await life.passes()
    life.signals = FakeSignals()
    change(life.cluster, rollout={**a_raw_spec()["rollout"], "retry": "1"})
    before = list(life.cluster.writes)
    await life.passes()
    assert [what.split()[-1] for what in life.cluster.writes[len(before) :]] == ["status"]
    assert life.signals.asked == []
    assert life.entry(first)["verification"]["outcome"] == "Passed"


async def test_a_wish_to_try_again_that_is_removed_says_nothing() -> None:
    life, _ = a_life()
    await life.passes()
    bad = change(life.cluster, model=NEW_URI, rollout={**a_raw_spec()["rollout"], "retry": "1"})
    life.reports[bad] = WRONG
    await life.passes()
    life.reports[bad] = a_report()
    change(life.cluster, rollout=a_raw_spec()["rollout"])
    await life.passes()
    assert condition(life.cluster, "Ready")["reason"] == "RolledBack"


class Breaking(Life):
    """One of its revisions has another signature."""

    bad = ""

    def said(self, name: str) -> Mapping[str, Any]:
        found = super().said(name)
        return {**found, "model": {**SIGNATURE, "outputs": []}} if name == self.bad else found


async def test_a_revision_that_breaks_callers_never_gets_traffic() -> None:
    life, first = Breaking.of(verification=a_verification())
    assert isinstance(life, Breaking)
    await life.passes()
    life.bad = change(life.cluster, model=NEW_URI)
    await life.passes()
    assert selected(life.cluster) == first
    assert life.entry(life.bad)["failure"]["reason"] == "ContractBroken"
    assert "output y is missing" in condition(life.cluster, "Verified")["message"]


async def test_the_signature_of_what_served_before_there_was_verification_is_asked_for() -> None:
    life, first = Life.of()
    await life.passes()
    assert "signature" not in life.entry(first)
    second = change(life.cluster, verification=a_verification())
    await life.passes()
    assert selected(life.cluster) == second
    assert life.entry(first)["signature"] == SIGNATURE


async def test_a_crash_after_any_write_heals_and_never_shows_an_unverified_revision() -> None:
    unharmed, _ = a_life()
    await a_whole_life(unharmed)
    for nth in range(len(unharmed.cluster.writes)):
        life, _ = a_life()
        life.cluster.dies_at = nth
        with pytest.raises(DiedError):
            await a_whole_life(life)
        life.cluster.dies_at = None
        life.signals = FakeSignals()
        await a_whole_life(life)
        assert selected(life.cluster) == selected(unharmed.cluster), f"died before write {nth}"
        assert condition(life.cluster, "Ready")["reason"] == "RolledBack"


async def a_whole_life(life: Life) -> None:
    """Serve one revision, change to another, and have a third refused."""
    await life.passes()
    change(life.cluster, model=NEW_URI)
    await life.passes()
    bad = change(life.cluster, model={"uri": "https://models.example.org/bad.onnx"})
    life.reports[bad] = WRONG
    await life.passes()
    assert_verified(life)


def assert_verified(life: Life) -> None:
    assert life.entry(selected(life.cluster))["verification"]["outcome"] == "Passed"
