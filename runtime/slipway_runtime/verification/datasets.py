"""From a data set's file to a table that can be asked."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from slipway_runtime.checks import Check, Dataset
from slipway_runtime.datatypes import BF16, Signature
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.tensors import Array
from slipway_runtime.verification import cases, npz
from slipway_runtime.verification.columns import Column, Table, datatype_of
from slipway_runtime.verification.npz import UnreadableError

FORM = (
    'A data set is JSON, {"cases": [{"inputs": [...], "outputs": [...]}]} with tensors as in the '
    "protocol, a file of numpy.savez with one array a column, whose first axis is the row, or "
    "parquet."
)


def read(dataset: Dataset, signature: Signature) -> Table:
    """Read a data set for a model.

    Raises:
        Fault: DatasetMissing or DatasetInvalid.
    """
    path = Path(dataset.path)
    try:
        table = _table(dataset.name, path, signature)
        _check_rows(table)
    except FileNotFoundError:
        raise _missing(dataset) from None
    except OSError as error:
        raise invalid(dataset.name, path, f"it can't be read: {error.strerror}") from None
    except UnreadableError as problem:
        raise invalid(dataset.name, path, str(problem)) from None
    return table


def check_there(datasets: Iterable[Dataset]) -> None:
    """Make sure that no file is missing, before time is spent on one of them.

    Raises:
        Fault: DatasetMissing.
    """
    for dataset in datasets:
        if not Path(dataset.path).exists():
            raise _missing(dataset)


def _missing(dataset: Dataset) -> Fault:
    return Fault(
        Reason.DATASET_MISSING,
        f"data set {dataset.name!r} is not there: no file {dataset.path}.",
        "Create the ConfigMap with that key, or correct spec.verification.datasets; it is looked "
        "for again every few seconds.",
    )


def invalid(name: str, path: Path, problem: str) -> Fault:
    """Say what is wrong with a data set."""
    return Fault(Reason.DATASET_INVALID, f"data set {name!r} ({path}): {problem}.", FORM)


def check_columns(dataset: Dataset, table: Table, needed: Sequence[tuple[Check, str]]) -> None:
    """Make sure that there is what answers are to be compared with.

    Raises:
        Fault: DatasetInvalid.
    """
    for check, name in needed:
        if name not in table.columns:
            problem = (
                f"it has no column {name!r}, which check {check.name!r} compares answers with; it "
                f"has {', '.join([*table.inputs, *table.columns])}"
            )
            raise invalid(dataset.name, Path(dataset.path), problem)


def _table(name: str, path: Path, signature: Signature) -> Table:
    if path.suffix == ".json":
        return Table(name, *cases.read(path))
    arrays = _parquet(path, signature) if path.suffix == ".parquet" else npz.read(path)
    inputs = {
        each: _column(each, arrays[each], signature) for each in arrays if each in signature.inputs
    }
    columns = {each: array for each, array in arrays.items() if each not in inputs}
    return Table(name, inputs, columns)


def _parquet(path: Path, signature: Signature) -> dict[str, Array]:
    """Read a file whose columns of plain values are inputs of [N] or of [N, 1]."""
    from slipway_runtime.verification import parquet  # noqa: PLC0415 - few have such files

    arrays = parquet.read(path)
    for name, spec in signature.inputs.items():
        sizes = spec.shape[1:]
        if name in arrays and arrays[name].ndim == 1 and all(size == 1 for size in sizes):
            arrays[name] = arrays[name].reshape(-1, *sizes)
    return arrays


def _column(name: str, array: Array, signature: Signature) -> Column:
    """Take an array for an input; of bfloat16, which numpy lacks, float32 has to do."""
    datatype = datatype_of(array)
    if datatype is None:
        raise UnreadableError(
            f"{name} is of dtype {array.dtype}, which no tensor of the protocol has"
        )
    bfloat16 = signature.inputs[name].datatype is BF16 and datatype.name == "FP32"
    return Column(BF16 if bfloat16 else datatype, array)


def _check_rows(table: Table) -> None:
    arrays: Mapping[str, Array] = {
        **{name: column.values for name, column in table.inputs.items()},
        **table.columns,
    }
    scalars = [name for name, array in arrays.items() if not array.ndim]
    lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
    if scalars or len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise UnreadableError(f"its columns differ in their rows: {said or ', '.join(scalars)}")
    if not table.rows:
        raise UnreadableError("it has no rows")
