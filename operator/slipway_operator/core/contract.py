"""Whether one model may take another's place without breaking a caller, field by field.

===================================  ==========
input or output                      verdict
===================================  ==========
missing, or renamed                  breaking
another datatype, or rank            breaking
a fixed size becomes another         breaking
any size becomes a fixed one         breaking
a new input                          breaking
a fixed size becomes any             compatible
a new output, another order          compatible
===================================  ==========
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

ANY = -1
"""A size that is not fixed."""
LIMIT = 64
"""Most inputs, or outputs, that status can hold."""


class Tensor(NamedTuple):
    """One input or output; sizes are -1 where any is taken or given."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Read a tensor as the runtime and status write it."""
        return cls(str(raw["name"]), str(raw["datatype"]), tuple(raw["shape"]))

    def write(self) -> dict[str, Any]:
        """Write it for status."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> Self | None:
        """Read a signature; None where it is not known, or too large to be held in status."""
        try:
            found = {k: tuple(map(Tensor.read, (raw or {})[k])) for k in ("inputs", "outputs")}
        except (KeyError, TypeError):
            return None
        small = all(len(tensors) <= LIMIT for tensors in found.values())
        return cls(**found) if small and found["inputs"] else None

    def write(self) -> dict[str, Any]:
        """Write it for status."""
        return {
            "inputs": [tensor.write() for tensor in self.inputs],
            "outputs": [tensor.write() for tensor in self.outputs],
        }


def broken(serving: Signature, candidate: Signature) -> tuple[str, ...]:
    """List all in which the candidate would break callers of the serving model."""
    return (
        *_compared("input", serving.inputs, candidate.inputs),
        *(
            f"input {name} is new, and callers do not send it"
            for name in _new(serving.inputs, candidate.inputs)
        ),
        *_compared("output", serving.outputs, candidate.outputs),
    )


def widened(serving: Signature, candidate: Signature) -> tuple[str, ...]:
    """List all in which the candidate differs, and breaks no caller."""
    return (
        *_opened("input", serving.inputs, candidate.inputs),
        *_opened("output", serving.outputs, candidate.outputs),
        *(f"output {name} is new" for name in _new(serving.outputs, candidate.outputs)),
    )


def _new(before: Sequence[Tensor], after: Sequence[Tensor]) -> list[str]:
    known = {tensor.name for tensor in before}
    return [tensor.name for tensor in after if tensor.name not in known]


def _compared(kind: str, before: Sequence[Tensor], after: Sequence[Tensor]) -> Iterator[str]:
    known = {tensor.name: tensor for tensor in after}
    for old in before:
        new = known.get(old.name)
        if new is None:
            yield f"{kind} {old.name} is missing"
        else:
            yield from _differences(f"{kind} {old.name}", old, new)


def _opened(kind: str, before: Sequence[Tensor], after: Sequence[Tensor]) -> Iterator[str]:
    known = {tensor.name: tensor.shape for tensor in after}
    for name, _, shape in before:
        new = known.get(name, shape)
        if new != shape and _takes(shape, new):
            yield _reshaped(f"{kind} {name}", shape, new)


def _reshaped(what: str, old: Sequence[int], new: Sequence[int]) -> str:
    return f"{what} had the shape {list(old)} and has {list(new)}"


def _takes(old: Sequence[int], new: Sequence[int]) -> bool:
    """Say whether all that has the old shape has the new one, too."""
    return len(old) == len(new) and all(b in {a, ANY} for a, b in zip(old, new, strict=True))


def _differences(what: str, old: Tensor, new: Tensor) -> Iterator[str]:
    if old.datatype != new.datatype:
        yield f"{what} was {old.datatype} and is {new.datatype}"
    if len(old.shape) != len(new.shape):
        yield f"{what} had {len(old.shape)} dimensions and has {len(new.shape)}"
        return
    if not _takes(old.shape, new.shape):
        yield _reshaped(what, old.shape, new.shape)
