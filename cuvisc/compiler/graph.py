"""The typed graph: what a checked spec means, and what planning, code generation and `show` read.

Made by `cuvisc.compiler.check`; nothing changes it afterwards. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from cuvisc.language.types import Dim, TensorType
from cuvisc.schema.document import Span
from cuvisc.schema.spec import Spec

Facts: TypeAlias = Mapping[str, Any]

INPUT_NODE = "input"
INPUT_PORT = "cube"


@dataclass(frozen=True)
class ValueRef:
    """One value of the graph: an output port of a node, or `input.cube`."""

    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"


INPUT = ValueRef(INPUT_NODE, INPUT_PORT)


@dataclass(frozen=True)
class TypedPort:
    """Type and unit of a value; unit None says nothing about the unit."""

    type: TensorType
    unit: str | None = None

    def __str__(self) -> str:
        return f"{self.type} {self.unit}" if self.unit else str(self.type)


@dataclass(frozen=True)
class TypedNode:
    """A node whose every input is connected and typed.

    Several values on one input are concatenated on the band axis, in that order; `input_types` holds the type after
    concatenation. `dims` says what the symbols of the node's declaration are: a number, or a symbol of the graph while
    the data has not said. `entry` is the catalogue's entry, `params` has the defaults filled in.
    """

    id: str
    type: str
    entry: Facts = field(repr=False, compare=False)
    params: Facts
    inputs: Mapping[str, tuple[ValueRef, ...]]
    input_types: Mapping[str, TypedPort]
    outputs: Mapping[str, TypedPort]
    dims: Mapping[str, Dim]
    statistics: Facts | None
    mapping: str | None
    trainable: bool
    span: Span | None = field(default=None, repr=False, compare=False)

    @property
    def output(self) -> ValueRef:
        """The first output: the one meant where no port is named."""
        return ValueRef(self.id, next(iter(self.outputs)))

    def reads(self) -> Iterator[ValueRef]:
        """Every value that the node reads, port by port."""
        for values in self.inputs.values():
            yield from values


@dataclass(frozen=True)
class TypedLeaf:
    """A loss, metric or visualization and the value it looks at."""

    id: str
    section: str
    kind: str
    type: str
    entry: Facts = field(repr=False, compare=False)
    params: Facts
    parent: ValueRef
    span: Span | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class TypedGraph:
    """A whole graph: nodes in topological order, the values that leave it, and the leaves that training adds."""

    name: str
    input: TypedPort
    nodes: tuple[TypedNode, ...]
    outputs: tuple[ValueRef, ...]
    leaves: tuple[TypedLeaf, ...]
    spec: Spec = field(repr=False)

    @cached_property
    def by_id(self) -> Mapping[str, TypedNode]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    def port(self, value: ValueRef) -> TypedPort:
        """Type and unit of a value."""
        return self.input if value == INPUT else self.by_id[value.node].outputs[value.port]

    def values(self) -> Iterator[ValueRef]:
        """Every value in topological order, the graph's input first."""
        yield INPUT
        for node in self.nodes:
            for port in node.outputs:
                yield ValueRef(node.id, port)

    def readers(self, value: ValueRef) -> tuple[TypedNode, ...]:
        """The nodes that read a value."""
        return self._readers.get(value, ())

    @cached_property
    def _readers(self) -> Mapping[ValueRef, tuple[TypedNode, ...]]:
        readers: dict[ValueRef, tuple[TypedNode, ...]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.reads()):
                readers[value] = (*readers.get(value, ()), node)
        return readers

    @cached_property
    def live(self) -> frozenset[str]:
        """Ids of the nodes that some output of the graph depends on: what an export keeps."""
        kept: set[str] = {value.node for value in self.outputs}
        for node in reversed(self.nodes):
            if node.id in kept:
                kept.update(value.node for value in node.reads())
        return frozenset(kept - {INPUT_NODE})
