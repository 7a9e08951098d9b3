"""The server's own description of itself, held against the server."""

import subprocess
from pathlib import Path

from slipway_runtime import openapi
from support.clients import PATIENCE, command
from support.runtime_server import Server

CHECKED = [
    "--max-examples=10",
    "--exclude-path-regex=/versions/",
    "--seed=7",
    "--phases=coverage,fuzzing",
    "--no-color",
]
UNSAID = "--exclude-checks=positive_data_acceptance"
"""A schema can't say that data has as many elements as its shape, so what fits it may not fit."""


def test_whatever_the_document_allows_is_answered_as_it_says(
    server: Server, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{server.http}/v2/openapi.json"
    done = subprocess.run(
        [command("st"), "run", url, *CHECKED, UNSAID],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert server.ask("GET", "/v2/health/ready").status == 200
    codes = [name for name in server.metrics() if name.startswith("slipway_requests_total")]
    assert codes
    assert not [name for name in codes if 'code="5' in name]


def test_the_document_names_the_model_and_what_it_takes(server: Server) -> None:
    document = server.ask("GET", "/v2/openapi.json").json
    assert document["openapi"].startswith("3.")
    body = document["paths"]["/v2/models/m/versions/7/infer"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    (tensor,) = schema["properties"]["inputs"]["items"]["anyOf"]
    assert tensor["properties"]["name"] == {"const": "x"}
    assert tensor["properties"]["shape"]["prefixItems"] == [openapi.SIZE, {"const": 3}]


def test_every_path_of_the_document_is_there(server: Server) -> None:
    for path, methods in server.ask("GET", "/v2/openapi.json").json["paths"].items():
        for method in methods:
            assert server.ask(method.upper(), path, b"{}").status in (200, 400), path


def test_a_name_that_means_something_in_a_path_is_escaped() -> None:
    document = openapi.document("a/b {c}%", "1", "0", None)
    assert "/v2/models/a%2Fb {c}%25".replace("{", "%7B") in document["paths"]
