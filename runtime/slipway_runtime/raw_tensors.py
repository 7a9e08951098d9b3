"""A request that is nothing but one tensor: the protocol's raw form, without any JSON."""

from math import prod

from slipway_runtime import tensors
from slipway_runtime.datatypes import BYTES, Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.tensors import Array


def read(signature: Signature, body: bytes) -> dict[str, Array]:
    """Take a whole body as the model's one input, and infer its shape from the size.

    Raises:
        InvalidRequestError: The model has several inputs or no shape that fits the body's size.
    """
    if len(signature.inputs) != 1:
        listed = ", ".join(map(str, signature.inputs.values()))
        raise InvalidRequestError(
            "a request without JSON is for models with one input (the header "
            f"Inference-Header-Content-Length is 0); this one takes {listed}"
        )
    (spec,) = signature.inputs.values()
    if not body:
        raise InvalidRequestError(f"input {spec}: the body is empty, expected the tensor's bytes")
    if spec.datatype is BYTES:
        body = len(body).to_bytes(4, "little") + body
        count = 1
    else:
        count, rest = divmod(len(body), spec.datatype.dtype.itemsize)
        if rest:
            raise _unfit(spec, len(body))
    shape = _shape(spec, count)
    if shape is None:
        raise _unfit(spec, len(body))
    return {spec.name: tensors.from_bytes(spec, shape, body)}


def _shape(spec: TensorSpec, count: int) -> list[int] | None:
    """Find the one shape of so many elements; of several open sizes the first is then 1."""
    shape = list(spec.shape)
    if shape.count(-1) > 1 and shape[0] == -1:
        shape[0] = 1
    if shape.count(-1) > 1:
        raise InvalidRequestError(
            f"input {spec}: a request without JSON can't say which of the shape's open sizes is "
            "which; send the shape"
        )
    if -1 not in shape:
        return shape if prod(shape) == count else None
    fixed = prod(size for size in shape if size != -1)
    if not fixed or count % fixed:
        return None
    return [count // fixed if size == -1 else size for size in shape]


def _unfit(spec: TensorSpec, size: int) -> InvalidRequestError:
    if spec.datatype is BYTES:
        return InvalidRequestError(
            f"input {spec}: a request without JSON is one string, the model takes more"
        )
    return InvalidRequestError(
        f"input {spec}: {size} bytes came, which is no whole tensor of {spec.datatype.name} in the "
        "model's shape"
    )
