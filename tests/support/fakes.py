"""Fakes at the ports, for what a real API server can't be made to say at will."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import orjson

from slipway_operator.core.events import Event
from slipway_operator.core.manifest import ROUTE, Kind, Manifest, key
from slipway_operator.core.reading import Reading
from slipway_operator.core.rollout import Move
from slipway_operator.ports import Ref, World
from support.builders import NOON

RELEASE_IMAGE = "slipway-runtime:1"
Held = TypeVar("Held")


def copied(value: Held) -> Held:
    """Copy what an API server holds, as JSON: many times quicker than ``deepcopy``."""
    copy: Held = orjson.loads(orjson.dumps(value))
    return copy


class DiedError(Exception):
    """The operator was killed here."""


@dataclass
class FakeCluster:
    """An API server in memory. ``writes`` logs what was written; ``dies_at`` kills a write.

    ``seen`` is what there is for a glance at other kinds, ``glances`` logs them. ``gateway`` says
    whether there is a Gateway API.
    """

    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    pod_list: list[Manifest] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    seen: dict[str, list[Manifest]] = field(default_factory=dict)
    glances: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    dies_at: int | None = None
    gateway: bool = True

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
        return copied(self.objects.get(("ModelDeployment", ref.name)))

    def children(self, ref: Ref) -> Sequence[Manifest]:
        found = [o for (kind, _), o in self.objects.items() if kind != "ModelDeployment"]
        labels = "slipway.dev/model"
        return [copied(o) for o in found if o["metadata"].get("labels", {}).get(labels)]

    def knows(self, kind: Kind) -> bool:
        return kind is not ROUTE or self.gateway

    async def live(self, manifest: Manifest) -> Manifest | None:
        return copied(self.objects.get(key(manifest)))

    async def pods(self, ref: Ref, fingerprints: Sequence[str]) -> Sequence[Manifest]:
        return copied(self.pod_list)

    async def glance(
        self, kind: Kind, namespace: str | None, fields: str, limit: int
    ) -> Sequence[Manifest] | None:
        self.glances.append(f"{kind.plural} {fields}".strip())
        return copied(self.seen.get(kind.plural))

    async def overwrite(self, manifest: Manifest) -> None:
        await self.apply(manifest)

    async def apply(self, manifest: Manifest) -> Manifest:
        self._write(f"apply {manifest['kind']} {manifest['metadata']['name']}")
        was = self.objects.get(key(manifest), {})
        merged = {**copied(was), **copied(manifest)}
        merged["metadata"] = {
            **copied(manifest["metadata"]),
            "uid": f"uid-{key(manifest)}",
            "generation": was.get("metadata", {}).get("generation", 0) + 1,
            "resourceVersion": str(len(self.writes)),
        }
        if manifest["kind"] == "Deployment":
            merged["spec"]["replicas"] = was.get("spec", {}).get("replicas", 1)
        self.objects[key(manifest)] = merged
        return copied(merged)

    async def set_replicas(self, deployment: Manifest, replicas: int) -> None:
        self._write(f"scale {deployment['metadata']['name']} to {replicas}")
        self.objects[key(deployment)]["spec"]["replicas"] = replicas

    async def move(self, ref: Ref, move: Move) -> None:
        self._write(f"move {move.pod} to {move.value}")
        metadata = next(p for p in self.pod_list if p["metadata"]["name"] == move.pod)["metadata"]
        metadata["labels"][move.label] = move.value
        metadata["annotations"] = {"slipway.dev/canary-baseline": move.baseline or ""}

    async def delete(self, child: Manifest) -> None:
        self._write(f"delete {child['kind']} {child['metadata']['name']}")
        self.objects.pop(key(child), None)

    async def apply_status(self, model: Manifest, status: Mapping[str, Any]) -> None:
        self._write("status")
        self.objects[key(model)]["status"] = copied(dict(status))

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
    """What each pod address says of itself, its verification among it.

    ``asked`` logs who was asked for that, ``told`` who was told to begin one.
    """

    said: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def status(self, address: str) -> Mapping[str, Any] | None:
        self.asked.append(address)
        return self.said.get(address)

    async def verification(self, address: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.said.get(address, {}).get("verification")
        return found

    async def verify(self, address: str) -> None:
        self.told.append(address)


@dataclass
class FakePrometheus:
    """What Prometheus says to each query; ``asked`` logs them."""

    said: dict[str, Reading] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def read(self, query: str, namespace: str) -> Reading:
        assert namespace == "risk"
        self.asked.append(query)
        return self.said.get(query, Reading(None, "it gives no data"))


@dataclass
class FakeTurns:
    """Whose turn it is: everybody's, until a test says otherwise."""

    come: bool = True

    def take(self, ref: Ref) -> bool:
        return self.come


def a_fake_world(cluster: FakeCluster, **said: Mapping[str, Any]) -> World:
    """Tie fakes together at noon."""
    signals, prometheus = FakeSignals(dict(said)), FakePrometheus()
    return World(cluster, signals, prometheus, lambda: NOON, RELEASE_IMAGE, FakeTurns())
