"""Asks a server with KServe's REST client, and prints what it understood: `URL MODEL`."""

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def a_request(model: str, binary: bool) -> InferRequest:
    tensor = InferInput("x", [2, 3], "FP32")
    tensor.set_data_from_numpy(np.array(ROWS, np.float32), binary_data=binary)
    parameters = {"binary_data_output": binary}
    return InferRequest(model, [tensor], request_id="7", parameters=parameters)


async def main(url: str, model: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    said: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, model),
    }
    for form in ("json", "binary"):
        answer = await client.infer(url, a_request(model, form == "binary"), model_name=model)
        (output,) = answer.outputs
        said[form] = [answer.model_name, answer.id, output.name, output.as_numpy().tolist()]
    return said


print(json.dumps(asyncio.run(main(*sys.argv[1:3]))))
