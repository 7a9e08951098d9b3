"""The usual request, read in one go: a small one, all of JSON, that fits the model.

Whatever is not that is left to ``protocol``, which also knows what to say of it: nothing here
refuses, and nothing is taken here that would be refused there.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import msgspec
import numpy as np

from slipway_runtime.datatypes import Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.json_tensors import SINGLE
from slipway_runtime.tensors import Array, check_shape
from slipway_runtime.wishes import NO_PARAMETERS, WantedOutput

ELEMENTS: dict[str, Any] = {"BOOL": bool, "FP32": SINGLE, "FP64": float, "BYTES": str}
"""What stands in JSON for an element of each type; whole numbers for all others."""

Size = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


Counts = dict[tuple[int, ...], int]
"""How many elements shapes have that the model takes."""
Known = tuple[TensorSpec, str, np.dtype[np.generic], Counts]
"""An input, the name and form of its elements, and shapes that it had."""

MOST_SHAPES = 256


class Request(Protocol):
    """What a request says besides its inputs."""

    id: str
    parameters: dict[str, bool | int | float | str]
    outputs: list[WantedOutput]


class QuickReader:
    """Reads requests for models all of whose inputs have one kind of element in JSON."""

    def __init__(self, signature: Signature) -> None:
        self._inputs: dict[str, Known] = {
            name: (spec, spec.datatype.name, spec.datatype.dtype, {})
            for name, spec in signature.inputs.items()
        }
        datatypes = [spec.datatype for spec in signature.inputs.values()]
        kinds = {ELEMENTS.get(datatype.name, int) for datatype in datatypes}
        plain = len(kinds) == 1 and all(datatype.in_json for datatype in datatypes)
        self._decoder = _decoder(kinds.pop()) if plain else None

    def read(self, body: bytes) -> tuple[Request, dict[str, Array]] | None:
        """Read a body; None if it takes more than this."""
        if self._decoder is None:
            return None
        try:
            request = self._decoder.decode(body)
            feed = self._feed(request.inputs)
        except (ValueError, OverflowError, RecursionError, InvalidRequestError):
            return None
        return None if feed is None else (request, feed)

    def _feed(self, inputs: Sequence[Any]) -> dict[str, Array] | None:
        feed: dict[str, Array] = {}
        for tensor in inputs:
            known = self._inputs.get(tensor.name)
            if known is None:
                return None
            spec, datatype, dtype, counts = known
            if tensor.datatype != datatype or tensor.parameters:
                return None
            shape = tuple(tensor.shape)
            count = counts.get(shape) or _count(spec, shape, counts)
            array = np.array(tensor.data, dtype)
            if array.shape != shape:
                if array.shape != (count,) or not count:
                    return None
                array = array.reshape(shape)
            feed[tensor.name] = array
        return feed if len(feed) == len(inputs) == len(self._inputs) else None


def _count(spec: TensorSpec, shape: tuple[int, ...], counts: Counts) -> int:
    """Compare a shape with the model's, and remember how many elements it has."""
    count = check_shape(spec, shape)
    if len(counts) >= MOST_SHAPES:
        counts.clear()
    counts[shape] = count
    return count


def _decoder(element: Any) -> msgspec.json.Decoder[Any]:
    """Make a decoder of requests whose data is of such elements, flat or in rows."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("name", str),
        ("shape", list[Size]),
        ("datatype", str),
        ("data", list[element | list[element]]),
        ("parameters", dict[str, bool | int | float | str], NO_PARAMETERS),
    ]
    tensor = msgspec.defstruct("QuickTensor", fields, gc=False)
    request = msgspec.defstruct(
        "QuickRequest",
        [
            ("inputs", list[tensor]),  # type: ignore[valid-type]
            ("id", str, ""),
            ("parameters", dict[str, bool | int | float | str], NO_PARAMETERS),
            ("outputs", list[WantedOutput], ()),
        ],
        gc=False,
    )
    return msgspec.json.Decoder(request)
