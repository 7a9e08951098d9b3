"""Brings the model to where it is served from: all of it, or nothing."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from slipway_runtime import logs
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.fetch.local import LocalFile, mounted
from slipway_runtime.fetch.sink import Sink
from slipway_runtime.fetch.source import Source
from slipway_runtime.fetch.web import WebFile
from slipway_runtime.inspection import (
    MODEL_FILE,
    check_digest,
    digest_of,
    facts_of,
    missing_data,
)
from slipway_runtime.settings import Model

RECORD_FILE = ".fetched.json"


class Record(msgspec.Struct, frozen=True):
    """What was fetched; ``external`` has the size of each external data file."""

    uri: str
    digest: str
    size: int
    external: dict[str, int]


@dataclass(frozen=True, slots=True)
class Places:
    """Where volumes are mounted."""

    source: Path
    target: Path


def fetch(model: Model, places: Places) -> Record:
    """Bring a model and its external data files.

    What an earlier try brought completely is kept: the init container may run again.

    Raises:
        Fault: With any of the reasons that the contract gives to ``fetch``.
    """
    uri = logs.redacted(model.uri)
    if kept := _kept(model, uri, places.target):
        logs.info("already fetched", uri=uri, digest=kept.digest, bytes=kept.size)
        return kept
    source = source_of(model.uri, places.source)
    with Sink(places.target / MODEL_FILE) as sink:
        source.pour(sink)
        check_digest(uri, sink.digest, model.sha256)
        sizes = _fetch_external(source, sink.part, places.target)
        sink.commit()
    record = Record(uri, sink.digest, sink.size, sizes)
    (places.target / RECORD_FILE).write_bytes(msgspec.json.encode(record))
    logs.info("fetched", uri=uri, digest=record.digest, bytes=record.size, external=list(sizes))
    return record


def source_of(uri: str, mount: Path) -> Source:
    """Find what a uri means; ``mount`` is where the claim or ConfigMap is.

    Raises:
        Fault: UnsupportedUri.
    """
    match uri.partition("://")[0].lower():
        case "http" | "https":
            return WebFile(uri)
        case "file":
            return LocalFile.of_uri(uri)
        case "pvc" | "configmap":
            return mounted(uri, mount)
        case _:
            raise Fault(
                Reason.UNSUPPORTED_URI,
                f"{logs.redacted(uri)!r} has a scheme that this runtime does not know.",
                "Use https://, http://, file://, pvc://CLAIM/PATH or configMap://NAME/KEY.",
            )


def _kept(model: Model, uri: str, target: Path) -> Record | None:
    """Return what an earlier try brought, if it is what is wanted now and still whole."""
    try:
        record = msgspec.json.decode((target / RECORD_FILE).read_bytes(), type=Record)
        sizes = {name: (target / name).stat().st_size for name in record.external}
        digest = digest_of(target / MODEL_FILE)
    except (OSError, msgspec.MsgspecError):
        return None
    wanted = model.sha256 or record.digest
    whole = sizes == record.external and digest == record.digest == wanted
    return record if whole and record.uri == uri else None


def _fetch_external(source: Source, model: Path, target: Path) -> dict[str, int]:
    """Bring the files in which a model keeps weights, and return their sizes."""
    sizes = {}
    for location in _locations(model):
        with Sink(target / location) as sink:
            try:
                source.beside(location).pour(sink)
            except Fault as fault:
                if fault.reason is Reason.SOURCE_NOT_FOUND:
                    raise missing_data(str(source), [location]) from fault
                raise
            sink.commit()
        sizes[location] = sink.size
    return sizes


def _locations(model: Path) -> list[str]:
    """List external data files; none of a file that `serve` will refuse, and explain."""
    try:
        return facts_of(model).external
    except Fault:
        return []
