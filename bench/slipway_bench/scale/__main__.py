"""`python -m slipway_bench.scale`: measures the operator, prints a table, and writes it as JSON.

The state of its control plane stays between two commands, so that a long measurement can be made in
pieces: `create` begins from nothing, all others go on with what there is, `grow` with more of it.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from slipway_bench import table
from slipway_bench.scale import making, page, resting, working
from slipway_bench.scale.access import client
from slipway_bench.scale.lab import Lab
from slipway_bench.scale.plane import Plane
from slipway_dev.bare.binaries import Binaries
from slipway_dev.errors import Failure

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "build" / "bench"
STATE = BUILD / "operator-state"
RESULTS = BUILD / "operator.json"
PAGE = ROOT / "docs" / "scale.md"

Measure = Callable[[Lab, argparse.Namespace], AsyncIterator[table.Row]]
MEASURES: dict[str, Measure] = {
    "create": lambda lab, _: making.measure(lab),
    "grow": lambda lab, _: making.measure(lab),
    "restart": lambda lab, wanted: resting.restarted(lab, wanted.restarts),
    "scale": lambda lab, wanted: working.scaled(lab, wanted.rate, wanted.seconds),
    "revise": lambda lab, wanted: working.revised(lab, wanted.revisions, wanted.seconds),
    "repair": lambda lab, wanted: working.repaired(lab, wanted.repairs),
    "idle": lambda lab, wanted: resting.idle(lab, wanted.idle),
    "churn": lambda lab, wanted: resting.churned(lab, wanted.churn_rate, wanted.churn),
}
BY_HAND = ("grow", "churn")


def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    try:
        sys.exit(arguments.what(arguments))
    except Failure as problem:
        sys.exit(str(problem))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slipway_bench.scale", description=__doc__)
    commands = parser.add_subparsers(required=True)
    bench = commands.add_parser("run", help="measure, print the table and write it as JSON")
    bench.add_argument("--objects", type=int, nargs="+", default=[1000, 5000])
    bench.add_argument("--only", nargs="+", choices=list(MEASURES))
    bench.add_argument("--rate", type=float, default=50.0, help="changes of replicas a second")
    bench.add_argument("--revisions", type=float, default=5.0, help="new revisions a second")
    bench.add_argument("--seconds", type=float, default=60.0, help="of changes")
    bench.add_argument("--repairs", type=int, default=200, help="children deleted or edited")
    bench.add_argument("--restarts", type=int, default=3)
    bench.add_argument("--idle", type=float, default=600.0, help="seconds of it")
    bench.add_argument("--churn", type=float, default=60.0, help="minutes of it")
    bench.add_argument("--churn-rate", type=float, default=5.0, help="changes a second")
    bench.add_argument("--results", type=Path, default=RESULTS)
    bench.add_argument("--state", type=Path, default=STATE, help="the control plane's data")
    bench.set_defaults(what=_run)
    told = commands.add_parser("document", help=f"put the results into {PAGE.relative_to(ROOT)}")
    told.add_argument("--results", type=Path, default=RESULTS)
    told.set_defaults(what=lambda arguments: page.document(arguments.results, PAGE))
    return parser


def _run(arguments: argparse.Namespace) -> int:
    missed: list[str] = []
    for size in arguments.objects:
        missed += asyncio.run(_measure(size, arguments))
    if missed:
        print(f"\n{len(missed)} not reached: " + "; ".join(missed))
    return 1 if missed else 0


async def _measure(size: int, arguments: argparse.Namespace) -> list[str]:
    """Measure one fleet on one control plane; return what was not reached."""
    chosen = arguments.only or [name for name in MEASURES if name not in BY_HAND]
    plane = Plane(arguments.state, Binaries.of(os.environ))
    if "create" in chosen:
        plane.remove()
    missed: list[str] = []
    with plane.running():
        async with client(plane.access("bench")) as user:
            lab = Lab(plane, arguments.state, user, size)
            with lab.operating():
                for name in chosen:
                    async for row in MEASURES[name](lab, arguments):
                        table.print_row(row)
                        page.add(arguments.results, [row])
                        missed += [row.measure] if row.met is False else []
    return missed


if __name__ == "__main__":
    main()
