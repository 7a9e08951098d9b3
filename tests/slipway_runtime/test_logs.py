"""What is logged: one line of JSON an event, the ids that callers know, and never a payload."""

import json
import subprocess
import sys
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import pytest

from slipway_runtime import logs
from slipway_runtime.grpc.messages import message
from support.grpc_calls import Caller
from support.onnx_models import filler, written
from support.runtime_server import Server, a_server

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOO_MUCH = 1 << 50


@pytest.fixture(scope="module")
def fills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a model that answers with as many zeros as it is asked for."""
    with a_server(written(filler(), tmp_path_factory.mktemp("logs") / "m.onnx")) as server:
        yield server


def ask_too_much(server: Server, **headers: str) -> None:
    x = {"name": "x", "datatype": "INT64", "shape": [1], "data": [TOO_MUCH]}
    body = json.dumps({"id": "order-42", "inputs": [x]})
    assert server.ask("POST", "/v2/models/m/infer", body, headers).status == 500


def test_a_failure_is_found_by_the_ids_that_its_caller_knows(fills: Server) -> None:
    ask_too_much(fills, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    line = fills.wait_for("prediction failed")
    assert line["id"] == "order-42"
    assert line["trace_id"] == TRACE
    assert line["level"] == "warning"
    assert "memory" in line["problem"]


def test_a_call_that_fails_is_found_by_them_too(fills: Server) -> None:
    request = message("inference.ModelInferRequest")(model_name="m", id="call-42")
    request.inputs.add(name="x", datatype="INT64", shape=[1])
    request.raw_input_contents.append(TOO_MUCH.to_bytes(8, "little"))
    parent = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")
    with Caller.at(fills.grpc) as caller:
        outcome = caller.infer(request.SerializeToString(), metadata=[parent])
    assert outcome.code == "INTERNAL"
    line = fills.wait_for("prediction failed")
    assert (line["id"], line["trace_id"]) == ("call-42", TRACE)


def test_what_fails_all_the_time_does_not_flood_the_log(fills: Server) -> None:
    for _ in range(5 * logs.MOST_A_SECOND):
        ask_too_much(fills)
    later = [event for event in fills.events if event["event"] == "prediction failed"]
    seconds = {event["time"][:19] for event in later}
    assert len(later) <= logs.MOST_A_SECOND * len(seconds)


def logged(script: str) -> list[dict[str, Any]]:
    """Run a script in a process of its own, and read what it logged."""
    begin = "import logging\nfrom pathlib import Path\nfrom slipway_runtime import logs\n"
    command = [sys.executable, "-c", begin + "logs.configure()\n" + dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_what_was_left_out_is_counted() -> None:
    lines = logged("""
        factory = logging.getLogRecordFactory()

        def at(*arguments, **more):
            record = factory(*arguments, **more)
            record.created = now
            return record

        logging.setLogRecordFactory(at)
        now = 1000.0
        for _ in range(25):
            logs.warning("again", n=1)
        logs.info("other")
        now = 1007.0
        logs.warning("again", n=2)
        logs.warning("again", n=3)
    """)
    assert [line["event"] for line in lines] == ["again"] * 10 + ["other"] + ["again"] * 2
    assert [line.get("left_out") for line in lines[-2:]] == [15, None]
    assert [line["n"] for line in lines[-2:]] == [2, 3]


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    (line,) = logged("""logs.info("odd", text='a "quoted"\\nline', path=Path("/x"))""")
    assert line["text"] == 'a "quoted"\nline'
    assert line["path"] == "/x"


def test_a_crash_has_its_traceback_in_its_line() -> None:
    (line,) = logged("""
        try:
            1 / 0
        except ZeroDivisionError as error:
            logs.crash("request failed", error)
    """)
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["traceback"]
