"""What holds for all tests."""

import os

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Have two more workers than cores: many tests wait for a server, or for time to pass."""
    return (os.cpu_count() or 1) + 2
