import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway_dev.processes import Processes, identify_all

SLEEP = ["sleep", "60"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path, tmp_path)
    yield processes
    processes.stop(["it"])


def alter_record(tmp_path: Path, **changes: Any) -> None:
    file = tmp_path / "it.json"
    record = json.loads(file.read_text())
    record["identity"].update(changes)
    file.write_text(json.dumps(record))


def test_a_started_process_is_found_and_a_stopped_one_is_not(processes: Processes) -> None:
    processes.start("it", SLEEP)
    assert processes.find("it")
    processes.stop(["it"])
    assert not processes.find("it")


def test_a_process_with_another_command_does_not_count_as_running(processes: Processes) -> None:
    processes.start("it", SLEEP)
    assert processes.runs("it", SLEEP)
    assert not processes.runs("it", ["sleep", "61"])


def test_what_a_process_says_is_in_its_log(processes: Processes) -> None:
    processes.start("it", ["sh", "-c", "echo out; echo err >&2"])
    end = time.monotonic() + 5
    while processes.find("it") and time.monotonic() < end:
        time.sleep(0.01)
    assert processes.log("it").read_text() == "out\nerr\n"


def test_a_process_that_ended_is_not_found_though_nobody_waited_for_it(
    processes: Processes,
) -> None:
    processes.start("it", SLEEP)
    found = processes.find("it")
    assert found
    os.kill(found.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while processes.find("it"):
        assert time.monotonic() < end


def test_a_process_that_ended_counts_as_gone_though_its_parent_does_not_care() -> None:
    script = "sleep 0 & echo $!; exec sleep 60"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as careless:  # noqa: S607
        assert careless.stdout
        pid = int(careless.stdout.readline())
        while " Z " not in Path(f"/proc/{pid}/stat").read_text():
            time.sleep(0.01)
        assert identify_all([pid]) == []
        careless.kill()


@pytest.mark.parametrize("change", [{"start": 1}, {"boot": "another"}], ids=str)
def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(
    processes: Processes, tmp_path: Path, change: dict[str, Any]
) -> None:
    processes.start("it", SLEEP)
    found = processes.find("it")
    assert found
    alter_record(tmp_path, **change)
    processes.stop(["it"])
    assert found.alive()
    found.send(signal.SIGKILL)


def test_a_process_that_ignores_the_polite_signal_is_killed(processes: Processes) -> None:
    processes.start("it", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    while processes.log("it").read_text() != "ready\n":
        time.sleep(0.01)
    found = processes.find("it")
    assert found
    processes.stop(["it"])
    assert not found.alive()


def test_a_record_cut_short_by_a_power_failure_counts_as_no_process(
    processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "it.json").write_text('{"identity": {"pid"')
    assert not processes.find("it")
