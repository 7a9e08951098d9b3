"""Objects that an earlier release left behind: a new one takes them over, and no user notices.

`tests/fixtures/stored/RELEASE` has them as an API server of that release's CRD returned them, each
model with all of its children, at rest.
"""

import json
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from slipway_operator.core.manifest import Manifest, covers
from slipway_operator.core.render import pod
from slipway_operator.core.spec import Spec
from slipway_operator.ports import Ref
from slipway_operator.reconcile import reconcile
from slipway_runtime import settings
from support.crd import SCHEMA, with_defaults
from support.fakes import FakeCluster, a_fake_world

STORED = sorted((Path(__file__).parents[1] / "fixtures" / "stored").rglob("*.json"))
NEW_RELEASE = "slipway-runtime:next"

each = pytest.mark.parametrize("file", STORED, ids=lambda file: f"{file.parent.name}-{file.stem}")


def stored(file: Path) -> list[Manifest]:
    objects: list[Manifest] = json.loads(file.read_text())
    return objects


def pods_and_traffic(cluster: FakeCluster) -> dict[str, object]:
    """Collect what pods are made from, and which of them are asked."""
    deployments, services = cluster.names("Deployment"), cluster.names("Service")
    pods = {name: cluster.get("Deployment", name)["spec"]["template"] for name in deployments}
    return pods | {name: cluster.get("Service", name)["spec"]["selector"] for name in services}


def render_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new revisions get other pods and other settings, as from another release."""
    record = import_module("slipway_operator.core.render.record")  # its name is a function's, too
    template, settings_of = pod.template, record.settings

    def other_template(*args: Any) -> Any:
        return template(*args) | {"terminationGracePeriodSeconds": 7}

    def other_settings(*args: Any) -> Any:
        return settings_of(*args) | {"another": "default"}

    monkeypatch.setattr(pod, "template", other_template)
    monkeypatch.setattr(record, "settings", other_settings)


@each
@pytest.mark.parametrize("rendering", ["the same", "another"])
async def test_a_new_operator_restarts_no_old_pod_and_moves_no_traffic(
    file: Path, rendering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rendering == "another":
        render_otherwise(monkeypatch)
    model, *children = stored(file)
    cluster = FakeCluster()
    for manifest in (model, *children):
        cluster.add(manifest)
    before = deepcopy(pods_and_traffic(cluster))
    world = replace(a_fake_world(cluster), release_image=NEW_RELEASE)
    for _ in range(3):
        await reconcile(Ref(model["metadata"]["namespace"], model["metadata"]["name"]), world)
    after = pods_and_traffic(cluster)
    assert before.keys() == after.keys()
    assert covers(before, after)  # an API server fills in defaults, the fake one does not


@each
def test_the_defaults_of_new_fields_make_no_new_revision(file: Path) -> None:
    model, *_ = stored(file)
    spec = with_defaults(model["spec"], SCHEMA["properties"]["spec"])
    fingerprint = Spec.parse(model["metadata"]["name"], spec).fingerprint
    assert model["status"]["stableRevision"].endswith(f"-{fingerprint}")


@each
def test_a_new_runtime_reads_old_settings(file: Path) -> None:
    files = [o["data"] for o in stored(file) if o["kind"] == "ConfigMap"]
    assert files
    for data in files:
        assert settings.parse(data["settings.json"].encode(), "settings.json").schema_version == 1
