"""Looks for bytes that break a promise, guided by which code they reach: `make fuzz`.

    python tests/fuzz/requests.py -max_total_time=600 tests/fuzz/corpus

What it finds it adds to the corpus; what breaks it writes as `crash-…` into the working directory.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["slipway_runtime"]):
    from fuzz import targets

if __name__ == "__main__":
    atheris.Setup(sys.argv, targets.check)
    atheris.Fuzz()
