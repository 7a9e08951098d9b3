"""One bridge, and for each node a network namespace with a cable to it."""

from slipway_dev.bare.addresses import (
    ALL_NODES,
    BRIDGE,
    EVERYTHING,
    HOST,
    SERVICES,
    NodeAddress,
)
from slipway_dev.steps import run, succeeds


def make_bridge() -> None:
    """Make the bridge, the host's address on it, and its ways to pods and Services."""
    if not _exists(BRIDGE):
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "replace", f"{HOST}/24", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    run(["ip", "-batch", "-"], stdin=_routes(f"dev {BRIDGE}", but=None))


def make_cable(node: NodeAddress) -> None:
    """Make a node's namespace and its cable, plugged in."""
    if node.scope not in namespaces():
        run(["ip", "netns", "add", node.scope])
    if not _exists(node.link):
        inside = ["type", "veth", "peer", "name", "eth0", "netns", node.scope]
        run(["ip", "link", "add", node.link, *inside])
    plug(node)
    setup = [
        f"address replace {node.ip}/24 dev eth0",
        "link set lo up",
        "link set eth0 up",
        _routes(f"via {HOST}", but=node),
    ]
    run(["ip", "-netns", node.scope, "-batch", "-"], stdin="\n".join(setup))
    inside = ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]
    run(["nsenter", f"--net=/run/netns/{node.scope}", *inside])


def plug(node: NodeAddress) -> None:
    """Connect a node's cable with the bridge."""
    run(["ip", "link", "set", node.link, "master", BRIDGE, "up"])


def unplug(node: NodeAddress) -> None:
    """Pull a node's cable."""
    run(["ip", "link", "set", node.link, "down"])


def remove() -> None:
    """Remove every namespace, cable and route, and the bridge."""
    for node in ALL_NODES:
        if _exists(node.link):
            run(["ip", "link", "delete", node.link])
        if node.scope in namespaces():
            run(["ip", "netns", "delete", node.scope])
    if _exists(BRIDGE):
        run(["ip", "link", "delete", BRIDGE])
    succeeds(["conntrack", "-D", "-d", EVERYTHING])  # fails where there is nothing to forget


def namespaces() -> set[str]:
    """The network namespaces that have a name."""
    lines = run(["ip", "netns", "list"]).splitlines()
    return {line.split()[0] for line in lines}


def _exists(link: str) -> bool:
    return succeeds(["ip", "link", "show", link])


def _routes(services: str, but: NodeAddress | None) -> str:
    """Ways to the pods of every node that there may ever be, and to Services.

    There is no default route on purpose: what leads anywhere else fails at once.
    """
    nodes = [node for node in ALL_NODES if node != but]
    ways = [f"route replace {node.pods} via {node.ip}" for node in nodes]
    return "\n".join([*ways, f"route replace {SERVICES} {services}", ""])
