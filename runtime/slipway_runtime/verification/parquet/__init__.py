"""Reads a data set from parquet, in a process of its own.

What a parquet file unpacks to is known only when it was unpacked, and the library that does it
ends its process over want of memory and over many a broken file. A server pays for it, in memory
and time, only where there is such a file. The arrays are those that ``npz`` would give.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL, SIGXCPU, Signals

import numpy as np

from slipway_runtime.checks import MOST_DATASET_BYTES
from slipway_runtime.tensors import Array
from slipway_runtime.verification.npz import UnreadableError
from slipway_runtime.verification.parquet.wire import Batch, Problem, unpacked

MOST_MEMORY_BYTES = 5 * MOST_DATASET_BYTES
"""A row as large as a whole data set is packed, unpacked, in numpy's hands and on its way."""
MOST_CPU_SECONDS = 60
MOST_SAID = 200
"""Of what others say, in characters."""
PANIC = re.compile(r"panicked at [^\n]*\n([^\n]+)")
TOO_MUCH = (
    f"it takes more than {MOST_MEMORY_BYTES} bytes of memory to unpack, or more than the pod has; "
    "write fewer rows, or the file anew if it is broken"
)
ALONE = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy would start a thread for each CPU, for nothing."""


def read(path: Path) -> dict[str, Array]:
    """Read all columns of a file.

    Raises:
        UnreadableError: It is none, too large, or holds what can't be a column.
        OSError: It can't be opened.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_DATASET_BYTES:
            raise UnreadableError(f"it has {size} bytes, the most are {MOST_DATASET_BYTES}")
        reader = subprocess.run(  # noqa: S603 - this very package
            [sys.executable, "-P", "-m", __name__],
            stdin=file,
            capture_output=True,
            check=False,
            env={**os.environ, **ALONE},
        )
    table = joined(reader.stdout)
    if reader.returncode:
        raise UnreadableError(death(reader.returncode, reader.stderr))
    return table


def joined(messages: bytes) -> dict[str, Array]:
    """Put the rows of all batches one after the other.

    Raises:
        UnreadableError: There is a problem among them.
    """
    batches = list[Batch]()
    for message in unpacked(messages):
        if isinstance(message, Problem):
            raise UnreadableError(message.text)
        batches.append(message)
    return _concatenated(batches)


def _concatenated(batches: Sequence[Batch]) -> dict[str, Array]:
    names = [part.column for part in batches[0].parts] if batches else []
    return {
        name: np.concatenate([batch.parts[at].array() for batch in batches])
        for at, name in enumerate(names)
    }


def death(status: int, stderr: bytes) -> str:
    """Say why the process did not come to its end."""
    said = stderr.decode("utf-8", "replace").strip()
    if -status == SIGKILL or "memory allocation of" in said:
        return TOO_MUCH
    if -status == SIGXCPU:
        return f"it takes more than {MOST_CPU_SECONDS} s to unpack; write fewer rows"
    if panic := PANIC.search(said):
        return f"it can't be read: {panic[1][:MOST_SAID]}; write it anew"
    ended = f"signal {Signals(-status).name}" if status < 0 else f"status {status}"
    last = said.splitlines()[-1] if said else "it says nothing"
    return f"its reader has ended with {ended} ({last[:MOST_SAID]})"
