"""Holds a model to the signature that its spec promises to callers.

A model may be more generous than the promise, never narrower: what callers were told to send is
taken, what they were told to expect is what they get.
"""

from collections.abc import Iterator, Mapping, Sequence

from slipway_runtime.datatypes import Signature, TensorSpec
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.settings import Promise, Tensor

ANY = -1


def check(found: Signature, promised: Promise) -> None:
    """Compare a loaded model with what was promised; a list that is None is not compared.

    ========  ========  =======  =======
    promised  in model  input    output
    ========  ========  =======  =======
    4         4         as told  as told
    4         any       as told  refused
    any       4         refused  as told
    any       any       as told  as told
    4         5         refused  refused
    ========  ========  =======  =======

    Raises:
        Fault: SignatureMismatch, with every difference.
    """
    problems = [*_inputs(found.inputs, promised.inputs), *_outputs(found.outputs, promised.outputs)]
    if problems:
        raise Fault(
            Reason.SIGNATURE_MISMATCH,
            f"the model is not of the signature in the spec: {'; '.join(problems)}.",
            "Serve the model that fits, or correct spec.signature and tell the callers.",
        )


def _inputs(found: Mapping[str, TensorSpec], promised: Sequence[Tensor] | None) -> Iterator[str]:
    """Compare inputs; one that nobody was told of is one that nobody sends."""
    if promised is None:
        return
    yield from _tensors("input", found, promised)
    told = {tensor.name for tensor in promised}
    for name, spec in found.items():
        if name not in told:
            yield f"the model also needs input {spec}"


def _outputs(found: Mapping[str, TensorSpec], promised: Sequence[Tensor] | None) -> Iterator[str]:
    """Compare outputs; one more than promised disturbs nobody."""
    yield from _tensors("output", found, promised or ())


def _tensors(
    role: str, found: Mapping[str, TensorSpec], promised: Sequence[Tensor]
) -> Iterator[str]:
    for tensor in promised:
        spec = found.get(tensor.name)
        if spec is None:
            have = ", ".join(map(str, found.values())) or "none"
            yield f"there is no {role} {tensor.name!r}, only {have}"
        elif not _fits(role, spec, tensor):
            wanted = f"{tensor.datatype} {list(tensor.shape)}"
            yield f"{role} {spec} should be {wanted}"


def _fits(role: str, spec: TensorSpec, tensor: Tensor) -> bool:
    if spec.datatype.name != tensor.datatype or len(spec.shape) != len(tensor.shape):
        return False
    generous = spec.shape if role == "input" else tensor.shape
    pairs = zip(spec.shape, tensor.shape, generous, strict=True)
    return all(has == wanted or free == ANY for has, wanted, free in pairs)
