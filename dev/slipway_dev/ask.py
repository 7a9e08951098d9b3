"""Sends a prediction to a model in the cluster, through kubectl's port-forward."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np

from fixtures.model import Tensors
from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure

DATATYPES = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64"}
DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}
SECONDS = 10


@contextmanager
def forwarded(cluster: Cluster, namespace: str, service: str) -> Iterator[str]:
    """Reach a Service from this machine, whoever runs the cluster.

    Yields:
        The URL of its port `http`.

    Raises:
        Failure: kubectl does not forward.
    """
    with forwarded_port(cluster, namespace, service, "http") as address:
        yield f"http://{address}"


@contextmanager
def forwarded_port(cluster: Cluster, namespace: str, service: str, port: str) -> Iterator[str]:
    """Reach one port of a Service from this machine.

    Yields:
        Its address and port here.

    Raises:
        Failure: kubectl does not forward.
    """
    where = [str(cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}"]
    where += [f"--context={cluster.context}", f"--namespace={namespace}"]
    command = [*where, "port-forward", f"service/{service}", f":{port}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as forward:
        try:
            yield f"127.0.0.1:{_port(forward)}"
        finally:
            forward.terminate()


def infer(url: str, inputs: Tensors) -> Tensors:
    """Ask for a prediction over the Open Inference Protocol.

    Raises:
        Failure: the answer is an error.
    """
    body = json.dumps({"inputs": [_tensor(name, batch) for name, batch in inputs.items()]})
    request = Request(url, body.encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - the URL is ours
            outputs = json.load(answer)["outputs"]
    except HTTPError as error:
        raise Failure(f"POST {url}", f"{error}: {error.read().decode()}") from error
    return {output["name"]: _array(output) for output in outputs}


def _port(forward: subprocess.Popen[str]) -> str:
    line = forward.stdout.readline() if forward.stdout else ""
    port = re.search(r"127\.0\.0\.1:(\d+)", line)
    if port is None:
        forward.terminate()
        raise Failure("kubectl port-forward", line + forward.communicate()[1])
    return port[1]


def _tensor(name: str, batch: np.ndarray[Any, Any]) -> dict[str, Any]:
    datatype = DATATYPES[batch.dtype.name]
    return {"name": name, "shape": batch.shape, "datatype": datatype, "data": batch.tolist()}


def _array(output: dict[str, Any]) -> np.ndarray[Any, Any]:
    dtype = DTYPES[output["datatype"]]
    return np.array(output["data"], dtype=dtype).reshape(output["shape"])
