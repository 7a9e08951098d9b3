from pathlib import Path

import pytest

from slipway_runtime import cpu


@pytest.mark.parametrize(
    ("quota", "affinity", "threads", "expected"),
    [
        pytest.param(None, 4, 1, 4, id="no limit: one run for each CPU"),
        pytest.param(2.0, 64, 1, 2, id="the limit counts, not the node"),
        pytest.param(1.5, 64, 1, 2, id="a started CPU counts"),
        pytest.param(0.1, 64, 1, 1, id="never none"),
        pytest.param(8.0, 2, 1, 2, id="the affinity counts, too"),
        pytest.param(8.0, 8, 4, 2, id="runs with several threads share the CPUs"),
        pytest.param(2.0, 8, 4, 1, id="one run with more threads than CPUs"),
    ],
)
def test_workers(quota: float | None, affinity: int, threads: int, expected: int) -> None:
    assert cpu.workers(quota, affinity, threads) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"cpu.max": "150000 100000\n"}, 1.5, id="v2 with a limit"),
        pytest.param({"cpu.max": "max 100000\n"}, None, id="v2 without"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5, id="v1"
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
            id="v1 without",
        ),
        pytest.param({}, None, id="no cgroups"),
    ],
)
def test_the_limit_is_read_from_either_version_of_cgroups(
    tmp_path: Path, files: dict[str, str], expected: float | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpu.quota(tmp_path) == expected
