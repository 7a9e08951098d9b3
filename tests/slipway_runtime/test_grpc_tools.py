"""What others wrote in Go to speak HTTP/2 and gRPC, built once, against a real server."""

import re
import subprocess

from slipway_dev.bare.binaries import GRPC
from support.runtime_server import Server
from support.tools import built


def test_h2spec_finds_nothing(server: Server) -> None:
    command = [
        str(built(GRPC, "h2spec")),
        "-h",
        "127.0.0.1",
        "-p",
        str(server.grpc),
        "-S",
        "-o",
        "5",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    (summary,) = re.findall(r"^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", said, re.M)
    assert summary == ("146", "146", "0", "0"), said


def test_a_client_in_go_finds_the_service_and_predicts(server: Server) -> None:
    command = [str(built(GRPC, "client")), f"127.0.0.1:{server.grpc}", "m", "2000"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
