import threading
from pathlib import Path

import pytest

from slipway_dev.__main__ import main
from slipway_dev.bare.host import without_ours
from slipway_dev.errors import Failure
from slipway_dev.state import alone
from slipway_dev.steps import run, until


def test_a_failed_command_is_quoted_with_what_it_said_and_the_remedy() -> None:
    with pytest.raises(Failure) as failure:
        run(["sh", "-c", "echo no such thing >&2; exit 3"], remedy="make one")
    text = str(failure.value)
    assert "status 3: no such thing" in text
    assert "make one" in text


def test_a_command_that_is_not_there_is_a_failure_too() -> None:
    with pytest.raises(Failure, match="no-such-program"):
        run(["no-such-program"])


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    text = str(Failure("starting etcd", "it ended at once", log=log))
    assert str(log) in text
    assert "line 99" in text
    assert "line 50" not in text


def test_waiting_ends_in_the_failure_that_was_prepared() -> None:
    with pytest.raises(Failure, match="never came"):
        until(lambda: False, "it came", 0.05, lambda: Failure("waiting", "it never came"))


def test_two_commands_take_turns(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with alone(tmp_path):
            order.append("second")

    with alone(tmp_path):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_only_rules_of_the_cluster_are_forgotten() -> None:
    rules = """*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:MINE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j MINE
-A CNI-HOSTPORT-DNAT -j ACCEPT
COMMIT""".splitlines()
    assert without_ours(rules) == [rules[0], rules[1], rules[3], rules[5], rules[7]]


def test_the_command_line_tells_a_failure_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/me/config")
    monkeypatch.delenv("SLIPWAY_CONTEXT", raising=False)
    monkeypatch.setattr("sys.argv", ["slipway_dev", "up"])
    assert main() == 1
    said = capsys.readouterr().err
    assert "choosing a cluster failed" in said
    assert "Traceback" not in said
