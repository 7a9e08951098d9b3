"""An ONNX model in MLServer."""

import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Onnx(MLModel):
    """Runs the model that `parameters.uri` names."""

    async def load(self) -> bool:
        """Load it."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Predict."""
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        (answer,) = self._session.run(["y"], {"x": rows})
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("y", answer)]
        )
