"""What is wrong is said in status, in words that tell what to do."""

from pathlib import Path

import pytest

from fixtures import broken
from fixtures.trained import iris
from support.workplace import Workplace, a_model_deployment

pytestmark = pytest.mark.cluster


def expect(workplace: Workplace, reason: str, words: str, *, final: bool = True) -> None:
    def said() -> bool:
        return workplace.condition("iris", "Ready").get("reason") == reason

    workplace.until(f"Ready says {reason}", said)
    message = workplace.condition("iris", "Ready")["message"]
    assert words in message
    stalled = workplace.condition("iris", "Stalled")["status"]
    assert stalled == ("True" if final else "False")


@pytest.mark.parametrize(
    ("make", "reason", "words"),
    [
        (broken.truncated, "ModelInvalid", "iris-truncated.onnx"),
        (broken.not_onnx, "ModelInvalid", "iris-page.onnx"),
        (broken.ir_too_new, "ModelTooNew", "99"),
        (broken.opset_too_new, "ModelTooNew", "99"),
        (broken.without_external_data, "ExternalDataMissing", "digits.weights"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_model_that_cannot_be_loaded(
    workplace: Workplace, make: object, reason: str, words: str
) -> None:
    path = make()  # type: ignore[operator]
    assert isinstance(path, Path)
    workplace.provide_files(path)
    workplace.apply(a_model_deployment(model={"uri": f"configMap://models/{path.name}"}))
    expect(workplace, reason, "" if reason == "ModelInvalid" else words)


def test_another_digest_than_the_pinned_one(workplace: Workplace) -> None:
    workplace.provide(iris())
    pinned = {"uri": "configMap://models/iris-v1.onnx", "sha256": "0" * 64}
    workplace.apply(a_model_deployment(model=pinned))
    expect(workplace, "DigestMismatch", iris().sha256)
    assert workplace.condition("iris", "ModelFetched")["status"] == "False"


def test_a_config_map_that_is_not_there_and_then_is(workplace: Workplace) -> None:
    workplace.apply(a_model_deployment())
    expect(workplace, "SourceNotFound", "iris-v1.onnx", final=False)
    workplace.provide(iris())
    workplace.wait("iris", seconds=180)


def test_an_image_that_cannot_be_pulled(workplace: Workplace) -> None:
    workplace.provide(iris())
    workplace.apply(a_model_deployment(runtime={"image": "localhost:5000/no-such-image:1"}))
    expect(workplace, "ImagePullFailed", "no-such-image", final=False)


def test_a_pod_that_no_node_has_room_for(workplace: Workplace) -> None:
    workplace.provide(iris())
    huge = {"requests": {"cpu": "500", "memory": "96Mi"}}
    workplace.apply(a_model_deployment(resources=huge))
    expect(workplace, "Unschedulable", "Insufficient cpu", final=False)


def test_a_quota_that_has_no_room_for_its_pods(workplace: Workplace) -> None:
    workplace.kubectl("create", "quota", "none", "--hard=pods=0")
    workplace.provide(iris())
    workplace.apply(a_model_deployment())
    expect(workplace, "PodsRefused", "exceeded quota", final=False)
