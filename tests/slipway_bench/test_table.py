"""The table says what was measured and whether it is enough."""

import json
from pathlib import Path

import pytest

from slipway_bench import table
from slipway_bench.table import BEGIN, END, Row, Target
from slipway_dev.errors import Failure

ENOUGH = Row("throughput", "x", [2.0, 1.0, 9.0], Target(2.0, least=True))


@pytest.mark.parametrize(
    ("values", "target", "met"),
    [
        ([1.0, 2.0, 99.0], Target(2.0), True),
        ([1.0, 2.1, 99.0], Target(2.0), False),
        ([0.0, 2.0, 2.0], Target(2.0, least=True), True),
        ([0.0, 1.9, 99.0], Target(2.0, least=True), False),
        ([1.0], None, None),
    ],
)
def test_the_median_decides(values: list[float], target: Target | None, met: bool | None) -> None:
    assert Row("m", "s", values, target).met is met


def test_what_was_not_measured_was_not_reached_either() -> None:
    row = Row("m", "s", [], Target(1.0), "run `make bench-peers` first")
    assert row.met is None
    assert row.cells()[1] == "not measured"
    assert row.cells()[-1] == "run `make bench-peers` first"


def test_the_spread_is_shown() -> None:
    assert ENOUGH.cells() == ("throughput", "2 x", "1 - 9", "≥ 2 x", "yes", "")


def test_results_are_put_into_the_page_between_its_marks(tmp_path: Path) -> None:
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    table.write(results, [ENOUGH], "3 rounds")
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    table.document([results, tmp_path / "none.json"], page)
    table.document([results, tmp_path / "none.json"], page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\nMeasured ")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert text.count("| throughput | 2 x | 1 - 9 | ≥ 2 x | yes |") == 1
    assert json.loads(results.read_text())["rows"][0]["met"] is True


def test_a_page_without_marks_is_left_as_it_is(tmp_path: Path) -> None:
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    table.write(results, [ENOUGH], "3 rounds")
    page.write_text("nothing\n")
    with pytest.raises(Failure, match="lacks"):
        table.document([results, tmp_path / "none.json"], page)
    assert page.read_text() == "nothing\n"
