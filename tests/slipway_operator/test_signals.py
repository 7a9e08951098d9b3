"""What pods may answer, and what is made of it."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from slipway_operator.bodies import MAX_BYTES
from slipway_operator.signals import PodSignals
from support.unix_server import answering


async def ask(folder: Path, *pieces: bytes) -> Mapping[str, Any] | None:
    """Ask a runtime that answers in pieces."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    async with answering(folder, "GET", "/status", answer) as session:
        return await PodSignals(session).status("10.0.0.1")


SAID = {"schemaVersion": 1, "state": "Failed", "reason": "ModelTooNew"}


async def test_an_answer_in_pieces_is_read_whole(tmp_path: Path) -> None:
    text = json.dumps(SAID).encode()
    assert await ask(tmp_path, text[:9], text[9:20], text[20:]) == SAID


async def test_an_answer_of_another_schema_says_nothing(tmp_path: Path) -> None:
    assert await ask(tmp_path, json.dumps(SAID | {"schemaVersion": 2}).encode()) is None


async def test_an_answer_without_end_says_nothing(tmp_path: Path) -> None:
    assert await ask(tmp_path, b'"' + b"x" * MAX_BYTES, b'"') is None


async def test_a_pod_that_can_not_be_reached_says_nothing(tmp_path: Path) -> None:
    connector = aiohttp.UnixConnector(str(tmp_path / "nobody"))
    async with aiohttp.ClientSession(connector=connector) as session:
        assert await PodSignals(session).status("10.0.0.1") is None


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/status":
            raise web.HTTPFound("/elsewhere")
        return web.json_response(SAID)

    async with answering(tmp_path, "GET", "/{any}", answer) as session:
        assert await PodSignals(session).status("10.0.0.1") is None
    assert asked == ["/status"]


async def test_a_verification_is_asked_for_and_begun_at_the_same_place(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        return web.json_response(SAID)

    async with answering(tmp_path, "*", "/{any}", answer) as session:
        assert await PodSignals(session).verification("10.0.0.1") == SAID
        await PodSignals(session).verify("10.0.0.1")
    assert asked == ["GET /verification", "POST /verification"]
