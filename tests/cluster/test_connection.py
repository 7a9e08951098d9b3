"""The way between an operator and its API server is cut, silent, slow, or leads to no memory.

Pods play no part: none finds a node.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from slipway_dev.cluster import Cluster
from support import local_operator
from support.gate import Gate, a_gate
from support.operators import Operators, until
from support.workplace import Object, Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

PORT = "18097"
RECOVERY_SECONDS = 8
LEASE_SECONDS = 10
AT_FIRST, A_SECOND = 100, 20
"""Most requests of an operator in trouble, its eight watches among them: more is a hot loop."""
KINDS = 8
"""ModelDeployments and what is made for them: each is watched."""
NOWHERE = {"nodeSelector": {"example.org/nowhere": "here"}}


@dataclass(frozen=True)
class Connected:
    """One operator behind a gate, and the namespace that it works in."""

    gate: Gate
    workplace: Workplace
    process: "subprocess.Popen[bytes]"

    def make(self, *names: str, **spec: object) -> None:
        """Make or change ModelDeployments."""
        self.workplace.apply_all(
            a_model_deployment(name, template=NOWHERE, **spec) for name in names
        )

    def settled(self, *names: str) -> bool:
        """Say whether the operator has carried out what these ask for."""
        found = {m["metadata"]["name"]: m for m in self.workplace.find("mdeploy")}
        services = {s["metadata"]["name"] for s in self.workplace.find("service")}
        return services >= set(names) and all(map(looked_at, (found[name] for name in names)))

    def remembers(self) -> int:
        """Count the ModelDeployments that the operator knows of, from its metrics."""
        with urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        name = "slipway_operator_models "
        return int(float(next(line for line in lines if line.startswith(name)).split()[1]))

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Hold the operator to few requests, whatever becomes of them."""
        before, began = self.gate.came, time.monotonic()
        yield
        asked, seconds = self.gate.came - before, time.monotonic() - began
        assert asked < AT_FIRST + A_SECOND * seconds, f"it asks {asked} times in {seconds:.0f} s"


def looked_at(model: Object) -> bool:
    return bool(model["status"]["observedGeneration"] == model["metadata"]["generation"])


@pytest.fixture(scope="module")
def connected(slipway: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    workplace = Workplace.open(slipway)
    local_operator.give_rights(workplace)
    folder: Path = tmp_path_factory.mktemp("connected")
    with Operators(slipway).none(), a_gate(slipway) as gate:
        config = local_operator.kubeconfig(workplace, folder, by_way_of=gate.url)
        with local_operator.running(workplace, config, SLIPWAY_PORT=PORT) as process:
            connected = Connected(gate, workplace, process)
            connected.make("kept", "changed")
            until("it works", lambda: connected.settled("kept", "changed"), 30)
            yield connected
            assert process.poll() is None, "it ended"
    workplace.close()


def test_a_watch_that_is_told_gone_leaves_no_ghost_and_misses_nothing(
    connected: Connected,
) -> None:
    """What is deleted while a watch is cut is in no event, and not in the list that follows."""
    gate, workplace = connected.gate, connected.workplace
    connected.make("deleted")
    until("all are made", lambda: connected.settled("deleted"), RECOVERY_SECONDS)
    was = connected.remembers()
    with gate.shut(), connected.patient():
        workplace.kubectl("delete", "mdeploy", "deleted")
        workplace.kubectl("delete", "service,pdb,serviceaccount", "kept", "--ignore-not-found")
        connected.make("changed", replicas=3)
        connected.make("new")
        workplace.until("the collector is done", lambda: workplace.gone("service", "deleted"), 20)
        gate.age()
    until("all is as asked", lambda: connected.settled("kept", "changed", "new"), RECOVERY_SECONDS)
    until("no ghost is left", lambda: connected.remembers() == was, RECOVERY_SECONDS)
    assert len(gate.gone) == KINDS, gate.gone
    assert workplace.gone("service", "deleted")
    workplace.get("serviceaccount", "kept")


def test_an_operator_that_hears_nothing_for_long_goes_on_when_it_does(
    connected: Connected,
) -> None:
    with connected.gate.silent(), connected.patient():
        connected.make("changed", replicas=1)
        time.sleep(LEASE_SECONDS + 2)
    until("it goes on", lambda: connected.settled("changed"), RECOVERY_SECONDS)


def test_an_operator_that_is_refused_everything_asks_patiently(connected: Connected) -> None:
    connected.gate.throttling = True
    before = connected.gate.came
    with connected.patient():
        connected.make("changed", replicas=2)
        time.sleep(5)
    assert connected.gate.came > before
    connected.gate.throttling = False
    until("it goes on", lambda: connected.settled("changed"), RECOVERY_SECONDS)


def test_an_operator_far_away_gets_there(connected: Connected) -> None:
    connected.gate.delay = 0.5
    connected.make("far")
    until("it is made", lambda: connected.settled("far"), 30)
    connected.gate.delay = 0.0
