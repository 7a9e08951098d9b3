"""What the watches, our own writes and a slow audit have told us: the newest state of each object.

It asks nobody. Who puts an object in is told which ModelDeployment should be looked at, if any.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from slipway_operator.core import names
from slipway_operator.core.manifest import MODEL, Kind, Manifest
from slipway_operator.ports import Ref


class Name(NamedTuple):
    """One object of the cluster."""

    kind: str
    namespace: str
    name: str


class Cache:
    """Objects by name, and children by the model that they are labelled with."""

    def __init__(self) -> None:
        self._objects: dict[Name, Manifest] = {}
        self._models: dict[Name, Ref] = {}
        self._children: dict[Ref, set[Name]] = {}

    def model(self, ref: Ref) -> Manifest | None:
        """Find a ModelDeployment."""
        return self._objects.get(Name(MODEL.kind, *ref))

    def children(self, ref: Ref) -> list[Manifest]:
        """List the objects labelled as this model's."""
        return [self._objects[name] for name in sorted(self._children.get(ref, ()))]

    def put(self, kind: Kind, body: Mapping[str, Any]) -> Ref | None:
        """Take in an object; return its model if that is news, None if it is not.

        It stays with the model that it was first seen with: whoever edits its label is found out.
        """
        seen = project(kind, body)
        name = _name(kind, seen)
        known, model = self._objects.get(name), self._models.get(name) or _model(kind, seen)
        if model is None or (known is not None and not _newer(seen, known)):
            return None
        self._objects[name] = seen
        self._models[name] = model
        if kind is not MODEL:
            self._children.setdefault(model, set()).add(name)
        return None if known is not None and _content(known) == _content(seen) else model

    def drop(self, kind: Kind, body: Mapping[str, Any]) -> Ref | None:
        """Forget an object that was deleted; return its model if that is news."""
        name = _name(kind, body)
        known = self._objects.get(name)
        if known is None or known["metadata"]["uid"] != body["metadata"]["uid"]:
            return None
        del self._objects[name]
        model = self._models.pop(name)
        if model in self._children:
            self._children[model].discard(name)
            if not self._children[model]:
                del self._children[model]
        return model

    def replace(self, kind: Kind, bodies: Iterable[Mapping[str, Any]], version: int) -> set[Ref]:
        """Take in a complete list as of ``version``; return the models with news.

        What the list lacks is gone, unless it is younger than the list.
        """
        listed = {_name(kind, body): body for body in bodies}
        news = {ref for body in listed.values() if (ref := self.put(kind, body))}
        ghosts = [
            known
            for name, known in self._objects.items()
            if name.kind == kind.kind and name not in listed and _version(known) < version
        ]
        return news | {ref for ghost in ghosts if (ref := self.drop(kind, ghost))}


def project(kind: Kind, body: Mapping[str, Any]) -> Manifest:
    """Keep what decisions need: no field managers, no annotations but ours, no readings."""
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    annotations = metadata.pop("annotations", {})
    if names.APPLIED_ANNOTATION in annotations:
        mark = annotations[names.APPLIED_ANNOTATION]
        metadata["annotations"] = {names.APPLIED_ANNOTATION: mark}
    status = {k: v for k, v in body.get("status", {}).items() if k != "currentMetrics"}
    typed = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    return {**body, **typed, **({"status": status} if status else {})}


def _content(body: Manifest) -> Manifest:
    """Leave out what changes with every write, even with one that changes nothing we keep."""
    metadata = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
    return {**body, "metadata": metadata}


def _name(kind: Kind, body: Mapping[str, Any]) -> Name:
    return Name(kind.kind, body["metadata"]["namespace"], body["metadata"]["name"])


def _model(kind: Kind, body: Mapping[str, Any]) -> Ref | None:
    metadata = body["metadata"]
    if kind is MODEL:
        return Ref(metadata["namespace"], metadata["name"])
    model = metadata.get("labels", {}).get(names.MODEL_LABEL)
    return Ref(metadata["namespace"], model) if model else None


def _version(body: Mapping[str, Any]) -> int:
    return int(body["metadata"]["resourceVersion"])


def _newer(seen: Manifest, known: Manifest) -> bool:
    """Compare by resourceVersion, which is ordered since Kubernetes 1.34 says so."""
    return _version(seen) > _version(known)
