"""What the watches, our own writes and a slow audit have told us: the newest state of each object.

It asks nobody. Who puts an object in is told which ModelDeployment should be looked at, if any.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from slipway_operator.core import names
from slipway_operator.core.manifest import MODEL, Kind, Manifest
from slipway_operator.metrics import Answers
from slipway_operator.ports import Ref


class Name(NamedTuple):
    """One object of the cluster."""

    kind: str
    namespace: str
    name: str


class Entry(NamedTuple):
    """What is remembered of one object; ``content`` is `pack`ed, without its version.

    ``answers`` are the conditions of a ModelDeployment.
    """

    model: Ref
    version: int
    content: bytes
    answers: Answers


class Cache:
    """Objects by name, and children by the model that they are labelled with.

    What it gives is to be read only: one pass asks for the same children several times, and gets
    the same ones as long as none of them has changed.
    """

    def __init__(self) -> None:
        self._entries: dict[Name, Entry] = {}
        self._children: dict[Ref, set[Name]] = {}
        self._answers: dict[Answers, Answers] = {}
        self._unpacked: tuple[Ref, list[Manifest]] | None = None

    def model(self, ref: Ref) -> Manifest | None:
        """Find a ModelDeployment."""
        entry = self._entries.get(Name(MODEL.kind, *ref))
        return unpack(entry) if entry else None

    def models(self) -> Iterator[Manifest]:
        """List every ModelDeployment, one by one: together they may not fit."""
        return (unpack(e) for name, e in self._entries.items() if name.kind == MODEL.kind)

    def answers(self) -> Iterator[Answers]:
        """List what the status of each ModelDeployment answers."""
        return (e.answers for name, e in self._entries.items() if name.kind == MODEL.kind)

    def children(self, ref: Ref) -> list[Manifest]:
        """List the objects labelled as this model's."""
        if self._unpacked is None or self._unpacked[0] != ref:
            found = [unpack(self._entries[name]) for name in sorted(self._children.get(ref, ()))]
            self._unpacked = ref, found
        return self._unpacked[1]

    def put(self, kind: Kind, body: Mapping[str, Any]) -> Ref | None:
        """Take in an object; return its model if that is news, None if it is not.

        It stays with the model that it was first seen with: whoever edits its label is found out.
        """
        name = name_of(kind, body)
        known = self._entries.get(name)
        model = known.model if known else _model(kind, body)
        if model is None or (known is not None and _version(body) <= known.version):
            return None
        entry = Entry(model, _version(body), pack(kind, body), self._read_answers(kind, body))
        self._entries[name] = entry
        self._unpacked = None
        if kind is not MODEL:
            self._children.setdefault(model, set()).add(name)
        return None if known is not None and known.content == entry.content else model

    def drop(self, kind: Kind, body: Mapping[str, Any]) -> Ref | None:
        """Forget an object that was deleted; return its model if that is news."""
        name = name_of(kind, body)
        known = self._entries.get(name)
        if known is None or unpack(known)["metadata"]["uid"] != body["metadata"]["uid"]:
            return None
        return self._forget(name)

    def bury(self, kind: Kind, listed: set[Name], version: int) -> set[Ref]:
        """Forget what a complete list as of ``version`` lacks; return the models with news.

        What is younger than the list stays.
        """
        ghosts = [
            name
            for name, known in self._entries.items()
            if name.kind == kind.kind and name not in listed and known.version < version
        ]
        return {self._forget(ghost) for ghost in ghosts}

    def _forget(self, name: Name) -> Ref:
        model = self._entries.pop(name).model
        self._unpacked = None
        if model in self._children:
            self._children[model].discard(name)
            if not self._children[model]:
                del self._children[model]
        return model

    def _read_answers(self, kind: Kind, body: Mapping[str, Any]) -> Answers:
        """Read the conditions of a model; most have the same, and share them."""
        if kind is not MODEL:
            return ()
        found = body.get("status", {}).get("conditions", ())
        answers = tuple((c["type"], c["status"], c["reason"]) for c in found)
        return self._answers.setdefault(answers, answers)


def pack(kind: Kind, body: Mapping[str, Any]) -> bytes:
    """Keep what decisions need: no field managers, no annotations but ours, no readings.

    Neither is the version kept, which changes with every write, even with one that changes nothing
    else. Packed, an object takes a fifteenth of the room that its dicts would.
    """
    metadata = {k: v for k, v in body["metadata"].items() if k not in DROPPED}
    mark = body["metadata"].get("annotations", {}).get(names.APPLIED_ANNOTATION)
    if mark is not None:
        metadata["annotations"] = {names.APPLIED_ANNOTATION: mark}
    status = {k: v for k, v in body.get("status", {}).items() if k != "currentMetrics"}
    typed = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    kept = {**body, **typed, **({"status": status} if status else {})}
    return zlib.compress(json.dumps(kept, sort_keys=True).encode(), level=1)


DROPPED = frozenset({"managedFields", "annotations", "resourceVersion"})


def unpack(entry: Entry) -> Manifest:
    """Make an object of what is remembered of it."""
    body: Manifest = json.loads(zlib.decompress(entry.content).decode())
    body["metadata"]["resourceVersion"] = str(entry.version)
    return body


def name_of(kind: Kind, body: Mapping[str, Any]) -> Name:
    """Name an object."""
    return Name(kind.kind, body["metadata"]["namespace"], body["metadata"]["name"])


def _model(kind: Kind, body: Mapping[str, Any]) -> Ref | None:
    metadata = body["metadata"]
    if kind is MODEL:
        return Ref(metadata["namespace"], metadata["name"])
    model = metadata.get("labels", {}).get(names.MODEL_LABEL)
    return Ref(metadata["namespace"], model) if model else None


def _version(body: Mapping[str, Any]) -> int:
    """Read the resourceVersion, which is ordered since Kubernetes 1.34 says so."""
    return int(body["metadata"]["resourceVersion"])
