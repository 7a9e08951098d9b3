"""The tensor types of the Open Inference Protocol, in numpy's and onnxruntime's words."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Datatype:
    """One tensor type.

    ``dtype`` is how the elements lie in memory and on the wire. BYTES has no fixed size: its
    elements are Python strings. numpy has no bfloat16: its two bytes travel as an integer.
    ``in_json`` is false for the types to which the protocol gives no JSON form.
    """

    name: str
    dtype: np.dtype[np.generic]
    onnx: str
    in_json: bool = True


BYTES = Datatype("BYTES", np.dtype(object), "tensor(string)")
BF16 = Datatype("BF16", np.dtype("<u2"), "tensor(bfloat16)", in_json=False)

BOOL = Datatype("BOOL", np.dtype("?"), "tensor(bool)")

DATATYPES = (
    BOOL,
    Datatype("UINT8", np.dtype("u1"), "tensor(uint8)"),
    Datatype("UINT16", np.dtype("<u2"), "tensor(uint16)"),
    Datatype("UINT32", np.dtype("<u4"), "tensor(uint32)"),
    Datatype("UINT64", np.dtype("<u8"), "tensor(uint64)"),
    Datatype("INT8", np.dtype("i1"), "tensor(int8)"),
    Datatype("INT16", np.dtype("<i2"), "tensor(int16)"),
    Datatype("INT32", np.dtype("<i4"), "tensor(int32)"),
    Datatype("INT64", np.dtype("<i8"), "tensor(int64)"),
    Datatype("FP16", np.dtype("<f2"), "tensor(float16)", in_json=False),
    BF16,
    Datatype("FP32", np.dtype("<f4"), "tensor(float)"),
    Datatype("FP64", np.dtype("<f8"), "tensor(double)"),
    BYTES,
)

BY_ONNX_NAME = {datatype.onnx: datatype for datatype in DATATYPES}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a model says of one of its inputs or outputs.

    In ``shape`` -1 is a dimension that the caller chooses. An empty shape is a scalar or a tensor
    of any rank: onnxruntime does not tell them apart.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Name the tensor as error messages do."""
        return f"{self.name!r} ({self.datatype.name} {list(self.shape)})"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives, by name, in the model's order."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
