"""The command line: `python -m slipway_dev up | status | down | load-image | node | kubeconfig`."""

import argparse
import sys
from pathlib import Path

from slipway_dev.cluster import Cluster, find
from slipway_dev.errors import Failure


def main() -> int:
    """Run one command; 1 when it failed, with the reason on stderr."""
    options = parser().parse_args()
    try:
        act(find(context=options.context), options)
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `up` again goes on, `down` cleans up", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    top = argparse.ArgumentParser(prog="slipway_dev", description="A cluster for development.")
    top.add_argument("--context", help="the context in KUBECONFIG that may be touched")
    commands = top.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring up what is missing, repair what died")
    up.add_argument("--nodes", type=int, help="how many at least (default: 2)")
    down = commands.add_parser("down", help="stop and remove what `up` made")
    down.add_argument("--purge", action="store_true", help="also remove its data and logs")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("kubeconfig", help="print where the kubeconfig is")
    load = commands.add_parser("load-image", help="let every node pull an image of this host")
    load.add_argument("image", help="REGISTRY/NAME:TAG")
    load.add_argument("archive", type=Path, nargs="?", help="an OCI archive that holds it")
    node = commands.add_parser("node", help="power off and on, unplug and plug in the network")
    node.add_argument("action", choices=["off", "on", "cut", "heal"])
    node.add_argument("name")
    return top


def act(cluster: Cluster, options: argparse.Namespace) -> None:
    """Do what was asked for."""
    match options.command:
        case "up":
            cluster.up(options.nodes)
        case "down":
            cluster.down(purge=options.purge)
        case "load-image":
            cluster.load_image(options.image, options.archive)
        case "node":
            getattr(cluster.node(options.name), options.action)()
        case "kubeconfig":
            print(cluster.kubeconfig)
        case _:
            print(cluster.status())


if __name__ == "__main__":
    sys.exit(main())
