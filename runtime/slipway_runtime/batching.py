"""Batches: which jobs can share a run, their rows put together, and their answers taken apart.

Pure: nothing here runs, waits or reads a clock.
"""

from collections.abc import Callable, Hashable, Sequence
from math import prod

import msgspec
import numpy as np

from slipway_runtime.datatypes import Signature
from slipway_runtime.errors import RequestError
from slipway_runtime.tensors import Array

Feed = dict[str, Array]
Outcome = list[Array] | RequestError
Done = Callable[[Outcome], None]

URGENT, NORMAL, BACKGROUND = 0, 1, 2
LEVELS = 3


class MixedRowsError(Exception):
    """A batch's answer that has not one row for each row of the batch."""


class Job(msgspec.Struct, eq=False):
    """One prediction that was asked for; ``done`` is called once, on the event loop.

    Jobs of one ``bucket`` may share a run. ``size`` is the magnitude of one row's elements, which
    says how much work it is, and ``seconds`` how long that takes. Times are those of
    ``perf_counter``; the request came at ``since``, and was read when it ``arrived``. ``began`` and
    ``ended`` are of the run, 0 before. ``done`` is None once the
    job has its answer or nobody waits for it.
    """

    feed: Feed
    outputs: tuple[str, ...]
    done: Done | None
    arrived: float = 0.0
    deadline: float = 0.0
    since: float = 0.0
    level: int = NORMAL
    bucket: Hashable = None
    rows: int = 1
    size: int = 1
    seconds: float = 0.0
    waiting: bool = False
    slot: int = -1
    began: float = 0.0
    ended: float = 0.0


def level(priority: int) -> int:
    """Translate the protocol's priority: 1 goes first, 2 and none given (0) next, then the rest."""
    return min(priority or 2, LEVELS) - 1


class Sorter:
    """Tells which jobs of one model may share a run."""

    def __init__(self, signature: Signature, batched: bool) -> None:
        """``batched`` is whether any may; otherwise every job is a single row of its own size."""
        self._batched = batched
        specs = signature.inputs.values()
        self._fixed = all(-1 not in spec.shape[1:] for spec in specs)
        self._only = ""
        if batched and self._fixed and len(specs) == 1:
            (spec,) = specs
            self._only, self._only_size = spec.name, prod(spec.shape[1:]).bit_length()

    def sort(self, job: Job) -> None:
        """Set a job's rows, size and bucket.

        Jobs without rows, or whose inputs disagree on them, are for the model to judge: they
        share a run with nobody.
        """
        if self._only and (rows := job.feed[self._only].shape[0]):  # most models are so simple
            job.rows, job.size, job.bucket = rows, self._only_size, job.outputs
            return
        elements = 0
        for array in job.feed.values():
            elements += array.size
        if not self._batched:
            job.size = elements.bit_length()
            return
        heights = {array.shape[0] for array in job.feed.values()}
        rows = heights.pop()
        if heights or not rows:
            job.bucket, job.size = object(), elements.bit_length()
            return
        job.rows = rows
        job.size = (elements // rows).bit_length()
        if self._fixed:
            job.bucket = job.outputs
        else:
            job.bucket = (job.outputs, *[array.shape[1:] for array in job.feed.values()])


def chunks(jobs: list[Job], most: Callable[[Job], int]) -> list[list[Job]]:
    """Form batches in the order of arrival: of one bucket each, and of at most so many rows.

    A job that has more rows than a batch may have is a batch of its own.
    """
    if len(jobs) == 1:
        return [jobs]
    batches: list[list[Job]] = []
    open_batches: dict[Hashable, tuple[list[Job], int]] = {}
    for job in jobs:
        batch, room = open_batches.get(job.bucket, (None, 0))
        if batch is None or job.rows > room:
            batch, room = [], most(job)
            batches.append(batch)
        batch.append(job)
        open_batches[job.bucket] = batch, room - job.rows
    return batches


def merge(feeds: Sequence[Feed]) -> Feed:
    """Put the rows of several inputs one below the other; shapes differ in the rows alone."""
    return {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}


def split(arrays: Sequence[Array], rows: Sequence[int]) -> list[list[Array]]:
    """Give each job of a batch its own rows of each output, as views.

    Raises:
        MixedRowsError: If an output has not as many rows as went in.
    """
    total = sum(rows)
    for array in arrays:
        if array.ndim == 0 or array.shape[0] != total:
            raise MixedRowsError(f"{total} rows gave an output of shape {list(array.shape)}")
    parts: list[list[Array]] = []
    end = 0
    for count in rows:
        begin, end = end, end + count
        parts.append([array[begin:end] for array in arrays])
    return parts
