"""Our own HTTP/2 and the grpcio package give the same answers to the same calls."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from slipway_runtime.grpc.messages import message
from support.grpc_calls import HEALTH, SERVICE, Caller, Outcome, rows
from support.onnx_models import identity, written
from support.runtime_server import a_server, settings_file

Both = tuple[Caller, Caller]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    directory: Path = tmp_path_factory.mktemp("both")
    model = written(identity(), directory / "m.onnx")
    config = ("--config", str(settings_file(directory)))
    with (
        a_server(model, *config) as ours,
        a_server(model, *config, "--grpc-backend=grpcio") as theirs,
        Caller.at(ours.grpc) as first,
        Caller.at(theirs.grpc) as second,
    ):
        yield first, second


def a_reflection() -> bytes:
    kind = message("grpc.reflection.v1.ServerReflectionRequest")
    return bytes(kind(file_containing_symbol=SERVICE).SerializeToString())


def asks_for(name: str) -> bytes:
    return bytes(message("inference.ModelReadyRequest")(name=name).SerializeToString())


CALLS = {
    "a prediction": ("ModelInfer", [rows(id="7")]),
    "a large one": ("ModelInfer", [rows(np.ones((30_000, 3)))]),
    "another model": ("ModelInfer", [rows(model="ü%")]),
    "another shape": ("ModelInfer", [rows([[1]])]),
    "no message": ("ModelInfer", [b"\xff"]),
    "nothing": ("ModelInfer", []),
    "two messages": ("ModelInfer", [rows(), rows()]),
    "a stream": ("ModelStreamInfer", [rows(id="1"), rows(model="z", id="2"), b"\xff"]),
    "an empty stream": ("ModelStreamInfer", []),
    "a model's readiness": ("ModelReady", [asks_for("m")]),
    "metadata of another": ("ModelMetadata", [asks_for("z")]),
    "readiness": ("ServerReady", [b""]),
    "the repository": ("RepositoryIndex", [b""]),
}


def same(first: Outcome, second: Outcome) -> None:
    """Compare two outcomes; the answers on a stream may come in any order."""
    assert (first.code, first.details) == (second.code, second.details)
    assert sorted(first.answers) == sorted(second.answers)
    assert first.trailers == second.trailers


@pytest.mark.parametrize("case", CALLS)
def test_a_call_ends_the_same(both: Both, case: str) -> None:
    name, messages = CALLS[case]
    first, second = (caller.call(f"/{SERVICE}/{name}", messages) for caller in both)
    same(first, second)


@pytest.mark.parametrize(
    ("path", "messages"),
    [
        (f"/{HEALTH}/Check", [b""]),
        (f"/{HEALTH}/Check", [b"\x0a\x01x"]),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", [a_reflection()] * 2),
    ],
)
def test_grpcs_own_services_are_the_same(both: Both, path: str, messages: list[bytes]) -> None:
    first, second = (caller.call(path, messages) for caller in both)
    same(first, second)


def test_methods_that_are_not_there_have_the_same_code(both: Both) -> None:
    codes = {caller.call("/no.such.Service/Method").code for caller in both}
    assert codes == {"UNIMPLEMENTED"}


def test_too_large_messages_have_the_same_code(both: Both) -> None:
    content = rows(np.ones((100_000, 3)))
    assert {caller.infer(content).code for caller in both} == {"RESOURCE_EXHAUSTED"}


def test_without_the_package_its_backend_is_refused_in_words() -> None:
    code = (
        "import sys; sys.modules['grpc'] = None; from slipway_runtime.__main__ import main; main()"
    )
    command = [sys.executable, "-c", code, "serve", "m.onnx", "--grpc-backend=grpcio"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "needs the package grpcio: install slipway[grpcio]" in ended.stderr
