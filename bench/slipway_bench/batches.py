"""Whether a model can be batched, and what it gains: what a server finds out when it loads it.

    PYTHONPATH=bench python -m slipway_bench.batches [MODEL.onnx ...] [--most 64]

Without a model it shows those that are measured here. Runs have one thread, as in a server.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from slipway_bench import models, table
from slipway_runtime.engine import Engine, Tuning
from slipway_runtime.errors import Fault
from slipway_runtime.profile import Profile, Wish, profile


def show(name: str, found: Profile) -> None:
    """Print what was found as a table."""
    print(f"{name}: {found.reason or f'at most {found.most} rows share a run'}")
    print(f"{'rows':>6} {'µs a run':>10} {'µs a row':>10} {'gain':>6}")
    gains = {rows: rows / seconds * found.times[1] for rows, seconds in found.times.items()}
    for rows, seconds in found.times.items():
        costs = f"{seconds * 1e6:>10.1f} {seconds / rows * 1e6:>10.2f} {gains[rows]:>6.2f}"
        bar = table.bar(gains[rows], max(gains.values()))
        print(f"{rows:>6} {costs} {bar}{' <-' if rows == found.most else ''}")
    print()


def main() -> None:
    """Show each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--most", type=int, default=64, help="rows that may share a run")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        built = [model.path for model in models.build(Path(folder)).values()]
        for path in options.models or built:
            try:
                engine = Engine.load(path, Tuning(1))
            except Fault as fault:
                sys.exit(str(fault))
            wish = Wish(options.most, seconds=5.0)
            show(path.stem, profile(engine.run, engine.signature, wish, perf_counter))


if __name__ == "__main__":
    main()
