"""Rows that share a run: put together, taken apart, and never confused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_runtime import batching
from slipway_runtime.batching import BACKGROUND, NORMAL, URGENT, Job, MixedRowsError, Sorter
from slipway_runtime.datatypes import BY_ONNX_NAME, Signature, TensorSpec

FP32 = BY_ONNX_NAME["tensor(float)"]
BYTES = BY_ONNX_NAME["tensor(string)"]
COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=8)


def a_signature(*shapes: tuple[int, ...]) -> Signature:
    specs = {f"x{n}": TensorSpec(f"x{n}", FP32, shape) for n, shape in enumerate(shapes)}
    return Signature(specs, {"y": TensorSpec("y", FP32, (-1,))})


def a_job(*arrays: Any, outputs: tuple[str, ...] = ("y",)) -> Job:
    return Job({f"x{n}": array for n, array in enumerate(arrays)}, outputs, None)


def sorted_job(sorter: Sorter, *arrays: Any, outputs: tuple[str, ...] = ("y",)) -> Job:
    job = a_job(*arrays, outputs=outputs)
    sorter.sort(job)
    return job


@given(COUNTS)
def test_what_goes_in_together_comes_out_apart(counts: list[int]) -> None:
    rows = np.arange(sum(counts) * 3, dtype=np.float32).reshape(-1, 3)
    feeds = [{"x": part} for part in np.split(rows, np.cumsum(counts)[:-1])]
    merged = batching.merge(feeds)
    parts = batching.split([merged["x"] * 2, merged["x"].sum(1)], counts)
    for feed, (doubled, summed) in zip(feeds, parts, strict=True):
        assert doubled.tolist() == (feed["x"] * 2).tolist()
        assert summed.tolist() == feed["x"].sum(1).tolist()


def test_strings_share_a_run_too() -> None:
    feeds = [{"x": np.array([["a"]], object)}, {"x": np.array([["b"], ["c"]], object)}]
    merged = batching.merge(feeds)["x"]
    assert merged.tolist() == [["a"], ["b"], ["c"]]
    assert [part[0].tolist() for part in batching.split([merged], [1, 2])] == [
        [["a"]],
        [["b"], ["c"]],
    ]


@pytest.mark.parametrize("shape", [(), (2, 3), (4, 3)])
def test_an_answer_of_other_rows_is_not_split(shape: tuple[int, ...]) -> None:
    with pytest.raises(MixedRowsError, match="3 rows gave an output of shape"):
        batching.split([np.zeros((3, 1)), np.zeros(shape)], [1, 2])


def test_rows_of_one_shape_share_a_run_and_others_do_not() -> None:
    sorter = Sorter(a_signature((-1, -1)), batched=True)
    short, more, long = (sorted_job(sorter, np.zeros(s)) for s in ((1, 4), (3, 4), (1, 5)))
    assert short.bucket == more.bucket != long.bucket
    assert (short.rows, more.rows) == (1, 3)
    assert short.size == more.size


def test_who_wants_other_outputs_has_a_run_of_his_own() -> None:
    sorter = Sorter(a_signature((-1, 4)), batched=True)
    both, one = (sorted_job(sorter, np.zeros((1, 4)), outputs=o) for o in (("y", "z"), ("y",)))
    assert both.bucket != one.bucket


@pytest.mark.parametrize("heights", [(0, 0), (0, 3), (2, 3), (3, 0)])
def test_inputs_without_rows_or_that_disagree_on_them_share_a_run_with_nobody(
    heights: tuple[int, int],
) -> None:
    sorter = Sorter(a_signature((-1, 4), (-1, 2)), batched=True)
    jobs = [sorted_job(sorter, np.zeros((heights[0], 4)), np.zeros((heights[1], 2)))] * 2
    other = sorted_job(sorter, np.zeros((heights[0], 4)), np.zeros((heights[1], 2)))
    assert jobs[0].bucket != other.bucket
    assert jobs[0].rows == 1


@pytest.mark.parametrize("shapes", [((-1, 4),), ((-1, 4), (-1, 2)), ((-1, -1),)])
def test_a_size_is_that_of_a_row(shapes: tuple[tuple[int, int], ...]) -> None:
    sorter = Sorter(a_signature(*shapes), batched=True)
    jobs = [
        sorted_job(sorter, *(np.zeros((rows, 4 if width < 0 else width)) for _, width in shapes))
        for rows in (1, 3, 100)
    ]
    elements = sum(4 if width < 0 else width for _, width in shapes)
    assert [(job.rows, job.size) for job in jobs] == [
        (rows, elements.bit_length()) for rows in (1, 3, 100)
    ]


def test_without_batching_a_job_is_one_row_of_its_whole_size() -> None:
    sorter = Sorter(a_signature((-1, 4)), batched=False)
    small, large = sorted_job(sorter, np.zeros((1, 4))), sorted_job(sorter, np.zeros((100, 4)))
    assert (small.rows, large.rows) == (1, 1)
    assert small.size < large.size


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6)), max_size=20), st.integers(1, 5)
)
def test_batches_are_of_one_bucket_within_bounds_and_complete(
    wanted: list[tuple[str, int]], most: int
) -> None:
    jobs = []
    for bucket, rows in wanted:
        jobs.append(a_job())
        jobs[-1].bucket, jobs[-1].rows = bucket, rows
    batches = batching.chunks(jobs, lambda job: most)
    assert sorted(map(id, (job for batch in batches for job in batch))) == sorted(map(id, jobs))
    for batch in batches:
        assert len({job.bucket for job in batch}) == 1
        assert len(batch) == 1 or sum(job.rows for job in batch) <= most
    for bucket in "ab":
        came = [job for job in jobs if job.bucket == bucket]
        assert [job for batch in batches for job in batch if job.bucket == bucket] == came


@pytest.mark.parametrize(
    ("priority", "level"), [(1, URGENT), (0, NORMAL), (2, NORMAL), (3, BACKGROUND), (9, BACKGROUND)]
)
def test_priorities_are_the_protocols(priority: int, level: int) -> None:
    assert batching.level(priority) == level
