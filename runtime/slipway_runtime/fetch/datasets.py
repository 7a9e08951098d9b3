"""Brings the data sets that verification compares answers with."""

from collections.abc import Iterable
from pathlib import Path

from slipway_runtime import logs
from slipway_runtime.checks import MOST_DATASET_BYTES, Dataset
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.fetch.sink import Sink
from slipway_runtime.fetch.web import WebFile
from slipway_runtime.inspection import check_digest, digest_of

FIELD = "spec.verification.datasets[{}]"


def fetch_all(datasets: Iterable[Dataset]) -> None:
    """Bring each data set that has a uri to its path; what is there already is kept.

    Raises:
        Fault: With the reasons of a model that can't be brought, or DatasetInvalid.
    """
    for dataset in datasets:
        if dataset.uri:
            _fetch(dataset, dataset.uri)


def _fetch(dataset: Dataset, uri: str) -> None:
    path, field = Path(dataset.path), FIELD.format(dataset.name)
    if path.is_file() and digest_of(path) == dataset.sha256:
        logs.info("data set already fetched", dataset=dataset.name)
        return
    with _Bounded(path, dataset.name) as sink:
        WebFile(uri, field).pour(sink)
        check_digest(logs.redacted(uri), sink.digest, dataset.sha256, field)
        sink.commit()
    logs.info("data set fetched", dataset=dataset.name, uri=logs.redacted(uri), bytes=sink.size)


class _Bounded(Sink):
    """Takes no more than a data set may have."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path)
        self._name = name

    def write(self, chunk: bytes) -> None:
        """Append."""
        if self.size + len(chunk) > MOST_DATASET_BYTES:
            raise Fault(
                Reason.DATASET_INVALID,
                f"data set {self._name!r} has more than {MOST_DATASET_BYTES} bytes.",
                "Choose fewer rows: what thousands of them say, millions do not say much better.",
            )
        super().write(chunk)
