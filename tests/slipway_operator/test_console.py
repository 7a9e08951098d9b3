import json
import logging
import socket

import aiohttp

from slipway_operator import logs
from slipway_operator.console import console
from slipway_operator.metrics import Metrics
from slipway_operator.ports import Ref


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def ask(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


async def test_health_fails_when_the_queue_does_not_get_on_and_says_why() -> None:
    port, problems = a_free_port(), iter([None, "a pass runs since 200 s: risk/fraud"])
    async with console(port, Metrics(), lambda: next(problems)):
        assert await ask(port, "/healthz") == (200, "ok\n")
        assert await ask(port, "/healthz") == (500, "a pass runs since 200 s: risk/fraud\n")
        assert await ask(port, "/readyz") == (200, "ok\n")


async def test_metrics_say_who_leads_and_count_models_by_condition() -> None:
    port, metrics = a_free_port(), Metrics()
    metrics.watch_models(lambda: [(("Ready", "True", "Ready"),), ()])
    metrics.watch_lease(lambda: True)
    async with console(port, metrics, lambda: None):
        status, text = await ask(port, "/metrics")
    assert status == 200
    assert 'leader_election_master_status{name="slipway-operator"} 1.0' in text
    assert "slipway_operator_models 2.0" in text
    labels = 'reason="Ready",status="True",type="Ready"'
    assert f"slipway_operator_model_conditions{{{labels}}} 1.0" in text.replace(
        'type="Ready",status="True",reason="Ready"', labels
    )


def test_a_log_line_names_the_object_that_it_is_about() -> None:
    record = logging.LogRecord("slipway_operator", logging.WARNING, "", 0, "oh %s", ("no",), None)
    token = logs.about.set(Ref("risk", "fraud"))
    line = json.loads(logs.JsonLines().format(record))
    logs.about.reset(token)
    assert line.pop("time")
    assert line == {
        "level": "warning",
        "logger": "slipway_operator",
        "message": "oh no",
        "object": {"namespace": "risk", "name": "fraud"},
    }
