import ipaddress
import json
import tomllib
from itertools import combinations

import pytest
import yaml

from slipway_dev.bare import addons, templates
from slipway_dev.bare.addresses import (
    ALL_NODES,
    EVERYTHING,
    HOST,
    NODE_NETWORK,
    PODS,
    REGISTRY,
    SERVICES,
)


def test_no_two_networks_overlap() -> None:
    pods = [ipaddress.ip_network(node.pods) for node in ALL_NODES]
    networks = [*map(ipaddress.ip_network, (NODE_NETWORK, SERVICES)), *pods]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


def test_every_address_is_of_the_range_that_belongs_to_nobody() -> None:
    everything = ipaddress.IPv4Network(EVERYTHING)
    for network in (NODE_NETWORK, SERVICES, PODS):
        assert ipaddress.IPv4Network(network).subnet_of(everything)


def test_nodes_are_told_apart_in_every_way() -> None:
    for aspect in ("name", "scope", "link", "ip", "pods", "zone"):
        assert len({getattr(node, aspect) for node in ALL_NODES}) == len(ALL_NODES)
    assert HOST not in {node.ip for node in ALL_NODES}


def test_link_names_fit_into_the_kernel() -> None:
    assert max(len(node.link) for node in ALL_NODES) <= 15


def test_a_template_with_a_value_missing_is_refused() -> None:
    with pytest.raises(KeyError, match="socket"):
        templates.render("containerd.toml", pause="p", disk="/d")


def test_containerd_asks_only_the_local_registry() -> None:
    text = templates.render("containerd.toml", pause="p", disk="/d", socket="/s")
    cri = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["registry"]["config_path"] == "/d/certs.d"
    hosts = tomllib.loads(templates.render("hosts.toml", host=HOST, port=5000))
    assert hosts["server"] == f"http://{HOST}:5000"
    assert [*hosts["host"]] == [hosts["server"]]


def test_pods_keep_their_address_across_nodes() -> None:
    bridge = json.loads(templates.render("cni.json", pods="198.18.1.0/24"))["plugins"][0]
    assert bridge["ipMasq"] is False
    assert bridge["ipam"]["ranges"] == [[{"subnet": "198.18.1.0/24"}]]


def test_every_pod_of_ours_runs_an_image_of_the_local_registry() -> None:
    objects = [*yaml.safe_load_all(addons.manifests())]
    pods = [each["spec"]["template"]["spec"] for each in objects if each["kind"] == "Deployment"]
    images = [container["image"] for pod in pods for container in pod["containers"]]
    assert len(images) == 2
    assert all(image.startswith(f"{REGISTRY}/") for image in images)


def test_metrics_server_gives_up_on_a_kubelet_before_the_next_round() -> None:
    text = addons.metrics_server("any")
    assert "--metric-resolution=10s" in text
    assert "--kubelet-request-timeout=5s" in text


def test_the_audit_log_keeps_writes_and_leaves_out_the_system() -> None:
    policy = yaml.safe_load((templates.TEMPLATES / "audit-policy.yaml").read_text())
    levels = [rule["level"] for rule in policy["rules"]]
    assert levels == ["None", "None", "Metadata", "None"]
    assert "get" not in policy["rules"][2]["verbs"]
