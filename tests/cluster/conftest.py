"""The cluster that these tests share: brought up when it is not there, left up after."""

from collections.abc import Iterator

import pytest

from slipway_dev.cluster import Cluster, find
from slipway_dev.deploy import deploy
from support.workplace import Workplace


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    found = find()
    found.up()
    return found


@pytest.fixture(scope="session")
def slipway(cluster: Cluster) -> Cluster:
    """The cluster with this checkout's operator on it."""
    deploy(cluster)
    return cluster


@pytest.fixture
def workplace(slipway: Cluster) -> Iterator[Workplace]:
    """A namespace of its own for each test."""
    opened = Workplace.open(slipway)
    yield opened
    opened.close()
