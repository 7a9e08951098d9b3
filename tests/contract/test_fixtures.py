from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest

from fixtures import broken
from fixtures.model import Model, Tensors
from fixtures.published import magika
from fixtures.trained import digits, iris

MODELS: dict[str, Callable[[], Model]] = {
    "iris-v1": iris,
    "iris-v2": lambda: iris(2),
    "digits": digits,
    "magika": magika,
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    return MODELS[request.param]()


def local(model: Model, *rows: int) -> Tensors:
    session = onnxruntime.InferenceSession(str(model.path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(model.ask(*rows))), strict=True))


def test_onnxruntime_answers_what_the_library_of_the_model_says(model: Model) -> None:
    rows = range(model.rows)

    assert model.wrong(local(model, *rows), *rows) == []


def test_an_answer_to_another_row_is_found_out(model: Model) -> None:
    assert model.wrong(local(model, model.rows - 1), 0) != []


def test_every_row_tells_which_version_of_iris_answered() -> None:
    first, second = iris(1), iris(2)

    for row in range(first.rows):
        assert second.wrong(local(first, row), row) != []
        assert first.wrong(local(second, row), row) != []


def test_an_output_that_is_missing_is_wrong() -> None:
    assert iris().wrong({"label": iris().expected["label"][:1]}, 0) != []


def test_training_again_gives_the_same_file() -> None:
    before = {name: make().sha256 for name, make in MODELS.items()}
    iris.cache_clear()
    digits.cache_clear()

    assert {name: make().sha256 for name, make in MODELS.items()} == before


def test_iris_fits_into_a_config_map() -> None:
    assert iris().path.stat().st_size < 1 << 20


def test_the_published_model_tells_the_contents_apart() -> None:
    assert list(magika().expected["label"]) == ["json", "python", "shell", "html", "go", "pdf"]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (broken.truncated, "Protobuf parsing failed"),
        (broken.not_onnx, "Protobuf parsing failed"),
        (broken.ir_too_new, "Unsupported model IR version: 99"),
        (broken.opset_too_new, "Opset 99"),
        (broken.without_external_data, "digits.weights"),
    ],
)
def test_onnxruntime_refuses_each_broken_model(make: Callable[[], Path], complaint: str) -> None:
    with pytest.raises(Exception, match=complaint):
        onnxruntime.InferenceSession(str(make()))
