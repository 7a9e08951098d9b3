"""The cluster that these tests share: brought up when it is not there, left up after."""

import pytest

from slipway_dev.cluster import Cluster, find


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    found = find()
    found.up()
    return found
