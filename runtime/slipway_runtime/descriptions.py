"""What a server says of its model in Triton's words: configuration, statistics, repository."""

import time
from typing import Any

from slipway_runtime.dataplane import PLATFORM, DataPlane
from slipway_runtime.datatypes import TensorSpec
from slipway_runtime.statistics import describe as model_statistics

DATA_TYPES = {"BYTES": "TYPE_STRING"}
"""Where a datatype is not TYPE_ and its own name."""


def config(plane: DataPlane) -> dict[str, Any]:
    """Write the model's configuration in the JSON form of Triton's ModelConfig, as far as true.

    Shapes are whole, so ``max_batch_size`` is 0, which means just that: no dimension is left out.

    Raises:
        RequestError: NOT_READY.
    """
    served = plane.model()
    signature = served.signature
    return {
        "name": plane.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 0,
        "input": [_tensor(spec) for spec in signature.inputs.values()],
        "output": [_tensor(spec) for spec in signature.outputs.values()],
        "instance_group": [
            {"name": plane.name, "kind": "KIND_CPU", "count": served.batcher.workers}
        ],
        "default_model_filename": "model.onnx",
        "parameters": {
            "intra_op_thread_count": {"string_value": str(served.effective.intra_op_threads)},
            "execution_provider": {"string_value": served.effective.provider},
            **{
                f"batching_{name}": {"string_value": "" if value is None else str(value)}
                for name, value in plane.batching().items()
            },
        },
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    datatype = DATA_TYPES.get(spec.datatype.name, f"TYPE_{spec.datatype.name}")
    return {"name": spec.name, "data_type": datatype, "dims": list(spec.shape)}


def statistics(plane: DataPlane) -> dict[str, Any]:
    """Write the statistics of all models, which are one."""
    now_ms = time.time_ns() // 1_000_000
    return {"model_stats": [model_statistics(plane.metrics, plane.version, now_ms)]}


def index(plane: DataPlane, ready: bool) -> list[dict[str, str]]:
    """List the models of the repository; only those that are ready if ``ready``."""
    health = plane.health
    if ready and not health.ready:
        return []
    state = "READY" if health.ready else "LOADING" if not health.started else "UNAVAILABLE"
    entry = {"name": plane.name, "version": plane.version, "state": state}
    return [{**entry, "reason": health.message}]
