from typing import Any

from slipway_operator.core.manifest import Manifest
from slipway_operator.line import Line
from slipway_operator.ports import Ref
from support.builders import a_model

A, B, C = (Ref("risk", name) for name in "abc")


def a_line() -> tuple[Line, list[Ref]]:
    rung: list[Ref] = []
    return Line(rung.append), rung


def with_status(ref: Ref, reason: str, answer: str = "False", **metadata: Any) -> Manifest:
    model = a_model(ref.name)
    model["metadata"] |= metadata
    found = {"type": "RuntimeCurrent", "status": answer, "reason": reason}
    return model | {"status": {"conditions": [found]}}


def test_one_is_served_and_the_others_wait() -> None:
    line, rung = a_line()
    assert [line.take(ref) for ref in (A, B, C)] == [True, False, False]
    assert line.take(A)
    assert rung == []


def test_the_next_is_rung_when_one_is_done_in_the_order_in_which_they_came() -> None:
    line, rung = a_line()
    assert [line.take(ref) for ref in (A, C, B)] == [True, False, False]
    line.settle(A, with_status(A, "UpToDate", "True"))
    assert rung == [C]
    assert line.take(C)
    line.settle(C, None)
    assert rung == [C, B]


def test_who_is_being_upgraded_keeps_the_turn() -> None:
    line, rung = a_line()
    line.take(A)
    line.take(B)
    line.settle(A, with_status(A, "RollingOut"))
    line.settle(B, with_status(B, "Waiting"))
    assert rung == []
    assert not line.take(B)


def test_who_fails_lets_the_next_one_go() -> None:
    line, rung = a_line()
    line.take(A)
    line.take(B)
    line.settle(A, with_status(A, "ImageNotFound"))
    assert rung == [B]
    assert line.take(B)


def test_who_is_deleted_lets_the_next_one_go() -> None:
    line, rung = a_line()
    line.take(A)
    line.take(B)
    line.take(C)
    line.settle(A, with_status(A, "RollingOut", deletionTimestamp="now"))
    assert rung == [B]
    line.take(B)
    line.settle(B, None)
    assert rung == [B, C]


def test_who_has_given_up_waiting_is_passed_over() -> None:
    line, rung = a_line()
    line.take(A)
    line.take(B)
    line.take(C)
    line.settle(B, with_status(B, "Suspended"))
    line.settle(A, with_status(A, "UpToDate", "True"))
    assert rung == [C]


def test_a_ring_that_leads_to_nothing_rings_the_next() -> None:
    line, rung = a_line()
    line.take(A)
    line.take(B)
    line.take(C)
    line.settle(A, with_status(A, "UpToDate", "True"))
    line.settle(B, with_status(B, "Suspended"))
    assert rung == [B, C]


def test_an_operator_that_starts_goes_on_with_the_one_that_had_begun() -> None:
    line, rung = a_line()
    line.resume([with_status(A, "Waiting"), with_status(B, "RollingOut"), a_model("c")])
    assert [line.take(ref) for ref in (A, B, C)] == [False, True, False]
    line.settle(B, with_status(B, "UpToDate", "True"))
    assert rung == [A]
