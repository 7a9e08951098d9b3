"""A pod whose model turns into another one, as through a fault in its node's memory."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import onnx

from fixtures.model import Model
from support.operators import processes
from support.workplace import Object


@contextmanager
def turned(pods: Iterable[Object], model: Model, into: Model) -> Iterator[None]:
    """Have pods of this machine answer as another model of the same graph does, for a while."""
    pids = [pid for pod in pods for pid in processes(pod["metadata"]["uid"])]
    for pid in pids:
        assert _exchange(pid, model, into), f"process {pid} has other weights"
    try:
        yield
    finally:
        for pid in pids:
            with suppress(OSError):  # it ended meanwhile
                _exchange(pid, into, model)


def _exchange(pid: int, old: Model, new: Model) -> int:
    """Write the weights of one model over those of another; return in how many places.

    The process is stopped meanwhile, so that it never answers as half of each.
    """
    os.kill(pid, signal.SIGSTOP)
    try:
        return _overwrite(pid, old, new)
    finally:
        os.kill(pid, signal.SIGCONT)


def _overwrite(pid: int, old: Model, new: Model) -> int:
    places = 0
    with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
        for begin, end in _writable(pid):
            memory.seek(begin)
            content = memory.read(end - begin)
            for was, becomes in zip(_weights(old), _weights(new), strict=True):
                for at in _found(was, content):
                    memory.seek(begin + at)
                    memory.write(becomes)
                    places += 1
    return places


def _weights(model: Model) -> list[bytes]:
    """List what a model has learned, as its process holds it."""
    nodes = onnx.load(model.path).graph.node
    floats = (attribute.floats for node in nodes for attribute in node.attribute)
    return [np.array(each, np.float32).tobytes() for each in floats if each]


def _writable(pid: int) -> Iterator[tuple[int, int]]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        where, rights, *_ = line.split()
        if rights.startswith("rw"):
            begin, end = where.split("-")
            yield int(begin, 16), int(end, 16)


def _found(what: bytes, content: bytes) -> Iterator[int]:
    at = content.find(what)
    while at >= 0:
        yield at
        at = content.find(what, at + 1)
