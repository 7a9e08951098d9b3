"""The process that reads one parquet file from its input: ``parquet.read`` starts it."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from slipway_runtime.checks import MOST_DATASET_BYTES
from slipway_runtime.verification.npz import UnreadableError
from slipway_runtime.verification.parquet import MOST_CPU_SECONDS, MOST_MEMORY_BYTES, TOO_MUCH
from slipway_runtime.verification.parquet.reading import batches
from slipway_runtime.verification.parquet.wire import Batch, Part, Problem, packed


def main() -> None:
    """Tell what is in the file, or what is wrong with it."""
    content = sys.stdin.buffer.read(MOST_DATASET_BYTES)
    bound()
    for message in told(content):
        sys.stdout.buffer.write(packed(message))


def told(content: bytes) -> Iterator[Batch | Problem]:
    """Read a file, and end with what is wrong with it."""
    try:
        for rows in batches(content):
            yield Batch([Part.of(name, array) for name, array in rows.items()])
    except UnreadableError as problem:
        yield Problem(str(problem))
    except MemoryError:
        yield Problem(TOO_MUCH)


def bound() -> None:
    """Take no more than a file of rows may cost; what there is already is not counted."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + MOST_MEMORY_BYTES
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, MOST_CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        soft, hard = resource.getrlimit(limit)
        least = min(each for each in (soft, hard, most) if each != resource.RLIM_INFINITY)
        resource.setrlimit(limit, (least, hard))


if __name__ == "__main__":
    main()
