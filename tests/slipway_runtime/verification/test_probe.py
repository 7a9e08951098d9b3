"""Real servers that are asked again and again, one of which goes wrong."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.model import Model
from fixtures.trained import iris
from slipway_bench.servers import free_ports
from slipway_runtime.verification import peers, wire
from slipway_runtime.verification.client import Endpoint
from support.runtime_server import Server, a_server, settings_file
from support.verification import a_check, a_column, a_verification, golden
from support.waiting import PATIENCE, within_patience

SWITCHED = """
from pathlib import Path
from slipway_runtime.engine import Engine
right = Engine.run
def run(self, feed, outputs):
    answers = right(self, feed, outputs)
    return [each + 1 for each in answers] if Path({switch!r}).exists() else answers
Engine.run = run
"""
"""A server whose answers are wrong as long as a file is there."""


@contextmanager
def probed(
    directory: Path, model: Model, others: int | None, **check: Any
) -> Iterator[tuple[Server, Path]]:
    """Start a server that is asked ten times a second; return the switch that makes it wrong."""
    directory.mkdir(exist_ok=True)
    switch = directory / "wrong"
    continuous: dict[str, Any] = {"intervalSeconds": 0.1, "rows": 2, "failureThreshold": 2}
    if others is not None:
        continuous["peers"] = f"http://127.0.0.1:{others}"
    dataset = golden(directory, model)
    wanted = a_verification(dataset, a_check("Expected", **check), continuous=continuous)
    config = settings_file(directory, verification=wanted)
    hurried = SWITCHED.format(switch=str(switch))
    with a_server(model.path, "--config", str(config), hurried=hurried) as server:
        yield server, switch


def standing(server: Server) -> Any:
    return server.status()["verification"]["continuous"]


def ready(server: Server) -> bool:
    return server.ask("GET", "/v2/health/ready").status == 200


def away(server: Server) -> bool:
    said = server.ask("GET", "/v2/health/ready")
    return said.status == 503 and said.json["reason"] == "AnswersWrong"


@pytest.fixture(scope="module")
def model() -> Model:
    return iris()


def test_a_wrong_server_leaves_when_another_is_right_and_comes_back_when_it_is(
    tmp_path: Path, model: Model
) -> None:
    with ExitStack() as stack:
        right, _ = stack.enter_context(probed(tmp_path / "right", model, None))
        server, switch = stack.enter_context(probed(tmp_path / "wrong", model, right.http))
        assert within_patience(lambda: standing(server)["rounds"] > 2)
        assert ready(server)
        switch.touch()
        assert within_patience(lambda: away(server))
        assert standing(server)["wrong"]
        assert standing(server)["peersRight"]
        assert server.status()["state"] == "Failed"
        assert "row" in server.status()["message"]
        assert server.metrics()['slipway_verification_wrong{model="m"}'] == 1
        switch.unlink()
        assert within_patience(lambda: ready(server))
        assert not standing(server)["wrong"]
        assert server.status()["reason"] == ""
        seen = server.metrics()
        assert ready(right)
    rounds = 'slipway_golden_probe_rounds_total{model="m",result="%s"}'
    assert seen[rounds % "wrong"] >= 2
    assert seen[rounds % "right"] >= 4
    assert seen['slipway_verification_wrong{model="m"}'] == 0


@pytest.mark.parametrize("who", ["nobody", "others that are wrong, too"])
def test_a_wrong_server_stays_when_nobody_else_is_right(
    tmp_path: Path, model: Model, who: str
) -> None:
    with ExitStack() as stack:
        [where] = free_ports(1)
        if who != "nobody":
            other, others = stack.enter_context(probed(tmp_path / "other", model, None))
            others.touch()
            where = other.http
        server, switch = stack.enter_context(probed(tmp_path / "one", model, where))
        switch.touch()
        assert within_patience(lambda: standing(server)["peersRight"] is False)
        assert within_patience(lambda: standing(server)["wrongInARow"] > 5)
        assert ready(server)
        assert server.metrics()['slipway_verification_wrong{model="m"}'] == 1


async def test_a_server_does_not_take_its_own_answer_for_anothers(server: Server) -> None:
    """The address of all pods leads to itself as well, and a flaky one may be right there."""
    x = a_column(np.array([[1, 2, 3]], np.float32))
    endpoint = Endpoint("127.0.0.1", server.http, "m", PATIENCE)
    request = wire.request({"x": x}, ["y"])
    found = await peers.right_elsewhere(endpoint, "another", request, lambda _: True)
    assert found
    assert await peers.right_elsewhere(endpoint, found, request, lambda _: True) is None
    assert await peers.right_elsewhere(endpoint, "another", request, lambda _: False) is None


def test_rows_that_were_wrong_from_the_start_make_no_server_wrong(
    tmp_path: Path, model: Model
) -> None:
    answers = model.expected["probabilities"].copy()
    answers[::2] = 0.5
    spoilt = Model("iris", model.path, model.inputs, {"probabilities": answers})
    with probed(tmp_path / "one", spoilt, None, maxMismatchRatio=0.5) as (server, _):
        assert within_patience(lambda: standing(server)["rounds"] > 8)
        assert not standing(server)["wrong"]
        seen = server.metrics()
    assert 'slipway_golden_probe_rounds_total{model="m",result="wrong"}' not in seen


def test_an_answer_names_its_server_to_those_who_ask(server: Server) -> None:
    body = '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}'
    asked = {"slipway-instance": "?"}
    names = {
        server.ask("POST", "/v2/models/m/infer", body, asked).headers["slipway-instance"]
        for _ in range(2)
    }
    assert len(names) == 1
    assert "slipway-instance" not in server.ask("POST", "/v2/models/m/infer", body).headers
    wrong = server.ask("POST", "/v2/models/m/infer", "{}", asked)
    assert (wrong.status, wrong.headers["slipway-instance"]) == (400, *names)
