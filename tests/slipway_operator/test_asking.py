"""Who is asked about answers, and who is left alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slipway_operator.asking import ask
from slipway_operator.core.pods import Pod
from slipway_operator.core.standing import Inquiry
from support.fakes import FakeCluster, FakeSignals, a_fake_world
from support.verifications import a_report, a_status


def a_pod(name: str, fingerprint: str = "a", **changes: Any) -> Pod:
    return Pod(name=name, fingerprint=fingerprint, address=name, **{"ready": True} | changes)


async def asked(*pods: Pod, one: set[str] | None = None, all_: set[str] | None = None) -> set[str]:
    """Name the pods that were asked; each keeps its place."""
    said: dict[str, Mapping[str, Any]] = {
        pod.name: a_status(verification=a_report()) for pod in pods
    }
    signals = FakeSignals(said)
    world = replace(a_fake_world(FakeCluster()), signals=signals)
    found = await ask(pods, Inquiry(frozenset(one or ()), frozenset(all_ or ())), world)
    assert [pod.name for pod in found] == [pod.name for pod in pods]
    assert {pod.name for pod in found if pod.runtime} == set(signals.asked)
    assert all((pod.report is not None) == pod.asked for pod in found)
    return set(signals.asked)


async def test_of_a_candidate_the_eldest_ready_pod_is_asked() -> None:
    pods = a_pod("loading", ready=False), a_pod("elder"), a_pod("younger"), a_pod("other", "b")
    assert await asked(*pods, one={"a"}) == {"elder"}


async def test_of_a_revision_that_watches_itself_all_ready_pods_are_asked() -> None:
    pods = a_pod("x"), a_pod("y"), a_pod("down", ready=False), a_pod("other", "b")
    assert await asked(*pods, all_={"a"}) == {"x", "y"}


async def test_nobody_else_is_asked() -> None:
    assert await asked(a_pod("x"), a_pod("y", "b")) == set()


async def test_a_pod_without_an_address_is_not_asked() -> None:
    assert await asked(Pod(name="x", fingerprint="a", ready=True), one={"a"}) == set()
