"""Tensors that hypothesis makes."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from slipway_runtime.datatypes import DATATYPES, Datatype, TensorSpec

BY_NAME = {datatype.name: datatype for datatype in DATATYPES}
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def a_spec(datatype: Datatype, *shape: int) -> TensorSpec:
    return TensorSpec("x", datatype, shape)


@st.composite
def arrays(draw: st.DrawFn, in_json: bool) -> tuple[TensorSpec, Any]:
    datatype = draw(st.sampled_from([d for d in DATATYPES if d.in_json or not in_json]))
    shape = draw(SHAPES)
    if datatype.name == "BYTES":
        array = draw(hnp.arrays(object, shape, elements=TEXT))
    elif in_json and datatype.dtype.kind == "f":
        width: Any = datatype.dtype.itemsize * 8
        finite = st.floats(width=width, allow_nan=False, allow_infinity=False)
        array = draw(hnp.arrays(datatype.dtype, shape, elements=finite))
    else:
        array = draw(hnp.arrays(datatype.dtype, shape))
    return a_spec(datatype, *(-1 for _ in shape)), array


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
