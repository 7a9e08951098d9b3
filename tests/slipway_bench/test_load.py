"""The load generator sees what is right and what is not: on it every figure rests."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from slipway_bench.asks import Ask, as_binary, as_grpc, as_json
from slipway_bench.load import Load, WrongAnswersError, ask
from slipway_bench.models import Model, build
from slipway_bench.servers import Server, free_ports, running, slipway
from slipway_dev.bare.binaries import find_go
from slipway_dev.errors import Failure


def no_go() -> bool:
    try:
        find_go()
    except Failure:
        return True
    return False


pytestmark = pytest.mark.skipif(no_go(), reason="the load generator is compiled by Go 1.24")

SHORT = Load(connections=4, seconds=0.2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return build(tmp_path_factory.mktemp("models"))["tiny"]


@pytest.fixture(scope="module")
def server(model: Model) -> Iterator[Server]:
    with running(slipway(model)) as started:
        yield started


@pytest.fixture(params=[as_json, as_binary, as_grpc], ids=["json", "binary", "grpc"])
def question(request: pytest.FixtureRequest, model: Model) -> Ask:
    made: Ask = request.param(model, 3)
    return made


def port(server: Server, question: Ask) -> int:
    return server.http if question.protocol == "http" else server.grpc


def test_right_answers_are_right(server: Server, question: Ask) -> None:
    seen = ask(port(server, question), [question], SHORT).flawless()
    assert seen.right == seen.answers == seen.latency_us["count"]
    assert 0 < seen.latency_us["p50"] <= seen.latency_us["p99"] <= seen.latency_us["max"]


def test_a_number_that_is_off_is_wrong(server: Server, question: Ask) -> None:
    assert question.expected
    last = question.expected[-1]
    near = replace(question, expected=(*question.expected[:-1], last + 1e-6))
    ask(port(server, question), [near], SHORT).flawless()
    off = replace(question, expected=(*question.expected[:-1], last + 0.01))
    seen = ask(port(server, question), [off], SHORT)
    assert seen.right == 0
    assert "number 8 is" in seen.first_problem
    with pytest.raises(WrongAnswersError, match="number 8 is"):
        seen.sound()


def test_a_number_that_lacks_is_wrong(server: Server, question: Ask) -> None:
    assert question.expected
    more = replace(question, expected=(*question.expected, 1.0))
    seen = ask(port(server, question), [more], SHORT)
    assert seen.first_problem == "9 numbers instead of 10"
    assert seen.wrong == seen.answers


def test_another_status_is_wrong(server: Server, question: Ask) -> None:
    seen = ask(port(server, question), [question.refused(5)], SHORT)
    assert seen.right == 0
    assert seen.wrong == seen.answers > 0


def test_errors_can_be_what_is_right(server: Server, model: Model) -> None:
    wrong = as_json(model).refused(400, b"{")
    seen = ask(server.http, [as_json(model), wrong], SHORT).sound()
    assert set(seen.statuses) == {"200", "400"}


def test_connections_that_end_rudely_are_not_the_server_s_fault(
    server: Server, question: Ask
) -> None:
    seen = ask(port(server, question), [question], replace(SHORT, churn=0.2)).sound()
    assert seen.hung_up > 0
    assert seen.broken == 0


def test_arrivals_come_at_their_own_rate(server: Server, question: Ask) -> None:
    load = Load(connections=16, seconds=1.0, rate=200)
    seen = ask(port(server, question), [question], load).sound()
    assert seen.right + seen.unsent == pytest.approx(200, rel=0.3)


def test_a_body_that_fills_all_windows_arrives(server: Server, model: Model) -> None:
    for make in (as_binary, as_grpc):
        question = make(model, 20_000)
        ask(port(server, question), [question], SHORT).flawless()


def test_nobody_there_is_told(model: Model) -> None:
    with pytest.raises(WrongAnswersError, match="connection refused"):
        ask(free_ports(1)[0], [as_json(model)], SHORT)
