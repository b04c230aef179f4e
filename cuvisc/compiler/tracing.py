"""A fitted module to a :class:`Program`: every node's body is run once on symbols, and what it does is recorded.

A body that leaves the op vocabulary becomes one opaque operation that holds the node itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cuvisc.compiler.graph import INPUT, TypedGraph, TypedNode, ValueRef
from cuvisc.compiler.ir import Operation, Program, Setting, Value, verify
from cuvisc.compiler.module import CompiledGraph, declared_type, name_outputs
from cuvisc.language import ops
from cuvisc.language.affine import AffineMap, concatenated
from cuvisc.language.ops.op import Op
from cuvisc.language.symbol import OpaqueBody, Symbol
from cuvisc.language.types import Dim, TensorType


class BodyError(TypeError):
    """A node's body contradicts the node's declaration."""


class NotAffine(TypeError):
    """A statistic was to be carried through a node that is not affine: the node's declared mapping is wrong."""


class Opaque(Op):
    """A node whose body is plain torch: computed by the node itself, exported through torch's own exporter."""

    name = "opaque"
    pixelwise = False


OPAQUE = Opaque()


class _Tape:
    """Records what node bodies do; implements :class:`cuvisc.language.symbol.Recorder`."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.settings: list[Setting] = []
        self.node = ""
        self._names: set[str] = set()

    def record(
        self, op: Op, values: Sequence[Symbol], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> Symbol:
        exact = {key: np.asarray(c.detach().cpu().numpy(), dtype=np.float64) for key, c in constants.items()}
        inferred = op.infer([value.type for value in values], exact, attributes)
        return self.append(op, values, [inferred], exact, attributes)[0]

    def append(
        self,
        op: Op,
        values: Sequence[Symbol],
        types: Sequence[TensorType],
        constants: Mapping[str, Any],
        attributes: Mapping[str, Any],
    ) -> list[Symbol]:
        name = self._unique(f"{self.node}/{op.name}")
        suffixes = [""] if len(types) == 1 else [f".{i}" for i in range(len(types))]
        outputs = tuple(Value(name + suffix, type_) for suffix, type_ in zip(suffixes, types, strict=True))
        inputs = tuple(value.value for value in values)
        self.operations.append(Operation(name, op, inputs, outputs, constants, attributes, (self.node,)))
        return [Symbol(self, value.type, value.name) for value in outputs]

    def setting(self, name: str, default: float) -> Symbol:
        value = Value(f"{self.node}.{name}", TensorType("float32", (1,)))
        self.settings.append(Setting(value, default))
        return Symbol(self, value.type, value.name)

    def forget_since(self, operations: int, settings: int) -> None:
        """Drop what a body recorded before it turned out to be opaque."""
        self._names.difference_update(operation.name for operation in self.operations[operations:])
        del self.operations[operations:]
        del self.settings[settings:]

    def _unique(self, name: str) -> str:
        candidate, count = name, 1
        while candidate in self._names:
            count += 1
            candidate = f"{name}_{count}"
        self._names.add(candidate)
        return candidate


@torch.no_grad()
def trace(module: CompiledGraph, graph: TypedGraph | None = None) -> Program:
    """Record the whole graph, or the part of it that ``graph`` keeps."""
    graph = graph or module.graph
    module.eval()
    assert module.channels is not None, "bind the module before tracing it"
    tape = _Tape()
    cube = TensorType("float32", ("B", "H", "W", module.channels))
    symbols = {INPUT: Symbol(tape, cube, "cube")}
    for node in graph.nodes:
        symbols |= _record_node(tape, module, node, symbols)
    outputs = {str(ref): symbols[ref].value for ref in graph.outputs}
    return verify(
        Program(graph.name, Value("cube", cube), tuple(tape.settings), tuple(tape.operations), outputs)
    )


def _record_node(
    tape: _Tape, module: CompiledGraph, node: TypedNode, symbols: Mapping[ValueRef, Symbol]
) -> dict[ValueRef, Symbol]:
    tape.node = node.id
    inputs = {port: ops.concat([symbols[ref] for ref in refs]) for port, refs in node.inputs.items()}
    mark = len(tape.operations), len(tape.settings)
    declared = _output_types(module, node, inputs)
    try:
        outputs = name_outputs(node, module.node(node.id).forward(**inputs))
    except OpaqueBody:
        tape.forget_since(*mark)
        bands = tuple(symbol.type.dims[-1] for symbol in inputs.values())
        attributes = {"module": module.node(node.id), "ports": tuple(inputs), "bands": bands}
        made = tape.append(OPAQUE, list(inputs.values()), list(declared.values()), {}, attributes)
        return dict(zip(declared, made, strict=True))
    for ref, type_ in declared.items():
        if outputs[ref].type != type_:
            raise BodyError(
                f"{ref} is declared {type_}, but the body of {node.type} gives {outputs[ref].type}"
            )
    return outputs


def _output_types(
    module: CompiledGraph, node: TypedNode, inputs: Mapping[str, Symbol]
) -> dict[ValueRef, TensorType]:
    """Declared output types with everything known put in: shared B, H, W and the node's own sizes."""
    sizes: dict[str, Dim] = dict(module.node(node.id).dims)
    for port, symbol in inputs.items():
        for name, actual in zip(declared_type(node, "inputs", port).dims, symbol.type.dims, strict=True):
            if isinstance(name, str):
                sizes.setdefault(name, actual)
    return {
        ValueRef(node.id, port): declared_type(node, "outputs", port).substitute(sizes)
        for port in node.outputs
    }


@torch.no_grad()
def affine_image(module: CompiledGraph, of: Sequence[ValueRef], parts: Sequence[ValueRef]) -> AffineMap:
    """The map from ``parts``, joined along the bands, to ``of``, joined likewise, through the fitted nodes between.

    Raises :class:`NotAffine` where a node between is anything else.
    """
    module.eval()
    starts = np.cumsum([0, *(module.widths[part] for part in parts)])

    def image(value: ValueRef) -> AffineMap:
        if value in parts:
            return _selection(starts, parts.index(value))
        node = module.graph.by_id.get(value.node)
        if node is None:
            raise NotAffine(f"{value} does not follow from {', '.join(map(str, parts))}")
        port, step = _affine_body(module, node, value)
        return join(node.inputs[port]).then(step)

    def join(values: Sequence[ValueRef]) -> AffineMap:
        images = [(image(value), int(starts[-1]), module.widths[value]) for value in values]
        return images[0][0] if len(images) == 1 else concatenated(images)

    return join(of)


def _selected(operation: Operation, bands: int) -> AffineMap | None:
    """A selection of bands as the matrix it is."""
    if operation.op.name != "gather_bands":
        return None
    return AffineMap.make(np.eye(bands)[:, list(operation.attributes["indices"])])


def _selection(starts: NDArray[np.int_], index: int) -> AffineMap:
    """One of several joined parts, out of all of them."""
    if len(starts) == 2:
        return AffineMap.make(1.0)
    return AffineMap.make(np.eye(starts[-1])[:, starts[index] : starts[index + 1]])


def _affine_body(module: CompiledGraph, node: TypedNode, value: ValueRef) -> tuple[str, AffineMap]:
    """One node's body as a single affine map, and the input port that it is a map of."""
    tape = _Tape()
    tape.node = node.id
    widths = {port: sum(module.widths[ref] for ref in refs) for port, refs in node.inputs.items()}
    sources = {
        port: Symbol(tape, TensorType("float32", ("B", "H", "W", width)), port)
        for port, width in widths.items()
    }
    try:
        result = name_outputs(node, module.node(node.id).forward(**sources))[value]
    except OpaqueBody as used:
        raise NotAffine(f"{value} is computed with {used}") from used
    made_by = {operation.output.name: operation for operation in tape.operations}
    sizes = widths | {operation.output.name: operation.output.type.dims[-1] for operation in tape.operations}
    composed, name = AffineMap.make(1.0), result.value
    while name not in sources:
        operation = made_by[name]
        before = operation.inputs[0]
        affine = operation.affine or _selected(operation, int(sizes[before]))
        if affine is None or len(operation.inputs) != 1:
            raise NotAffine(f"{value} is computed with {operation.op.name}")
        composed, name = affine.then(composed), before
    return name, composed
