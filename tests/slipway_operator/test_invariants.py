"""Whatever users, kubelets and crashes do, in whatever order: what serves goes on serving."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from slipway_operator.core.manifest import Manifest
from slipway_operator.core.rollout import Move
from slipway_operator.core.spec import Spec
from slipway_operator.ports import Ref
from slipway_operator.reconcile import reconcile
from support.builders import AUTOSCALING, NOON, a_model
from support.fakes import RELEASE_IMAGE, DiedError, FakeCluster, FakeTurns, a_fake_world

REF = Ref("risk", "fraud")
REST = 20
"""More passes than any change should need."""


class Scaling(FakeCluster):
    """Its Deployments have pods, and get a new generation with each count, as in life."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: dict[str, dict[str, str]] = {}

    async def set_replicas(self, deployment: Manifest, replicas: int) -> None:
        await super().set_replicas(deployment, replicas)
        name = deployment["metadata"]["name"]
        self.get("Deployment", name)["metadata"]["generation"] += 1

    def running(self) -> dict[str, dict[str, str]]:
        """Find the labels of the ready pods, by name; those that are gone lose what they had."""
        found = {}
        for name in sorted(self.names("Deployment")):
            deployment, track = self.get("Deployment", name), name.rpartition("-")[2]
            ready = deployment.get("status", {}).get("readyReplicas", 0)
            for number in range(min(ready, deployment["spec"]["replicas"])):
                own = {"slipway.dev/revision": track, "slipway.dev/track": track}
                pod = f"{name}-{number}"
                found[pod] = own | self.labels.get(pod, {})
        self.labels = {pod: labels for pod, labels in self.labels.items() if pod in found}
        return found

    async def pods(self, ref: Ref, fingerprints: Sequence[str]) -> Sequence[Manifest]:
        return [
            {"metadata": {"name": pod, "labels": labels}, "status": {"conditions": [READY]}}
            for pod, labels in self.running().items()
        ]

    async def move(self, ref: Ref, move: Move) -> None:
        self._write(f"move {move.pod} to {move.value}")
        self.labels.setdefault(move.pod, {})[move.label] = move.value


READY = {"type": "Ready", "status": "True"}
ROLLING = {"strategy": "RollingUpdate", "rollbackWindow": "0s", "rollingUpdate": {"maxSurge": 1}}


class Life(RuleBasedStateMachine):
    """One model that serves already."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Scaling()
        self.cluster.add(a_model())
        self.served = False
        self.release_image = RELEASE_IMAGE
        self.turns = FakeTurns()
        self.now = NOON
        self.everything_comes_to_rest()

    @rule(which=st.sampled_from("abcd"))
    def the_user_changes_the_model(self, which: str) -> None:
        self.change(model={"uri": f"https://models.example.org/{which}.onnx"})

    @rule(replicas=st.integers(1, 4))
    def the_user_wants_a_count(self, replicas: int) -> None:
        self.model()["spec"].pop("autoscaling", None)
        self.change(replicas=replicas)

    @rule()
    def the_user_wants_an_hpa(self) -> None:
        self.model()["spec"].pop("replicas", None)
        self.change(autoscaling=AUTOSCALING)

    @rule(paused=st.booleans(), window=st.sampled_from(["0s", "1h"]))
    def the_user_holds_rollouts_or_keeps_a_way_back(self, paused: bool, window: str) -> None:
        self.change(rollout=self.rollout() | {"paused": paused, "rollbackWindow": window})

    @rule(rolling=st.booleans())
    def the_user_chooses_a_strategy(self, rolling: bool) -> None:
        self.change(rollout=self.rollout() | (ROLLING if rolling else {"strategy": "BlueGreen"}))

    @rule()
    def the_user_aborts_what_is_latest(self) -> None:
        self.change(rollout=self.rollout() | {"abort": self.latest()})

    @rule(hours=st.integers(0, 2))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(load=st.integers(2, 6))
    def the_hpa_scales(self, load: int) -> None:
        self.scale_by_hpa(load)

    @rule(data=st.data())
    def the_pods_of_a_revision_come_up(self, data: st.DataObject) -> None:
        if names := sorted(self.cluster.names("Deployment")):
            self.cluster.make_ready(data.draw(st.sampled_from(names)))

    @rule(data=st.data())
    def somebody_deletes_a_record(self, data: st.DataObject) -> None:
        kinds = ["ControllerRevision", "Service", "PodDisruptionBudget"]
        found = sorted(key for key in self.cluster.objects if key[0] in kinds)
        if found:
            del self.cluster.objects[data.draw(st.sampled_from(found))]

    @rule(writes=st.integers(0, 8))
    def the_operator_passes_and_dies(self, writes: int) -> None:
        self.cluster.dies_at = len(self.cluster.writes) + writes
        with suppress(DiedError):
            self.one_pass()
        self.cluster.dies_at = None

    @rule(release=st.integers(1, 3))
    def another_release_of_the_operator_comes(self, release: int) -> None:
        self.release_image = f"slipway-runtime:{release}"

    @rule(policy=st.sampled_from(["OnChange", "Automatic"]))
    def the_user_chooses_a_policy(self, policy: str) -> None:
        self.change(runtime=self.model()["spec"]["runtime"] | {"upgradePolicy": policy})

    @rule(suspend=st.booleans())
    def the_user_suspends_or_resumes(self, suspend: bool) -> None:
        self.change(suspend=suspend)

    @rule(come=st.booleans())
    def the_turn_comes_or_goes(self, come: bool) -> None:
        self.turns = FakeTurns(come)

    @rule(times=st.integers(1, 3))
    def the_operator_passes(self, times: int) -> None:
        for _ in range(times):
            self.one_pass()

    @rule()
    def everything_comes_to_rest(self) -> None:
        self.change(suspend=False)
        for _ in range(REST):
            self.now += timedelta(minutes=15)
            self.one_pass()
            self.scale_by_hpa(AUTOSCALING["minReplicas"])
            self.cluster.make_all_ready()
        before = list(self.cluster.writes)
        self.one_pass()
        assert self.cluster.writes == before
        conditions = {c["type"]: c["status"] for c in self.model()["status"]["conditions"]}
        assert conditions["Available"] == "True"
        running = [d for d in self.deployments() if d["spec"]["replicas"] > 0]
        if self.is_free():
            assert conditions["Ready"] == "True"
            assert len(running) == 1
        assert len(running) <= 2

    @invariant()
    def what_served_still_serves(self) -> None:
        service = self.cluster.objects.get(("Service", "fraud"))
        if service is None:
            return
        wanted = dict(service["spec"]["selector"])
        del wanted["slipway.dev/model"]
        pods = self.cluster.running().values()
        serving = any(wanted.items() <= labels.items() for labels in pods)
        assert serving or not self.served
        self.served = serving

    def is_free(self) -> bool:
        """Say whether nothing keeps the latest revision from serving."""
        return not self.rollout()["paused"] and self.rollout().get("abort") != self.latest()

    def rollout(self) -> dict[str, Any]:
        found: dict[str, Any] = self.model()["spec"]["rollout"]
        return found

    def latest(self) -> str:
        return f"fraud-{Spec.parse('fraud', self.model()['spec']).fingerprint}"

    def one_pass(self) -> None:
        world = replace(
            a_fake_world(self.cluster),
            clock=lambda: self.now,
            release_image=self.release_image,
            turns=self.turns,
        )
        asyncio.run(reconcile(REF, world))

    def scale_by_hpa(self, load: int) -> None:
        for name in self.cluster.names("HorizontalPodAutoscaler"):
            hpa = self.cluster.get("HorizontalPodAutoscaler", name)
            target = hpa["spec"]["scaleTargetRef"]["name"]
            deployment = self.cluster.get("Deployment", target)
            if 0 < deployment["spec"]["replicas"] != load:
                deployment["spec"]["replicas"] = load
                deployment["metadata"]["generation"] += 1

    def change(self, **spec: Any) -> None:
        self.model()["spec"] |= spec
        self.model()["metadata"]["generation"] += 1

    def model(self) -> Manifest:
        return self.cluster.get("ModelDeployment", "fraud")

    def deployments(self) -> list[Manifest]:
        return [self.cluster.get("Deployment", n) for n in self.cluster.names("Deployment")]


Life.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
)
TestLife = Life.TestCase
