"""An ONNX model in KServe's Python server."""

import argparse
from pathlib import Path

import onnxruntime as ort
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server


class Onnx(Model):
    """Runs one model file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(path, options)
        self.ready = True

    def predict(self, payload: InferRequest, *_: object) -> InferResponse:
        """Predict."""
        (answer,) = self._session.run(["y"], {"x": payload.inputs[0].as_numpy()})
        output = InferOutput("y", list(answer.shape), "FP32")
        output.set_data_from_numpy(answer, binary_data=False)
        return InferResponse(payload.id or "0", self.name, [output])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("path", type=Path)
    ModelServer().start([Onnx(parser.parse_args().path)])
