import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_dev.bare.preflight import check_disk, check_machine, check_ports
from slipway_dev.errors import Failure


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_refused_with_the_port(taken: int) -> None:
    with pytest.raises(Failure, match=f"port {taken} for etcd"):
        check_ports("etcd", [taken])


def test_a_free_port_is_fine(taken: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    check_ports("etcd", [free])
    assert free != taken


def test_another_system_than_linux_is_pointed_at_kind() -> None:
    with pytest.raises(Failure, match=r"darwin(?s:.*)kind"):
        check_machine("darwin", 0)


def test_a_user_who_is_not_root_is_told_so() -> None:
    with pytest.raises(Failure, match="needs root"):
        check_machine("linux", 1000)


def test_root_on_linux_is_fine() -> None:
    check_machine("linux", 0)


def test_a_full_disk_is_refused_with_the_room_that_it_needs(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"needs 1e\+06(?s:.*)SLIPWAY_DEV_STATE"):
        check_disk(tmp_path / "not" / "there" / "yet", 1e6)


def test_enough_room_is_fine(tmp_path: Path) -> None:
    check_disk(tmp_path, 1 / sys.maxsize)
