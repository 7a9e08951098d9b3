"""The life of one model, whose pods come up at once, end slowly, and say what they are asked."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from slipway_operator.core.manifest import Manifest
from slipway_operator.ports import World
from slipway_operator.reconcile import reconcile
from support.builders import NOON, a_model
from support.fakes import DiedError, FakeCluster, FakePrometheus, FakeSignals, a_fake_world
from support.passes import REF, a_pod, change
from support.verifications import a_report, a_status

READY = {"type": "Ready", "status": "True"}
LATE = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "too late"}
UNPLACED = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}


async def deaths(
    begin: Callable[[], Awaitable["Life"]], look: Callable[["Life"], None]
) -> list["Life"]:
    """Live again and again, with an operator that dies at its first write, its second and so on.

    Begin each life anew, look at it after every pass, and return all of them; the operator of the
    last one has outlived it.
    """
    lives: list[Life] = []
    died = True
    while died:
        life = await begin()
        life.cluster.dies_at = len(life.cluster.writes) + len(lives)
        died = False
        for _ in range(20):
            life.now += timedelta(seconds=30)
            try:
                await life.passes(1)
            except DiedError:
                died, life.cluster.dies_at = True, None
            look(life)
        lives.append(life)
    return lives


@dataclass
class Life:
    """One model.

    ``reports`` is what the pods of a revision say of its verification, ``requests`` what each of
    them says of its requests and ``shadows`` of copies, ``broken`` names revisions whose pods never
    get ready and why, ``restarts`` counts those of each pod of a revision, ``now`` is the time.
    There is ``room`` for so many pods; who has found some keeps it, and who has not is too ``late``
    where that is said. Gateways take every route
    unless they are ``closed``, and know it as it is unless they are ``behind``.
    """

    cluster: FakeCluster = field(default_factory=FakeCluster)
    signals: FakeSignals = field(default_factory=FakeSignals)
    prometheus: FakePrometheus = field(default_factory=FakePrometheus)
    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    requests: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    shadows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    now: datetime = NOON
    room: int = 1000
    late: bool = False
    placed: dict[str, int] = field(default_factory=dict)
    closed: bool = False
    behind: bool = False

    @classmethod
    def of(cls, **spec: Any) -> tuple["Life", str]:
        """Begin with a spec; return the name of its revision, too."""
        life = cls()
        life.cluster.add(a_model(**spec))
        return life, change(life.cluster)

    async def passes(self, count: int = 8) -> timedelta | None:
        """Let the world move on and the operator look at it; return when it would look again."""
        again = None
        for _ in range(count):
            self.bring_up()
            again = await reconcile(REF, self.world())
        return again

    def world(self) -> World:
        return replace(
            a_fake_world(self.cluster),
            signals=self.signals,
            prometheus=self.prometheus,
            clock=lambda: self.now,
        )

    def bring_up(self) -> None:
        """Start the pods that are wanted, and let those that are not take one more pass to end."""
        names = sorted(self.cluster.names("Deployment"))
        self.place(names)
        for name in names:
            self.cluster.make_ready(name)
            status = self.cluster.get("Deployment", name)["status"]
            status["readyReplicas"] = self.placed[name]
            if self.late and self.placed[name] < self.replicas(name):
                status["conditions"] = [LATE]
            if name in self.broken:
                self.spoil(name)
        running = [name for name in names if self.replicas(name)]
        ending = [pod for pod in self.cluster.pod_list if self.ends(pod, running)]
        known = {pod["metadata"]["name"]: pod["metadata"] for pod in self.cluster.pod_list}
        pods = [self.a_pod(name, n) for name in running for n in range(self.replicas(name))]
        self.cluster.pod_list = [
            {**pod, "metadata": known.get(pod["metadata"]["name"], pod["metadata"])} for pod in pods
        ] + [{**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "now"}} for pod in ending]
        for name in names:
            self.signals.said[name] = self.said(name)
        for name in self.cluster.names("HTTPRoute"):
            self.answer(self.cluster.get("HTTPRoute", name))

    def answer(self, route: Manifest) -> None:
        """Say as a gateway whether it takes a route."""
        status = "False" if self.closed else "True"
        said: Manifest = {"type": "Accepted", "status": status, "reason": "NotAllowedByListeners"}
        said["observedGeneration"] = route["metadata"]["generation"] - self.behind
        parents = [{"parentRef": p, "conditions": [said]} for p in route["spec"]["parentRefs"]]
        route["status"] = {"parents": parents}

    def place(self, names: list[str]) -> None:
        """Find room for the pods of each Deployment, as far as there is some."""
        self.placed = {n: min(self.placed.get(n, 0), self.replicas(n)) for n in names}
        for name in names:
            free = self.room - sum(self.placed.values())
            self.placed[name] += min(self.replicas(name) - self.placed[name], free)

    def spoil(self, name: str) -> None:
        """Leave the pods of a revision unready, and its Deployment too late if that is why."""
        status = self.cluster.get("Deployment", name)["status"]
        status |= {"readyReplicas": 0, "conditions": [LATE] if self.broken[name] == "Late" else []}

    def ends(self, pod: Manifest, running: list[str]) -> bool:
        metadata = pod["metadata"]
        return "deletionTimestamp" not in metadata and metadata["name"][:-2] not in running

    def a_pod(self, name: str, number: int) -> Manifest:
        restarts = self.restarts.get(name, 0)
        ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}} if restarts else {}
        serve = {"name": "serve", "restartCount": restarts, "state": {"running": {}}}
        serve["lastState"] = ended
        condition = READY if number < self.placed[name] else UNPLACED
        status = {"podIP": name, "conditions": [] if name in self.broken else [condition]}
        return a_pod(name, str(number), **status, containerStatuses=[serve])

    def said(self, name: str) -> Mapping[str, Any]:
        if self.broken.get(name) == "Late":
            return a_status(state="Loading")
        if name in self.broken:
            return a_status(state="Failed", reason=self.broken[name], message="no good")
        report, counted = self.reports.get(name, a_report()), self.requests.get(name)
        more = {"requests": counted} if counted else {}
        return a_status(verification=report, shadow=self.shadows.get(name), **more)

    def replicas(self, name: str) -> int:
        count: int = self.cluster.get("Deployment", name)["spec"]["replicas"]
        return count

    @property
    def status(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.cluster.get("ModelDeployment", "fraud")["status"]
        return found

    def entry(self, name: str) -> Mapping[str, Any]:
        """Get what status has of a revision."""
        found: Mapping[str, Any] = next(r for r in self.status["revisions"] if r["name"] == name)
        return found
