"""An ONNX model in Triton's Python backend: what Triton has batched is one run."""

import os
import sys
from pathlib import Path

sys.path.append(os.environ["PYTHONPATH"])  # which the backend's interpreter does not look at

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb


class TritonPythonModel:
    """Runs the model beside this file."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load it."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(Path(__file__).parent / "model.onnx", options)

    def execute(self, requests: list) -> list:
        """Predict, for all requests at once."""
        rows = [pb.get_input_tensor_by_name(each, "x").as_numpy() for each in requests]
        together = rows[0] if len(rows) == 1 else np.concatenate(rows)
        (answer,) = self._session.run(["y"], {"x": together})
        answers, at = [], 0
        for each in rows:
            part = answer[at : at + len(each)]
            answers.append(pb.InferenceResponse([pb.Tensor("y", part)]))
            at += len(each)
        return answers
