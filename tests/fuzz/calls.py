"""Looks for bytes that break a promise of gRPC's port, as ``requests`` does for REST's.

python tests/fuzz/calls.py -max_total_time=600 tests/fuzz/grpc_corpus
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["slipway_runtime"]):
    from fuzz import grpc_targets

if __name__ == "__main__":
    atheris.Setup(sys.argv, grpc_targets.check)
    atheris.Fuzz()
