from collections.abc import Callable

import numpy as np
import pytest

from fixtures.model import Model
from fixtures.published import magika
from fixtures.trained import digits, iris
from slipway_dev import ask
from slipway_dev.errors import Failure
from support.runtime_server import a_server


@pytest.mark.parametrize("make", [iris, digits, magika])
def test_the_runtime_predicts_what_the_library_of_the_model_says(make: Callable[[], Model]) -> None:
    model = make()

    with a_server(model.path, "--name=m") as server:
        url = f"http://127.0.0.1:{server.http}/v2/models/m/infer"
        outputs = ask.infer(url, model.ask(0, 3))

    assert model.wrong(outputs, 0, 3) == []


def test_an_error_of_the_server_is_told() -> None:
    with a_server(iris().path, "--name=m") as server:
        url = f"http://127.0.0.1:{server.http}/v2/models/m/infer"
        with pytest.raises(Failure, match=r"400.*the model takes"):
            ask.infer(url, {"X": np.zeros((1, 3), np.float32)})
