"""What the operator is told by its environment."""

import pytest

from slipway_operator.settings import Settings

IMAGE = {"SLIPWAY_RUNTIME_IMAGE": "slipway-runtime:1"}


def read(**environment: str) -> Settings:
    return Settings.read(IMAGE | environment)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", None),
        ("http://prometheus.monitoring:9090", "http://prometheus.monitoring:9090"),
        ("https://metrics.example.org/tenant/", "https://metrics.example.org/tenant"),
        ("http://[fd00::1]:9090/", "http://[fd00::1]:9090"),
    ],
)
def test_a_prometheus_is_named_by_its_url(url: str, found: str | None) -> None:
    assert read(SLIPWAY_PROMETHEUS_URL=url).prometheus == found


@pytest.mark.parametrize(
    "url",
    ["prometheus:9090", "ftp://x", "http://", "http://me:secret@x", "http://x?a=b", "http://x#y"],
)
def test_another_url_ends_the_operator_and_is_not_repeated(url: str) -> None:
    with pytest.raises(SystemExit, match="SLIPWAY_PROMETHEUS_URL is no URL such as") as ended:
        read(SLIPWAY_PROMETHEUS_URL=url)
    assert "secret" not in str(ended.value)


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "80.0"])
def test_a_port_that_is_none_ends_the_operator(port: str) -> None:
    with pytest.raises(SystemExit, match="SLIPWAY_PORT is"):
        read(SLIPWAY_PORT=port)


def test_a_namespace_that_is_none_ends_the_operator() -> None:
    assert read(SLIPWAY_NAMESPACES=" a, b,,a").namespaces == ("a", "b")
    with pytest.raises(SystemExit, match="SLIPWAY_NAMESPACES holds 'B'"):
        read(SLIPWAY_NAMESPACES="a,B")


def test_without_a_runtime_image_there_is_no_operator() -> None:
    with pytest.raises(SystemExit, match="SLIPWAY_RUNTIME_IMAGE is not set"):
        Settings.read({})
