"""Finds out at load whether a model can be batched, and what that gains. Never assumes it.

A model is *proven* batchable: each row of a batch must get the answer that it gets alone. A model
that mixes rows (statistics over the batch, quantisation scales of the whole tensor), that fixes
its batch dimension or that answers at random fails the proof. Then batches are *measured*: on a CPU
they gain a small perceptron 5 to 30 times the throughput and a convolutional net nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from slipway_runtime import batching, costs, samples
from slipway_runtime.batching import Feed
from slipway_runtime.datatypes import Signature
from slipway_runtime.errors import RequestError
from slipway_runtime.tensors import Array

Run = Callable[[Feed, Sequence[str]], list[Array]]
Clock = Callable[[], float]

SECONDS = 2.0
"""What the proof may take; measuring may take half as long again."""

PROOF_RUNS = 20
"""Single runs that the proof costs, about."""

TOLERANCE = 1e-4
"""Of an output's largest magnitude. Another order of summation moves float32 by about 1e-6 of
it; a quantisation scale that is shared among the rows by 1e-3 and more."""

ENOUGH = 8
"""Rows at which a model that has gained nothing is not tried further."""

REPEATS = 20
REPEAT_SECONDS = 0.004
ROUNDS = 3
"""Each over all sizes: what disturbs the machine for a while then spoils no size's every run."""


class _Refuted(Exception):  # noqa: N818 - what a proof comes to
    """Why a model can't be batched."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What was found: ``times`` are seconds a run by its rows, undisturbed.

    ``size`` is the magnitude of a sample row's elements; ``reason`` says why batches have one row
    only, and is empty where they may have ``most``. ``sample`` is one row that the model takes.
    """

    proven: bool = False
    most: int = 1
    reason: str = ""
    size: int = 0
    times: Mapping[int, float] = field(default_factory=dict)
    sample: Feed | None = None

    @property
    def gain(self) -> float | None:
        """How many times more rows a second batches answer than single rows; None if unknown."""
        return costs.gain(self.times) if len(self.times) > 1 else None


@dataclass(frozen=True, slots=True)
class Wish:
    """What batches may be: ``most`` rows, 1 for none at all, within ``seconds`` a run."""

    most: int
    seconds: float


def profile(run: Run, signature: Signature, wish: Wish, clock: Clock) -> Profile:
    """Prove and measure a model on samples; this is its warm-up, too."""
    tried = next(_runnable(run, signature, clock), None)
    if tried is None:
        return Profile(reason="no sample input could be made that the model takes")
    feeds, seconds = tried
    outputs = tuple(signature.outputs)
    if not _slow(seconds):
        seconds = _measure(run, feeds[:1], outputs, clock)
    times = {1: seconds}
    size = sum(array.size for array in feeds[0].values()).bit_length()
    try:
        _worth_trying(signature, wish, times[1])
        proof = _Proof(feeds, _prove(run, feeds, outputs), outputs)
        times = _measured(run, proof, wish, times[1], clock)
    except _Refuted as refuted:
        return Profile(False, 1, str(refuted), size, times, feeds[0])
    most = costs.best(times)
    reason = f"batches gain only {costs.gain(times):.2f} times" if most == 1 else ""
    return Profile(True, most, reason, size, times, feeds[0])


@dataclass(frozen=True, slots=True)
class _Proof:
    feeds: list[Feed]
    singles: list[list[Array]]
    outputs: tuple[str, ...]

    def order(self, rows: int) -> list[int]:
        """Choose the samples for so many rows: all of them, again and again."""
        return [number % len(self.feeds) for number in range(rows)]

    def measure(self, run: Run, rows: int, clock: Clock) -> float:
        """Measure so many rows."""
        return _measure(run, [self.feeds[each] for each in self.order(rows)], self.outputs, clock)


def _runnable(run: Run, signature: Signature, clock: Clock) -> Iterator[tuple[list[Feed], float]]:
    """Find samples that the model takes, and what its first run took in seconds.

    Of a slow model that is the only run.
    """
    outputs = tuple(signature.outputs)
    for feeds in samples.candidates(signature):
        try:
            began = clock()
            run(feeds[0], outputs)
            seconds = clock() - began
            for feed in feeds[1:] if not _slow(seconds) else ():
                run(feed, outputs)
        except RequestError:
            continue
        yield feeds, seconds


def _slow(seconds: float) -> bool:
    return seconds * PROOF_RUNS > SECONDS


def _worth_trying(signature: Signature, wish: Wish, seconds: float) -> None:
    if wish.most == 1:
        raise _Refuted("batching is disabled")
    _check_shapes(signature)
    if _slow(seconds):
        raise _Refuted(f"one run takes {seconds:.2g} s, too long to prove anything at load")


def _check_shapes(signature: Signature) -> None:
    for role, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs.values():
            if not spec.shape:
                if role == "input":
                    raise _Refuted(f"input {spec} is a scalar or of unknown rank")
            elif spec.shape[0] != -1:
                raise _Refuted(f"{role} {spec} has a first dimension that does not vary")


def _prove(run: Run, feeds: list[Feed], outputs: tuple[str, ...]) -> list[list[Array]]:
    """Compare batches of two and three rows with the same rows alone.

    Returns:
        The answers to the rows alone.
    """
    singles = [run(feed, outputs) for feed in feeds]
    for feed, single in zip(feeds, singles, strict=True):
        if not _alike(single, run(feed, outputs)):
            raise _Refuted("the model answers the same input differently from run to run")
    if not any(_differ(arrays) for arrays in zip(*singles, strict=True)):
        raise _Refuted("the answers to all samples are the same, which proves nothing")
    proof = _Proof(feeds, singles, outputs)
    for order in ([0, 1], [0, 1, 2], [2, 0, 1]):
        _compare(run, proof, order)
    return singles


def _compare(run: Run, proof: _Proof, order: Sequence[int]) -> None:
    """Run rows together and compare each answer with the one that the row got alone."""
    rows = len(order)
    try:
        arrays = run(batching.merge([proof.feeds[number] for number in order]), proof.outputs)
        parts = batching.split(arrays, [1] * rows)
    except RequestError as error:
        raise _Refuted(f"the model fails at {rows} rows: {error.message}") from None
    except batching.MixedRowsError as error:
        raise _Refuted(str(error)) from None
    for number, part in zip(order, parts, strict=True):
        if not _alike(proof.singles[number], part):
            raise _Refuted(f"a row's answer changes when it shares a run of {rows} rows")


def _measured(run: Run, proof: _Proof, wish: Wish, single: float, clock: Clock) -> dict[int, float]:
    """Prove and measure batches of 2, 4, 8… rows while that is worth it.

    ``single`` is what one row takes, in seconds.
    """
    ends = clock() + SECONDS / 2
    times = {1: single}
    rows, most = 1, wish.most
    while rows < most:
        before, rows = times[rows], min(2 * rows, most)
        if 3 * 2 * before > ends - clock():
            break
        _compare(run, proof, proof.order(rows))
        seconds = proof.measure(run, rows, clock)
        if seconds > wish.seconds:
            break
        times[rows] = seconds
        if rows >= ENOUGH and costs.gain(times) < costs.WORTHWHILE:
            break
    for rows in [*times] * (ROUNDS - 1):
        if clock() < ends:
            times[rows] = min(times[rows], proof.measure(run, rows, clock))
    return times


def _measure(run: Run, feeds: list[Feed], outputs: tuple[str, ...], clock: Clock) -> float:
    """Find the shortest of a few runs in seconds; what disturbs them makes them longer only."""
    feed = batching.merge(feeds) if len(feeds) > 1 else feeds[0]
    shortest, ends = float("inf"), clock() + REPEAT_SECONDS
    for repeat in range(REPEATS):
        began = clock()
        run(feed, outputs)
        ended = clock()
        shortest = min(shortest, ended - began)
        if ended > ends and repeat >= 1:
            break
    return shortest


def _alike(ones: Sequence[Array], others: Sequence[Array]) -> bool:
    return all(map(_close, ones, others))


def _differ(arrays: Sequence[Array]) -> bool:
    return any(not _close(arrays[0], other) for other in arrays[1:])


def _close(one: Array, other: Array) -> bool:
    """Compare answers: floats within rounding, all else exactly."""
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    finite = np.abs(one[np.isfinite(one)].astype(np.float64))
    allowed = max(TOLERANCE, 4 * float(np.finfo(one.dtype).eps)) * float(finite.max(initial=0.0))
    return bool(np.allclose(one, other, rtol=0.0, atol=allowed, equal_nan=True))
