"""`python -m slipway_bench`: measures, prints a table, and writes it as JSON."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from slipway_bench import (
    against,
    floor,
    idle,
    models,
    overload,
    scrape,
    shadowing,
    soak,
    speed,
    table,
    verifying,
)
from slipway_bench.load import WrongAnswersError
from slipway_bench.speed import Rounds
from slipway_dev.errors import Failure

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "bench" / "results.json"
SOAKED = RESULTS.with_name("soak.json")
PAGE = ROOT / "docs" / "benchmarks.md"

FAULTS_PAGE = ROOT / "docs" / "verification.md"

MEASURES: dict[str, Callable[[dict[str, models.Model], Rounds], Iterator[table.Row]]] = {
    "floor": floor.measure,
    "speed": speed.measure,
    "peers": against.measure,
    "idle": idle.measure,
    "overload": overload.measure,
    "scrape": scrape.measure,
    "verification": verifying.measure,
    "shadow": shadowing.measure,
}


def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    try:
        sys.exit(arguments.what(arguments))
    except Failure as problem:
        sys.exit(str(problem))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slipway_bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    bench = commands.add_parser("run", help="measure, print the table and write it as JSON")
    bench.add_argument("--seconds", type=float, default=3.0, help="of each case in each round")
    bench.add_argument("--rounds", type=int, default=5)
    bench.add_argument("--only", action="append", choices=list(MEASURES))
    bench.add_argument("--results", type=Path, default=RESULTS)
    bench.set_defaults(what=_run)
    long = commands.add_parser("soak", help="ask everything for long, and check every answer")
    long.add_argument("--minutes", type=float, default=30.0)
    long.set_defaults(what=_soak)
    faults = commands.add_parser("faults", help="seed faults, and see what catches them")
    faults.add_argument("--clean", type=int, default=200, help="starts without a fault")
    faults.add_argument("--page", type=Path, help=f"page to put the table into: {FAULTS_PAGE.name}")
    faults.set_defaults(what=_faults)
    rollouts = commands.add_parser("rollouts", help="roll out and give up under load, on a cluster")
    rollouts.add_argument("--count", type=int, default=50, help="promoted, and as many given up")
    rollouts.add_argument("--more", type=int, default=0, help="promoted besides")
    rollouts.add_argument("--seed", type=int, default=1)
    rollouts.set_defaults(what=_rollouts)
    withdrawal = commands.add_parser("withdrawal", help="take bad canaries back, on a cluster")
    withdrawal.add_argument("--count", type=int, default=10)
    withdrawal.set_defaults(what=_withdrawal)
    page = commands.add_parser("document", help=f"put the results into {PAGE.relative_to(ROOT)}")
    page.set_defaults(what=lambda _: table.document([RESULTS, SOAKED], PAGE))
    return parser


def _run(arguments: argparse.Namespace) -> int:
    rounds = Rounds(arguments.rounds, arguments.seconds)
    with TemporaryDirectory() as folder:
        built = models.build(Path(folder))
        chosen = arguments.only or list(MEASURES)
        rows = table.print_rows(
            row for each in chosen for row in _whole(each, MEASURES[each](built, rounds))
        )
    table.write(arguments.results, rows, str(rounds))
    return _verdict(rows)


def _soak(arguments: argparse.Namespace) -> int:
    with TemporaryDirectory() as folder:
        built = models.build(Path(folder))
        rows = table.print_rows(_whole("soak", soak.measure(built, arguments.minutes)))
    table.write(SOAKED, rows, f"{arguments.minutes:g} minutes")
    return _verdict(rows)


def _faults(arguments: argparse.Namespace) -> int:
    from slipway_bench.faults import command  # noqa: PLC0415 - it trains a model, with scikit-learn

    return command.run(arguments.clean, arguments.page)


def _rollouts(arguments: argparse.Namespace) -> int:
    from slipway_bench import rollouts  # noqa: PLC0415 - it trains models, with scikit-learn

    return rollouts.run(arguments.count, arguments.more, arguments.seed)


def _withdrawal(arguments: argparse.Namespace) -> int:
    from slipway_bench import withdrawal  # noqa: PLC0415 - it trains models, with scikit-learn

    return withdrawal.run(arguments.count)


def _whole(name: str, rows: Iterator[table.Row]) -> Iterator[table.Row]:
    """Turn a measure's failure into a row: the others are to be measured all the same."""
    try:
        yield from rows
    except (Failure, WrongAnswersError) as problem:
        print(problem, file=sys.stderr)
        yield table.Row(name, "", [], note=str(problem).splitlines()[0])


def _verdict(rows: list[table.Row]) -> int:
    missed = [row.measure for row in rows if row.met is False or not row.values]
    if missed:
        print(f"\n{len(missed)} not reached, or not measured: " + "; ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    main()
