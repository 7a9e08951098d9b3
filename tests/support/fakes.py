"""Fakes at the ports, for what a real API server can't be made to say at will."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway_operator.core.events import Event
from slipway_operator.core.manifest import Manifest, key
from slipway_operator.ports import Ref, World
from support.builders import NOON

RELEASE_IMAGE = "slipway-runtime:1"


class DiedError(Exception):
    """The operator was killed here."""


@dataclass
class FakeCluster:
    """An API server in memory. ``writes`` logs what was written; ``dies_at`` kills a write."""

    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    pod_list: list[Manifest] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    dies_at: int | None = None

    def add(self, manifest: Manifest) -> None:
        """Put an object there, as somebody else's doing."""
        self.objects[key(manifest)] = manifest

    def get(self, kind: str, name: str) -> Manifest:
        """Get an object that must be there."""
        return self.objects[kind, name]

    def names(self, kind: str) -> set[str]:
        """List the names of a kind's objects."""
        return {name for found, name in self.objects if found == kind}

    def model(self, ref: Ref) -> Manifest | None:
        return deepcopy(self.objects.get(("ModelDeployment", ref.name)))

    def children(self, ref: Ref) -> Sequence[Manifest]:
        found = [o for (kind, _), o in self.objects.items() if kind != "ModelDeployment"]
        labels = "slipway.dev/model"
        return [deepcopy(o) for o in found if o["metadata"].get("labels", {}).get(labels)]

    async def live(self, manifest: Manifest) -> Manifest | None:
        return deepcopy(self.objects.get(key(manifest)))

    async def pods(self, ref: Ref, fingerprints: Sequence[str]) -> Sequence[Manifest]:
        return deepcopy(self.pod_list)

    async def overwrite(self, manifest: Manifest) -> None:
        await self.apply(manifest)

    async def apply(self, manifest: Manifest) -> Manifest:
        self._write(f"apply {manifest['kind']} {manifest['metadata']['name']}")
        was = self.objects.get(key(manifest), {})
        merged = {**deepcopy(was), **deepcopy(manifest)}
        merged["metadata"] = {
            **deepcopy(manifest["metadata"]),
            "uid": f"uid-{key(manifest)}",
            "generation": was.get("metadata", {}).get("generation", 0) + 1,
            "resourceVersion": str(len(self.writes)),
        }
        if manifest["kind"] == "Deployment":
            merged["spec"]["replicas"] = was.get("spec", {}).get("replicas", 1)
        self.objects[key(manifest)] = merged
        return deepcopy(merged)

    async def set_replicas(self, deployment: Manifest, replicas: int) -> None:
        self._write(f"scale {deployment['metadata']['name']} to {replicas}")
        self.objects[key(deployment)]["spec"]["replicas"] = replicas

    async def delete(self, child: Manifest) -> None:
        self._write(f"delete {child['kind']} {child['metadata']['name']}")
        self.objects.pop(key(child), None)

    async def apply_status(self, model: Manifest, status: Mapping[str, Any]) -> None:
        self._write("status")
        self.objects[key(model)]["status"] = deepcopy(dict(status))

    async def tell(self, model: Manifest, event: Event, now: datetime) -> None:
        self.told.append(event)

    def _write(self, what: str) -> None:
        if self.dies_at == len(self.writes):
            raise DiedError(what)
        self.writes.append(what)

    def make_ready(self, name: str) -> None:
        """Do what the Deployment controller and the kubelets do: all pods come up."""
        deployment = self.get("Deployment", name)
        count = deployment["spec"]["replicas"]
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": count,
            "readyReplicas": count,
        }

    def make_all_ready(self) -> None:
        """Bring up the pods of every Deployment."""
        for name in self.names("Deployment"):
            self.make_ready(name)


@dataclass
class FakeSignals:
    """What each pod address says of itself."""

    said: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    async def status(self, address: str) -> Mapping[str, Any] | None:
        return self.said.get(address)


def a_fake_world(cluster: FakeCluster, **said: Mapping[str, Any]) -> World:
    """Tie fakes together at noon."""
    return World(cluster, FakeSignals(dict(said)), lambda: NOON, RELEASE_IMAGE)
