"""The first process of a container ends when it is told to, whatever it is doing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KUBECONFIG = """
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
"""


@contextmanager
def first_process(folder: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Run an operator without an API server as process 1 of a process namespace."""
    (folder / "kubeconfig").write_text(KUBECONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    namespace = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    with subprocess.Popen(
        [*namespace, sys.executable, *flags, "-m", "slipway_operator"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "SLIPWAY_RUNTIME_IMAGE": "slipway-runtime:1",
            "SLIPWAY_PORT": str(port),
        },
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def tell(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal the process inside, which has a number of its own out here."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), number)


@pytest.mark.parametrize(
    ("flags", "moment"),
    [(("-X", "importtime"), "aiohttp.client"), ((), "the lease: ")],
    ids=["importing", "waiting for an API server"],
)
def test_it_ends_at_once(tmp_path: Path, flags: tuple[str, ...], moment: str) -> None:
    with first_process(tmp_path, *flags) as process:
        assert process.stderr
        assert any(moment in line for line in process.stderr), "it ended before"
        tell(process, signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 0
