"""The check BatchInvariance: what a row is asked with does not change its answer. Pure."""

from collections.abc import Mapping

from slipway_runtime import checks
from slipway_runtime.tensors import Array
from slipway_runtime.verification import comparison
from slipway_runtime.verification.verdicts import Verdict, failed, judged


def judge(
    check: checks.BatchInvariance,
    alone: Mapping[str, Array],
    together: Mapping[int, Mapping[str, Array]],
) -> Verdict:
    """Compare each row's answers alone with those in requests of some rows, by their size."""
    rows = min((len(array) for array in alone.values()), default=0)
    for size, outputs in together.items():
        for name, array in outputs.items():
            if array.shape != alone[name].shape:
                return failed(f"{name} has another shape in requests of {size} rows")
            found = comparison.compare(name, array, alone[name], check.tolerance)
            if case := found.worst:
                message = (
                    f"{case} is {case.got} in concurrent requests of {size} rows and "
                    f"{case.expected} alone{case.allowed}; {found.count} of {rows} rows differ"
                )
                return judged(False, message, rows, found.count / rows, case)
    sizes = ", ".join(map(str, together))
    return judged(
        True, f"{rows} rows get the same alone and in requests of {sizes} rows", rows, 0.0
    )
