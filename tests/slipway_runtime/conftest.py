from collections.abc import Iterator
from pathlib import Path

import pytest

from support.onnx_models import identity, written
from support.runtime_server import Server, a_server, settings_file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve model ``m``, version 7, which answers ``y`` with ``x`` (FP32, [N, 3])."""
    directory: Path = tmp_path_factory.mktemp("server")
    model = written(identity(), directory / "model.onnx")
    with a_server(model, "--config", str(settings_file(directory))) as started:
        yield started
