"""What was measured, against what is to be reached: as a table for people, as JSON for programs."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from slipway_dev.errors import Failure

BEGIN, END = "<!-- begin: make bench -->", "<!-- end: make bench -->"
HEAD = ("measure", "median", "spread", "to reach", "reached", "")
WIDTHS = (58, 16, 18, 14, 9, 0)
BAR = 40
"""Characters of the longest."""


@dataclass(frozen=True)
class Target:
    """A bound, and on which side of it is good."""

    bound: float
    least: bool = False

    def met(self, value: float) -> bool:
        """Tell whether a value is good."""
        return value >= self.bound if self.least else value <= self.bound


@dataclass(frozen=True)
class Row:
    """One measure, once per round. Without a target it is there to be read beside the others."""

    measure: str
    unit: str
    values: Sequence[float]
    target: Target | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None without one, or with nothing measured."""
        if self.target is None or not self.values:
            return None
        return self.target.met(median(self.values))

    def cells(self) -> tuple[str, ...]:
        """Write it for people."""
        target = verdict = spread = ""
        if self.target:
            target = f"{'≥' if self.target.least else '≤'} {_number(self.target.bound)} {self.unit}"
        if not self.values:
            return self.measure, "not measured", "", target, "", self.note
        middle = f"{_number(median(self.values))} {self.unit}"
        if len(self.values) > 1:
            spread = f"{_number(min(self.values))} - {_number(max(self.values))}"
        if self.met is not None:
            verdict = "yes" if self.met else "**no**"
        return self.measure, middle, spread, target, verdict, self.note


def print_rows(rows: Iterable[Row]) -> list[Row]:
    """Print rows as they come, and return them."""
    _print(HEAD)
    return [print_row(row) for row in rows]


def print_row(row: Row) -> Row:
    """Print one row, and return it."""
    _print(row.cells())
    return row


def _print(cells: Sequence[str]) -> None:
    print("".join(map(str.ljust, cells, WIDTHS)).rstrip(), flush=True)


def write(path: Path, rows: Sequence[Row], rounds: str) -> None:
    """Write all rows, and on what they were measured, as JSON."""
    content = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251
        "machine": _machine(),
        "rounds": rounds,
        "rows": [asdict(row) | {"met": row.met} for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def document(results: Sequence[Path], page: Path, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Put the tables of results files, as far as they are there, between the marks of a page.

    Raises:
        Failure: The page has no marks, or nothing was measured.
    """
    tables = [
        "\n".join(_markdown(json.loads(each.read_text()))) for each in results if each.exists()
    ]
    if not tables:
        raise Failure("writing the table", f"no {results[0]}", remedy="run `make bench`")
    put(page, marks, "\n\n".join(tables))


def put(page: Path, marks: tuple[str, str], text: str) -> None:
    """Put a text between two marks of a page.

    Raises:
        Failure: The page lacks them.
    """
    before, begin, rest = page.read_text().partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end):
        raise Failure("writing the table", f"{page} lacks {marks[0]} and {marks[1]}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def read(entry: dict[str, Any]) -> Row:
    """Read a row of a results file."""
    target = Target(**entry["target"]) if entry["target"] else None
    return Row(entry["measure"], entry["unit"], entry["values"], target, entry["note"])


def _markdown(content: dict[str, Any]) -> Iterator[str]:
    yield f"Measured {content['when'][:10]} on {content['machine']}; {content['rounds']}."
    yield ""
    yield "| " + " | ".join(HEAD) + " |"
    yield "| --- " * len(HEAD) + "|"
    for each in content["rows"]:
        yield "| " + " | ".join(read(each).cells()) + " |"


def bar(value: float, most: float) -> str:
    """Draw a value beside the largest of its plot."""
    return "▇" * max(round(value / most * BAR), 1)


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = names[0] if names else platform.machine()
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} CPUs ({model}), {system}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
