"""docs/resilience.md tells of nothing that no test does."""

import re

from support.crd import ROOT

PAGE = (ROOT / "docs" / "resilience.md").read_text()
CLUSTER = ROOT / "tests" / "cluster"


def rows() -> list[str]:
    return [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]


def test_each_fault_names_a_test_that_there_is() -> None:
    sources = "\n".join(file.read_text() for file in CLUSTER.glob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", sources))
    faults = [row for row in rows() if not row.startswith("| fault")]
    assert len(faults) > 15
    assert [row for row in faults if not set(re.findall(r"`(test_\w+)`", row)) & defined] == []
    assert set(re.findall(r"`(test_\w+)`", PAGE)) <= defined


def test_each_way_to_lose_the_api_server_is_told() -> None:
    for file in ("test_availability.py", "test_connection.py"):
        for name in re.findall(r"def (test_\w+)\(", (CLUSTER / file).read_text()):
            assert f"`{name}`" in PAGE
