"""The operator is given what it uses and nothing else, with Roles alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway_dev.cluster import Cluster
from support import local_operator
from support.manifests import BASE, documents
from support.operators import Operators, until
from support.workplace import Workplace, a_model_deployment

pytestmark = [pytest.mark.cluster, pytest.mark.alone]

RECORDING = Path(__file__).parents[1] / "support" / "recording_operator.py"
NEEDED_ELSEWHERE = {("update", "slipway.dev", "modeldeployments/finalizers")}
"""Asked for by the admission plugin OwnerReferencesPermissionEnforcement, where that is on."""
WRITE = ("get", "list", "watch", "create", "patch", "delete")
NEEDED_AT_TIMES = {
    ("list", "events.k8s.io", "events"),
    ("patch", "-", "pods"),
    ("delete", "-", "services"),
    *((verb, "gateway.networking.k8s.io", "httproutes") for verb in WRITE),
}
"""Asked for when a pod does not say itself what is wrong (test_faults.py), while a revision is
tried (test_canaries.py, test_shadows.py), and with a Gateway API (test_gateways.py)."""
GLANCES = {("list", "-", "nodes"), ("list", "-", "pods")}
"""What it looks at beyond its namespace, to count how much room is missing; it does without."""
Right = tuple[str, str, str]


def granted() -> set[Right]:
    """List the rights of manifests/base."""
    roles = [d for d in documents(BASE / "rbac.yaml") if "rules" in d]
    return {
        (verb, group or "-", resource)
        for role in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@contextmanager
def recording(workplace: Workplace, folder: Path) -> Iterator[Callable[[], list[list[str]]]]:
    """Run an operator with the rights of the namespaced overlay; give what it asked for."""
    local_operator.give_rights(workplace)
    record = folder / "record"
    record.touch()
    told = {
        "SLIPWAY_PORT": "18098",
        "SLIPWAY_TEST_RECORD": str(record),
        "SLIPWAY_TEST_SERVER": local_operator.server(workplace),
    }
    config = local_operator.kubeconfig(workplace, folder)
    with local_operator.running(workplace, config, str(RECORDING), **told):
        yield lambda: [line.split() for line in record.read_text().splitlines()]


def a_life(workplace: Workplace) -> None:
    """Have an operator do all that it can do: make, change, scale, repair, retire and remove."""
    count = "slipway.dev/model=iris"

    def wish(**spec: Any) -> None:
        workplace.apply(a_model_deployment(**spec))
        generation = workplace.get("mdeploy", "iris")["metadata"]["generation"]

        def looked_at() -> bool:
            status = workplace.get("mdeploy", "iris")["status"]
            return bool(status["observedGeneration"] == generation)

        until(f"generation {generation} is looked at", looked_at, 20)

    wish(replicas=2)
    workplace.kubectl("patch", "service", "iris", "--patch", '{"spec": {"selector": {"a": "b"}}}')
    edit = '{"spec": {"maxUnavailable": 2}, "metadata": {"labels": {"a": "b"}}}'
    workplace.kubectl("patch", "pdb", "iris", "--type=merge", f"--patch={edit}")
    workplace.kubectl("label", "serviceaccount", "iris", "app.kubernetes.io/name-")
    [revision] = workplace.find("controllerrevision", count)
    for kind in ("controllerrevision", "configmap"):
        name = revision["metadata"]["name"]
        workplace.kubectl("label", kind, name, "app.kubernetes.io/name-")
    wish(autoscaling={"minReplicas": 2, "maxReplicas": 3})
    wish(autoscaling={"minReplicas": 1, "maxReplicas": 2})
    for number in range(6):
        env = [{"name": "NUMBER", "value": str(number)}]
        wish(replicas=1, template={"serviceAccountName": "default", "env": env})
    until(
        "what was retired long ago is gone",
        lambda: len(workplace.find("controllerrevision", count)) <= 4,
        20,
    )


def test_the_operator_uses_every_right_that_it_has_and_is_refused_nothing(
    slipway: Cluster, workplace: Workplace, tmp_path: Path
) -> None:
    with Operators(slipway).none(), recording(workplace, tmp_path) as asked:
        a_life(workplace)
        until("watches are open", lambda: any(line[0] == "watch" for line in asked()), 20)
        said = asked()
    refused = {(verb, group, resource) for verb, group, resource, code in said if code == "403"}
    assert refused <= GLANCES
    used = {(verb, group, resource) for verb, group, resource, _ in said}
    assert used - GLANCES - granted() == set()
    assert granted() - NEEDED_ELSEWHERE - NEEDED_AT_TIMES - used == set()
