"""What Prometheus may answer to a query; a real one is asked in tests/cluster/test_canaries.py."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from slipway_operator.bodies import MAX_BYTES
from slipway_operator.core.reading import Reading
from slipway_operator.prometheus import NOWHERE, PrometheusApi
from support.unix_server import answering


async def ask(folder: Path, body: bytes, status: int = 200, url: str | None = "http://x/p") -> Any:
    """Ask a Prometheus that gives this answer to the one query ``up``."""

    async def answer(request: web.Request) -> web.Response:
        assert dict(await request.post()) == {"query": "up", "namespace": "risk"}
        return web.Response(body=body, status=status, headers={"Location": "/elsewhere"})

    async with answering(folder, "POST", "/p/api/v1/query", answer) as session:
        return await PrometheusApi(session, url).read("up", "risk")


def said(kind: str, result: Any) -> bytes:
    return json.dumps(
        {"status": "success", "data": {"resultType": kind, "result": result}}
    ).encode()


def series(*values: str) -> bytes:
    return said(
        "vector", [{"metric": {"n": str(n)}, "value": [0, v]} for n, v in enumerate(values)]
    )


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (series("0.25"), 0.25),
        (series("1e-3"), 0.001),
        (said("scalar", [1, "7"]), 7.0),
    ],
)
async def test_one_number_is_read_for_the_namespace_of_the_object(
    tmp_path: Path, body: bytes, value: float
) -> None:
    assert await ask(tmp_path, body) == Reading(value)


REFUSED = {"status": "error", "errorType": "bad_data", "error": "parse error: " + "x" * 1000}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (series(), "it gives no data"),
        (series("1", "2"), "it gives 2 series: aggregate them to one"),
        (series("NaN"), "it gives NaN"),
        (said("scalar", [1, "NaN"]), "it gives NaN"),
        (series("+Inf"), "it gives +Inf"),
        (series("9" * 400), "it gives 999"),
        (b'{"status": "success", "data": ' + b"[" * 60_000, "no answer of its API"),
        (said("matrix", []), "it gives a matrix, not one number"),
        (said("string", [0, "7"]), "it gives a string, not one number"),
        (json.dumps(REFUSED).encode(), "Prometheus refuses it: parse error: xxx"),
        (b"<html>", "no answer of its API: status 200"),
        (b"[]", "no answer of its API"),
        (b'{"status": "success"}', "no answer of its API"),
        (series("many"), "no answer of its API"),
        (said("vector", [{}]), "no answer of its API"),
        (b'"' + b"x" * MAX_BYTES + b'"', "no answer of its API"),
    ],
)
async def test_anything_else_is_no_number_and_says_why(
    tmp_path: Path, body: bytes, words: str
) -> None:
    found = await ask(tmp_path, body)
    assert found.value is None
    assert words in found.problem
    assert len(found.problem) < 300


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    found = await ask(tmp_path, b"", 302)
    assert found == Reading(None, "Prometheus gave no answer of its API: status 302")


async def test_without_a_prometheus_nobody_is_asked(tmp_path: Path) -> None:
    assert await ask(tmp_path, series("1"), url=None) == Reading(None, NOWHERE)


async def test_one_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    connector = aiohttp.UnixConnector(str(tmp_path / "nobody"))
    async with aiohttp.ClientSession(connector=connector) as session:
        found = await PrometheusApi(session, "http://x").read("up", "risk")
    assert found == Reading(None, "Prometheus was not reached: UnixClientConnectorError")
