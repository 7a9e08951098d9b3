"""What REST costs over onnxruntime: CPU per request and requests per second, on this machine.

    python bench/rest.py [--seconds 3] [--rounds 3]

A real server process answers a closed loop of connections on 127.0.0.1: from `wrk` where it is
installed, else from threads of this process, which are slower than the server. Look at CPU per
request first: it is the server's own, whatever the load generator takes. Raw onnxruntime runs
between the rounds, so that what disturbs one disturbs the other. Other load on the machine
makes everything look slower: the spread shows it.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

TICK = os.sysconf("SC_CLK_TCK")
MODELS = {"tiny": (4, 16, 16, 3), "mlp": (256, 1024, 1024, 16)}


@dataclass(frozen=True)
class Load:
    """One request, asked again and again on so many connections."""

    model: str
    form: str
    connections: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Result:
    """One round: the server's CPU per request in microseconds, requests per second."""

    cpu: float
    rate: float


def build(path: Path, sizes: tuple[int, ...]) -> None:
    """Write a perceptron of these layers with random weights."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for number, (rows, columns) in enumerate(pairwise(sizes)):
        weight = rng.standard_normal((rows, columns), np.float32) / rows**0.5
        weights.append(numpy_helper.from_array(weight, f"w{number}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [f"h{number}"]))
        nodes.append(helper.make_node("Relu", [f"h{number}"], [last := f"r{number}"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])
        for name, size in (("x", sizes[0]), (last, sizes[-1]))
    ]
    graph = helper.make_graph(nodes, path.stem, ends[:1], ends[1:], weights)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[opset]), path)


def loads(model: str, connections: int) -> list[Load]:
    """Make the same request as JSON and as binary."""
    rows = np.random.default_rng(1).random((1, MODELS[model][0]), np.float32)
    tensor = {"name": "x", "datatype": "FP32", "shape": list(rows.shape)}
    text = json.dumps({"inputs": [tensor | {"data": rows.ravel().tolist()}]}).encode()
    size = {"parameters": {"binary_data_size": rows.nbytes}}
    wish = {"inputs": [tensor | size], "parameters": {"binary_data_output": True}}
    header = json.dumps(wish).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    return [
        Load(model, "json", connections, text, {}),
        Load(model, "binary", connections, header + rows.tobytes(), length),
    ]


@contextmanager
def serving(path: Path) -> Iterator[tuple[int, int]]:
    """Start a server; yield its process and its port."""
    ports = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    command = [sys.executable, "-m", "slipway_runtime", "serve", str(path), *ports]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        port = 0
        for line in process.stderr or ():
            event = json.loads(line)
            if event["event"] == "listening":
                port = int(event["http"][0].rpartition(":")[2])
            if event["event"] == "serving":
                break
        yield process.pid, port
        process.terminate()


def cpu_seconds(process: int) -> float:
    """Read the CPU time that a process has used, all threads, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def measure(process: int, port: int, load: Load, seconds: float) -> Result:
    """Run one round."""
    before = cpu_seconds(process)
    ask = wrk if shutil.which("wrk") else threads
    count = ask(port, load, seconds)
    return Result((cpu_seconds(process) - before) / count * 1e6, count / seconds)


def wrk(port: int, load: Load, seconds: float) -> int:
    """Let wrk ask; return how many answers came."""
    body = "".join(f"\\{byte:03d}" for byte in load.body)
    script = [f'wrk.method = "POST"\nwrk.body = "{body}"']
    script += [f'wrk.headers["{name}"] = "{value}"' for name, value in load.headers.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write("\n".join(script))
        file.flush()
        url = f"http://127.0.0.1:{port}/v2/models/{load.model}/infer"
        command = ["wrk", "-t1", f"-c{load.connections}", f"-d{seconds:g}s", "-s", file.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    match = re.search(r"(\d+) requests in", text)
    if not match or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk saw errors:\n{text}")
    return int(match[1])


def threads(port: int, load: Load, seconds: float) -> int:
    """Ask from threads of this process; return how many answers came."""
    counts = [0] * load.connections
    until = time.monotonic() + seconds
    asking = [
        threading.Thread(target=_ask, args=[port, load, until, counts, number])
        for number in range(load.connections)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return sum(counts)


def _ask(port: int, load: Load, until: float, counts: list[int], number: int) -> None:
    lines = [f"POST /v2/models/{load.model}/infer HTTP/1.1", "Host: bench"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    lines += [f"Content-Length: {len(load.body)}", "", ""]
    request = "\r\n".join(lines).encode() + load.body
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while time.monotonic() < until:
            connection.sendall(request)
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("the server did not predict")
            counts[number] += 1


def raw(path: Path, seconds: float) -> Result:
    """Run onnxruntime alone, in one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"x": np.ones((1, MODELS[path.stem][0]), np.float32)}
    count, began, used = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        for _ in range(100):
            session.run(None, feed)
        count += 100
    cpu = (time.process_time() - used) / count * 1e6
    return Result(cpu, count / (time.monotonic() - began))


def show(name: str, results: list[Result], base: float) -> None:
    """Print a case's median and spread; ``base`` is raw onnxruntime's CPU per run."""
    cpus = sorted(result.cpu for result in results)
    rates = sorted(result.rate for result in results)
    cpu = statistics.median(cpus)
    print(
        f"{name:<18} {cpu:7.1f} µs ({cpus[0]:.1f}-{cpus[-1]:.1f})   over raw {cpu - base:7.1f} µs"
        f"   {statistics.median(rates):8.0f}/s ({rates[0]:.0f}-{rates[-1]:.0f})",
        flush=True,
    )


def main() -> None:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'':<18} CPU per request (spread){'':16} requests per second (spread)")
    with tempfile.TemporaryDirectory() as directory:
        for model, sizes in MODELS.items():
            path = Path(directory) / f"{model}.onnx"
            build(path, sizes)
            cases = [load for count in (1, 16) for load in loads(model, count)]
            _measure_model(path, cases, options.rounds, options.seconds)


def _measure_model(path: Path, cases: list[Load], rounds: int, seconds: float) -> None:
    results: dict[str, list[Result]] = {}
    with serving(path) as (process, port):
        for _ in range(rounds):
            results.setdefault(f"{path.stem} raw", []).append(raw(path, seconds / 3))
            for load in cases:
                name = f"{load.model} {load.form} c={load.connections}"
                results.setdefault(name, []).append(measure(process, port, load, seconds))
    base = statistics.median(result.cpu for result in results[f"{path.stem} raw"])
    for name, values in results.items():
        show(name, values, base)


if __name__ == "__main__":
    main()
