"""`python -m slipway_bench faults`: the table of seeded faults, and how often none is one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from fixtures.trained import digits
from slipway_bench import table
from slipway_bench.faults import careful, trial
from slipway_bench.faults.seeded import FAULTS, Fault
from slipway_bench.faults.trial import Caught
from slipway_dev.errors import Failure

BEGIN, END = "<!-- begin: make bench-faults -->", "<!-- end: make bench-faults -->"
EACH_FULL = 10
"""One in so many clean starts runs the full suite, too."""


def run(clean: int, page: Path | None) -> int:
    """Seed every fault once and start without one ``clean`` times; print what came of it."""
    with TemporaryDirectory() as folder:
        text = "\n".join(_printed(_lines(Path(folder), clean)))
    if page:
        table.put(page, (BEGIN, END), text)
    return 1 if "**" in text else 0


def _lines(folder: Path, clean: int) -> Iterator[str]:
    good, golden = digits().path, careful.dataset(folder)
    yield "| fault | caught at | by the checks | reason | message |"
    yield "| --- | --- | --- | --- | --- |"
    found = []
    for fault in FAULTS:
        found.append(_seeded(fault, good, folder, golden))
        yield _row(fault, found[-1])
    caught = sum(each.refused for each in found)
    early = sum(each.when in (trial.LOAD, trial.START) for each in found)
    yield ""
    yield (
        f"{caught} of {len(FAULTS)} faults were caught before traffic, {early} of them before the "
        f"pod was ready{'' if caught == len(FAULTS) else ': **not all**'}."
    )
    runs = [trial.clean(good, folder, golden, number % EACH_FULL == 0) for number in range(clean)]
    yield from _clean(runs)


def _seeded(fault: Fault, good: Path, folder: Path, golden: Path) -> Caught:
    path = folder / "model.onnx"
    fault.write(good, path)
    settings = careful.settings(folder, golden, fault.model)
    try:
        caught = trial.attempt(path, settings, fault.program)
    except Failure as problem:
        caught = Caught(message=str(problem).splitlines()[0])  # nothing stopped it
    return replace(caught, message=caught.message.replace(str(folder), "/models"))


def _row(fault: Fault, caught: Caught) -> str:
    cells = (fault.name, caught.when or "**not**", caught.by, caught.reason, caught.message)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _clean(runs: Sequence[Caught]) -> Iterator[str]:
    if not runs:
        return
    refused = [each for each in runs if each.refused]
    full = len(range(0, len(runs), EACH_FULL))
    seconds = [each.start_seconds for each in runs]
    yield ""
    said = f": **{refused[0].message}**" if refused else ""
    yield (
        f"{len(refused)} of {len(runs)} starts of the model without a fault were refused{said}. "
        f"Each was a process of its own; {full} of them ran the full suite, too. The suite at the "
        f"start took {median(seconds):.2g} s ({min(seconds):.2g} to {max(seconds):.2g})."
    )


def _printed(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        print(line, flush=True)
        yield line
