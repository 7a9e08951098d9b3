"""Results as JSON, as a table and as a plot in the docs."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from slipway_bench import table
from slipway_bench.table import Row

TABLE = "<!-- begin: make bench-operator -->", "<!-- end: make bench-operator -->"
PLOT = "<!-- begin: plot -->", "<!-- end: plot -->"
PLOTTED = (
    "made, all children applied",
    "operator's CPU, an object, until then",
    "memory after that",
    "from start to in sync",
    "idle, CPU of one core",
)


def add(results: Path, rows: Sequence[Row]) -> None:
    """Write rows down, in place of older ones of the same name."""
    known = {row.measure: row for row in read(results)}
    table.write(results, [*(known | {row.measure: row for row in rows}).values()], ROUNDS)


ROUNDS = "kube-apiserver, etcd without fsync, controllers and KWOK on the same CPUs"


def read(results: Path) -> list[Row]:
    """Read rows; none if nothing was measured."""
    if not results.exists():
        return []
    return [table.read(each) for each in json.loads(results.read_text())["rows"]]


def document(results: Path, page: Path) -> None:
    """Put the table, and the cost against the number of objects, into a page."""
    table.document([results], page, TABLE)
    table.put(page, PLOT, "\n".join(["```", *plots(read(results)), "```"]))


def plots(rows: Sequence[Row]) -> Iterator[str]:
    """Plot each measure that was made at several sizes as bars."""
    for what in PLOTTED:
        found = dict(sorted(_points(rows, what)))
        if len(found) > 1:
            unit = next(row.unit for row in rows if row.measure.endswith(f": {what}"))
            yield f"{what}, {unit}"
            most = max(found.values())
            for size, value in found.items():
                yield f"{size:>7} {table.bar(value, most)} {value:.3g}"
            yield ""


def _points(rows: Sequence[Row], what: str) -> Iterator[tuple[int, float]]:
    for row in rows:
        size, _, name = row.measure.partition(": ")
        if name == what and row.values:
            yield int(size), median(row.values)
