"""One `kubectl apply` serves a real model."""

import json

import pytest
import tritonclient.grpc as triton

from fixtures.published import magika
from fixtures.trained import digits, iris
from slipway_dev.ask import forwarded_port
from support import difference
from support.pods import a_claim, a_web_server
from support.workplace import Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def test_an_applied_model_answers_what_scikit_learn_says(workplace: Workplace) -> None:
    model = iris()
    workplace.provide(model)
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    rows = tuple(range(model.rows))
    assert model.wrong(workplace.predict("iris", model.ask(*rows)), *rows) == []


def test_an_applied_model_answers_over_grpc_through_its_service(workplace: Workplace) -> None:
    model = iris()
    workplace.provide(model)
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    (name, batch) = next(iter(model.ask(0, 1).items()))
    tensor = triton.InferInput(name, list(batch.shape), "FP32")
    tensor.set_data_from_numpy(batch)
    where = workplace.cluster, workplace.namespace, "iris", "grpc"
    with forwarded_port(*where) as address, triton.InferenceServerClient(address) as client:
        answer = client.infer("iris", [tensor], client_timeout=20.0)
        outputs = [output.name for output in answer.get_response().outputs]
    found = {output: answer.as_numpy(output) for output in outputs}
    assert model.wrong(found, 0, 1) == []


def test_a_published_model_answers_what_its_own_package_says(workplace: Workplace) -> None:
    model = magika()
    files = a_web_server(workplace, model.path)
    workplace.apply(a_model_deployment("magika", model={"uri": f"{files}/{model.path.name}"}))
    workplace.wait("magika", seconds=180)
    rows = tuple(range(model.rows))
    assert model.wrong(workplace.predict("magika", model.ask(*rows)), *rows) == []


def test_status_tells_what_serves(workplace: Workplace) -> None:
    model = digits()
    workplace.provide(model)
    uri = {"uri": f"configMap://models/{model.path.name}", "name": "net", "version": "3"}
    workplace.apply(a_model_deployment("digits", model=uri, replicas=2))
    workplace.wait("digits")
    status = workplace.get("mdeploy", "digits")["status"]
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    assert status["url"] == f"http://digits.{workplace.namespace}.svc/v2/models/net"
    (revision,) = status["revisions"]
    assert revision["name"] == status["stableRevision"] == status["latestRevision"]
    fetched = workplace.until(
        "the digest is known",
        lambda: workplace.get("mdeploy", "digits")["status"]["revisions"][0].get("digest"),
    )
    assert fetched == model.sha256
    answer = workplace.predict("digits", model.ask(0, 1), "net")
    assert model.wrong(answer, 0, 1) == []


def test_all_conditions_say_what_is_so(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    workplace.until(
        "the model is known to be fetched",
        lambda: workplace.condition("iris", "ModelFetched")["status"] == "True",
    )
    found = {
        c["type"]: c["status"] for c in workplace.get("mdeploy", "iris")["status"]["conditions"]
    }
    assert found == {
        "Available": "True",
        "Ready": "True",
        "Progressing": "False",
        "ModelFetched": "True",
        "Stalled": "False",
        "Reconciling": "False",
    }


def test_after_apply_there_is_no_diff_and_the_operator_owns_only_status(
    workplace: Workplace,
) -> None:
    manifest = a_model_deployment(
        template={"env": [{"name": "EMPTY"}], "metadata": {"labels": {"team": "flowers"}}}
    )
    workplace.provide(iris())
    workplace.apply(manifest)
    workplace.wait("iris")
    difference.shows_none(workplace.kubectl, "--filename=-", stdin=json.dumps(manifest))
    shown = workplace.kubectl("get", "mdeploy", "iris", "--output=json", "--show-managed-fields")
    metadata = json.loads(shown)["metadata"]
    ours = [f for f in metadata["managedFields"] if "slipway" in f["manager"]]
    assert [set(f["fieldsV1"]) for f in ours] == [{"f:status"}]
    assert "finalizers" not in metadata
    assert set(metadata["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}


def test_a_model_with_its_digest_pinned_is_served(workplace: Workplace) -> None:
    model = iris()
    workplace.provide(model)
    pinned = {"uri": "configMap://models/iris-v1.onnx", "sha256": model.sha256}
    workplace.apply(a_model_deployment(model=pinned))
    workplace.wait("iris")
    assert model.wrong(workplace.predict("iris", model.ask(3)), 3) == []


def test_a_model_on_a_volume_is_served(workplace: Workplace) -> None:
    model = digits()
    claim = a_claim(workplace, model.path)
    workplace.apply(a_model_deployment("digits", model={"uri": f"pvc://{claim}/{model.path.name}"}))
    workplace.wait("digits")
    assert model.wrong(workplace.predict("digits", model.ask(5, 6)), 5, 6) == []


def test_onnxruntime_is_tuned_from_the_pods_cpu_limit(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment())
    workplace.wait("iris")
    (pod,) = workplace.find("pod", "slipway.dev/model=iris")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "1"
    where = f"/api/v1/namespaces/{workplace.namespace}/pods/{pod['metadata']['name']}:8082"
    status = json.loads(workplace.kubectl("get", "--raw", f"{where}/proxy/status"))
    assert (status["state"], status["digest"]) == ("Ready", iris().sha256)
    effective = status["effective"]
    assert effective.pop("batching")["enabled"] is True
    assert effective == {
        "executionProvider": "CPUExecutionProvider",
        "intraOpNumThreads": 1,
        "workers": 1,
    }
    metrics = workplace.kubectl("get", "--raw", f"{where}/proxy/metrics")
    assert 'slipway_model_ready{model="iris"} 1' in metrics


def test_pods_have_what_production_asks_for(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment(replicas=2))
    workplace.wait("iris")
    pods = workplace.find("pod", "slipway.dev/model=iris")
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    for pod in pods:
        (serve,) = pod["spec"]["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} <= set(serve)
        assert "volumes" in pod["spec"]
        assert not any("projected" in volume for volume in pod["spec"]["volumes"])
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
