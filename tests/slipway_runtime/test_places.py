"""Workers stay on CPUs of their own."""

import os
import sys
import threading
from dataclasses import dataclass, field

import pytest

from slipway_runtime.places import NICE, Places, stand_back


@dataclass
class Machine:
    """Stands in for the kernel: a worker is on ``cpu`` until it is moved."""

    cpus: set[int] = field(default_factory=lambda: {0, 1})
    cpu: int = 0
    moves: list[set[int]] = field(default_factory=list)

    def places(self) -> Places:
        return Places(lambda: self.cpu, lambda: self.cpus, self.move)

    def move(self, cpus: set[int]) -> None:
        self.moves.append(cpus)
        self.cpu = min(cpus)


def test_a_worker_moves_to_where_no_other_is() -> None:
    machine = Machine(cpus={0, 1, 2})
    places = machine.places()
    for number in range(3):
        machine.cpu = 0
        places.take(number)
    assert machine.moves == [{1, 2}, {2}]


def test_a_worker_stays_where_it_is_alone() -> None:
    machine = Machine()
    places = machine.places()
    for number in (0, 1, 1, 0):
        machine.cpu = number
        places.leave(number)
        places.take(number)
    assert machine.moves == []


def test_a_worker_whose_run_is_over_takes_no_place() -> None:
    machine = Machine()
    places = machine.places()
    places.take(0)
    places.leave(0)
    places.take(1)
    assert machine.moves == []


def test_where_every_cpu_has_a_worker_nobody_moves() -> None:
    machine = Machine(cpus={0})
    places = machine.places()
    places.take(0)
    places.take(1)
    assert machine.moves == []


def test_where_no_cpu_can_be_told_nobody_moves() -> None:
    machine = Machine(cpu=-1)
    places = machine.places()
    places.take(0)
    places.take(1)
    assert machine.moves == []


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one CPU")
def test_nobody_is_pinned_by_that() -> None:
    places, before = Places(), os.sched_getaffinity(0)
    seen: list[tuple[set[int], set[int]]] = []

    def work() -> None:
        os.sched_setaffinity(0, {min(before)})
        places.take(0)
        places.take(1)
        seen.append((set(places.taken.values()), os.sched_getaffinity(0)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    ((taken, after),) = seen
    assert len(taken) == 2
    assert after == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")
def test_a_worker_lets_the_event_loop_go_first_and_nobody_else() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    seen: list[int] = []

    def work() -> None:
        stand_back()
        seen.append(os.getpriority(os.PRIO_PROCESS, 0))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()

    assert seen == [before + NICE]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
