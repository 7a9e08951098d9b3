"""Slipway's serving runtime: brings an ONNX model into a pod and answers predictions.

onnxruntime's Linux builds report home by default since 1.29, and decide so once, when they are
imported. This package is imported before onnxruntime, so the switch is thrown here.
"""

import os

__version__ = "0.1.0"

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
