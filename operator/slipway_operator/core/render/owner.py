"""Whose children the manifests are."""

from typing import Any, NamedTuple

from slipway_operator.core import names
from slipway_operator.core.manifest import Kind, Manifest


class Owner(NamedTuple):
    """The ModelDeployment that everything rendered belongs to, and is deleted with."""

    namespace: str
    name: str
    uid: str

    def child(self, kind: Kind, name: str, **parts: Any) -> Manifest:
        """Build an object that this model owns; ``parts`` are its top-level fields.

        A part named ``labels`` is added to the object's labels.
        """
        return {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": names.labels(self.name) | parts.pop("labels", {}),
                "ownerReferences": [
                    {
                        "apiVersion": names.API_VERSION,
                        "kind": names.KIND,
                        "name": self.name,
                        "uid": self.uid,
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            **parts,
        }
