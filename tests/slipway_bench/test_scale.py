"""What is told of the operator is counted and timed from the API server's audit log."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from slipway_bench.scale import page
from slipway_bench.scale.access import paced
from slipway_bench.scale.audit import BENCH, OPERATOR, Log, Request, completed, delays, parse, tally
from slipway_bench.scale.figures import percentile, shares, slope, windows
from slipway_bench.table import Row

NOON = "2026-11-25T12:00:"


def line(second: float, resource: str, name: str, verb: str = "patch", **changes: Any) -> str:
    """Write one line of the log; ``resource`` may have a subresource, ``changes`` more fields."""
    kind, _, sub = resource.partition("/")
    about = {"resource": kind, "namespace": "bench-1", "name": name}
    entry = {
        "stageTimestamp": f"{NOON}{second:09.6f}Z",
        "user": {"username": OPERATOR},
        "verb": verb,
        "objectRef": {**about, "subresource": sub} if sub else about,
        "responseStatus": {"code": 200},
    }
    return json.dumps(entry | changes)


def said(*args: Any, **changes: Any) -> Request:
    return parse(line(*args, **changes))


def by_bench(*args: Any) -> Request:
    return said(*args, user={"username": BENCH})


def refused(*args: Any) -> Request:
    return said(*args, responseStatus={"code": 409})


def test_a_line_is_read_to_the_microsecond() -> None:
    first, second = (
        said(1.25, "modeldeployments/status", "m1"),
        said(1.250001, "services", "m1", "get"),
    )
    assert first.object == ("modeldeployments/status", "bench-1", "m1")
    assert second.time - first.time == pytest.approx(1e-6, abs=5e-7)
    assert first.counts
    assert not second.counts


def test_writes_are_counted_exactly_be_they_refused_and_without_the_lease() -> None:
    requests = [
        said(1, "services", "m1"),
        said(2, "services", "m2"),
        refused(3, "services", "m3"),
        said(4, "events", "m1.5", "create"),
        said(5, "services", "m1", "get"),
        said(6, "leases", "slipway-operator", "update"),
        by_bench(7, "services", "m1", "delete"),
    ]
    assert tally(requests) == {("services", "patch"): 3, ("events", "create"): 1}


def test_a_model_is_complete_when_the_last_kind_was_written_for_the_first_time() -> None:
    kinds = frozenset({"services", "deployments"})
    requests = [
        refused(1, "services", "m1"),
        said(2, "deployments", "m1-aaaa"),
        said(5, "services", "m1"),
        said(9, "services", "m1"),
        said(3, "deployments", "m2-bbbb"),
    ]
    found = completed(requests, kinds)
    assert found == {("bench-1", "m1"): requests[2].time}


def test_a_change_is_dealt_with_by_the_next_status_of_the_same_model() -> None:
    asked = [by_bench(1, "modeldeployments", "m1"), by_bench(1, "modeldeployments", "m2")]
    done = [
        said(9, "modeldeployments/status", "m1"),
        said(1.5, "modeldeployments/status", "m1"),
        said(0.5, "modeldeployments/status", "m2"),
        said(1.2, "modeldeployments/status", "m3"),
    ]
    assert delays(asked, done) == [pytest.approx(0.5), None]


def test_damage_is_mended_by_a_write_to_the_same_child() -> None:
    asked = [by_bench(1, "configmaps", "m1-aaaa", "delete")]
    done = [said(1.1, "configmaps", "m1-bbbb"), said(1.2, "services", "m1")]
    assert delays(asked, done) == [None]
    assert delays(asked, [*done, said(1.4, "configmaps", "m1-aaaa")]) == [pytest.approx(0.4)]


def test_a_log_gives_what_is_new_and_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(line(1, "services", "before") + "\n")
    log = Log(path)
    text = line(2, "services", "m1")
    with path.open("a") as out:
        out.write(text + "\n" + text[:20])
    assert [r.object.name for r in log.new()] == ["m1"]
    assert log.new() == []
    with path.open("a") as out:
        out.write(text[20:] + "\n")
    assert len(log.new()) == 1


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert Log(tmp_path / "none.log").new() == []


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (0.1, 1)])
def test_a_percentile_is_a_value_that_was_seen(percent: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == value


def test_windows_leave_out_the_one_that_is_cut_short() -> None:
    timed = [(100.0, 1.0), (109.9, 2.0), (110.0, 3.0), (131.0, 4.0)]
    assert windows(timed, 10) == [[1.0, 2.0], [3.0]]
    assert windows(timed[:1], 10) == [[1.0]]


def test_memory_that_grows_by_a_mebibyte_a_minute_has_that_slope() -> None:
    assert slope([(60.0 * n, 100.0 + n) for n in range(10)]) * 60 == pytest.approx(1)
    assert slope([(5.0, 100.0)]) == 0


def test_shares_are_of_the_whole_machine() -> None:
    assert shares({"etcd": 1.0, "operator": 5.0}, 10, 2) == "operator 25 %, etcd 5 %"


async def test_work_is_begun_at_its_rate_though_none_of_it_ends() -> None:
    begun: list[float] = []
    loop = asyncio.get_running_loop()

    async def slow() -> None:
        begun.append(loop.time())
        await asyncio.sleep(0.3)

    await paced(100, (slow() for _ in range(11)))
    assert begun[-1] - begun[0] == pytest.approx(0.1, abs=0.09)


def test_results_made_in_pieces_stand_side_by_side_and_a_newer_one_wins(tmp_path: Path) -> None:
    results = tmp_path / "operator.json"
    page.add(results, [Row("100: a", "s", [1.0]), Row("100: b", "s", [2.0])])
    page.add(results, [Row("100: b", "s", [3.0]), Row("200: b", "s", [4.0])])
    assert [(row.measure, row.values) for row in page.read(results)] == [
        ("100: a", [1.0]),
        ("100: b", [3.0]),
        ("200: b", [4.0]),
    ]


def test_a_plot_shows_each_size_to_scale() -> None:
    rows = [
        Row(f"{size}: from start to in sync", "s", values)
        for size, values in {1000: [9.0, 10.0, 11.0], 100: [2.0]}.items()
    ]
    title, small, large, _ = page.plots([*rows, Row("100: writes", "", [1.0])])
    assert title == "from start to in sync, s"
    assert small == "    100 " + "▇" * 8 + " 2"
    assert large == "   1000 " + "▇" * 40 + " 10"


def test_one_size_is_no_plot() -> None:
    assert [*page.plots([Row("100: from start to in sync", "s", [1.0])])] == []
