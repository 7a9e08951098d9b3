"""A real server answers everything that a data set asks, once, when it is told to."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fixtures.model import Model
from fixtures.trained import iris
from support.runtime_server import Server, a_server, settings_file
from support.verification import CHECKS, a_check, a_verification, golden


@contextmanager
def verified(
    directory: Path, model: Path, verification: Any, hurried: str = ""
) -> Iterator[Server]:
    config = settings_file(directory, verification=verification)
    with a_server(model, "--config", str(config), hurried=hurried) as server:
        yield server


def full(server: Server) -> Any:
    """Have the full suite run to its end."""
    first = server.ask("POST", "/verification", port=server.admin)
    assert first.status == 202
    until = time.monotonic() + 30
    while time.monotonic() < until:
        said = server.ask("POST", "/verification", port=server.admin)
        if said.status == 200:
            return said.json
        assert said.status == 202
        time.sleep(0.02)
    raise AssertionError(said)


@pytest.fixture(scope="module")
def model() -> Model:
    return iris()


def test_a_right_model_passes_every_kind_of_check_over_all_rows(
    tmp_path: Path, model: Model
) -> None:
    permuted = a_check("Metamorphic", name="order", transform="Permutation", expect="Close")
    with verified(
        tmp_path, model.path, a_verification(golden(tmp_path, model), *CHECKS, permuted)
    ) as server:
        said = full(server)
        again = server.ask("POST", "/verification", port=server.admin)
        assert server.ask("GET", "/v2/health/ready").status == 200
    assert {each["name"]: each["outcome"] for each in said["checks"]} == dict.fromkeys(
        [*(kind.lower() for kind in CHECKS), "order"], "Passed"
    )
    assert (said["suite"], said["complete"], said["outcome"]) == ("Full", True, "Passed")
    assert (said["rows"], said["errorBound"]) == (150, 0.02)
    assert again.json == said
