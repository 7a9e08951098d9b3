"""What an ONNX file says of itself before onnxruntime sees it: versions, and weights elsewhere.

The field numbers are those of onnx.proto; the onnx package itself is not needed.
"""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from slipway_runtime.protobuf import BYTES, VARINT, Field, MalformedError, Source, fields

IR_VERSION, PRODUCER, GRAPH, OPSET_IMPORT, FUNCTIONS = 1, 2, 7, 8, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_OPERATOR, NODE_ATTRIBUTE, FUNCTION_NODE = 4, 5, 7
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
SPARSE_PARTS = (1, 2)
TENSOR_EXTERNAL_DATA = 13
DEEPEST = 64


@dataclass(slots=True)
class Facts:
    """What the file says; ``opsets`` has a version for each domain, ``""`` is ONNX's own.

    ``loops`` is whether there is a loop, which a caller's values may keep going for any time.
    """

    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    external: list[str] = field(default_factory=list)
    has_graph: bool = False
    loops: bool = False


def read(source: Source) -> Facts:
    """Walk a model file.

    ``external`` of the answer lists each location once, as the file has it: see ``unsafe``.

    Raises:
        MalformedError: If it is truncated, or no ONNX model.
    """
    facts = Facts()
    walk = _Walk(source, facts)
    for part in fields(source, 0, len(source)):
        walk.model_field(part)
    if not facts.has_graph or not facts.ir_version:
        raise MalformedError("there is no graph, or no IR version, in it")
    return facts


def unsafe(location: str) -> bool:
    """Tell whether an external data location leads out of the model's directory."""
    path = PurePosixPath(location)
    odd = not location or "\\" in location or "\0" in location
    return odd or path.is_absolute() or ".." in path.parts


class _Walk:
    """The way through the messages that can hold a tensor."""

    def __init__(self, source: Source, facts: Facts) -> None:
        self._source = source
        self._facts = facts

    def model_field(self, part: Field) -> None:
        if part.number == IR_VERSION and part.kind == VARINT:
            self._facts.ir_version = part.value
        elif part.kind != BYTES:
            return
        elif part.number == PRODUCER:
            self._facts.producer = self._text(part)
        elif part.number == OPSET_IMPORT:
            self._opset(part)
        elif part.number == GRAPH:
            self._facts.has_graph = True
            self._graph(part, 0)
        elif part.number == FUNCTIONS:
            self._nodes(part, FUNCTION_NODE, 0)

    def _opset(self, message: Field) -> None:
        domain, version = "", 0
        for part in self._parts(message):
            if part.number == 1 and part.kind == BYTES:
                domain = self._text(part)
            elif part.number == 2 and part.kind == VARINT:
                version = part.value
        self._facts.opsets["" if domain == "ai.onnx" else domain] = version

    def _graph(self, message: Field, depth: int) -> None:
        if depth > DEEPEST:
            raise MalformedError("its graphs are nested too deep")
        for part in self._parts(message):
            if part.number == GRAPH_INITIALIZER:
                self._tensor(part)
            elif part.number == GRAPH_SPARSE:
                self._sparse(part)
            elif part.number == GRAPH_NODE:
                self._node(part, depth)

    def _nodes(self, message: Field, number: int, depth: int) -> None:
        for part in self._parts(message):
            if part.number == number:
                self._node(part, depth)

    def _node(self, message: Field, depth: int) -> None:
        for part in self._parts(message):
            if part.number == NODE_ATTRIBUTE:
                for inner in self._parts(part):
                    self._attribute_field(inner, depth)
            elif part.number == NODE_OPERATOR and self._text(part) == "Loop":
                self._facts.loops = True

    def _attribute_field(self, part: Field, depth: int) -> None:
        if part.number in ATTRIBUTE_TENSORS:
            self._tensor(part)
        elif part.number in ATTRIBUTE_SPARSE:
            self._sparse(part)
        elif part.number in ATTRIBUTE_GRAPHS:
            self._graph(part, depth + 1)

    def _sparse(self, message: Field) -> None:
        for part in self._parts(message):
            if part.number in SPARSE_PARTS:
                self._tensor(part)

    def _tensor(self, message: Field) -> None:
        for part in self._parts(message):
            if part.number == TENSOR_EXTERNAL_DATA:
                self._entry(part)

    def _entry(self, message: Field) -> None:
        texts = {part.number: self._text(part) for part in self._parts(message)}
        location = texts.get(2, "")
        if texts.get(1) == "location" and location not in self._facts.external:
            self._facts.external.append(location)

    def _parts(self, message: Field) -> "list[Field]":
        if message.kind != BYTES:
            raise MalformedError(f"the field at byte {message.start} is not a message")
        return list(fields(self._source, message.start, message.end))

    def _text(self, part: Field) -> str:
        return bytes(self._source[part.start : part.end]).decode("utf-8", "replace")
