"""The typed leaves of a graph to leaf objects, each attached to its node and told which value it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from cuvisc.compiler.graph import TypedGraph, ValueRef
from cuvisc.compiler.module import CompiledGraph, load_class
from cuvisc.language import ops
from cuvisc.language.declare import ParameterError
from cuvisc.language.leaf import BatchError, IncompatibleParent, LeafNode
from cuvisc.schema.errors import DataError, SpecError
from cuvisc.schema.spec import thaw

L = TypeVar("L", bound=LeafNode)


@dataclass(frozen=True)
class Attached:
    """A leaf, its name, the value it reads, and what its node was given."""

    id: str
    leaf: LeafNode
    reads: ValueRef
    inputs: tuple[ValueRef, ...]

    @property
    def needed(self) -> frozenset[ValueRef]:
        """The values of the graph that the leaf is handed."""
        own = {self.reads} if self.leaf.reads_output else set()
        return frozenset({*own, *(self.inputs if self.leaf.reads_parent_input else ())})

    def output(self, values: Mapping[ValueRef, Tensor]) -> Tensor:
        """The value the leaf reads; an empty tensor for one that reads none."""
        return values[self.reads] if self.leaf.reads_output else torch.empty(0)

    def batch(self, batch: Mapping[str, Any], values: Mapping[ValueRef, Tensor]) -> dict[str, Any]:
        """The batch as the leaf sees it: with what its node was given, where it reads that."""
        if not self.leaf.reads_parent_input:
            return dict(batch)
        return {**batch, "parent_input": ops.concat([values[ref] for ref in self.inputs])}

    def refused(self, error: BatchError) -> DataError:
        """The error of a batch that this leaf cannot read."""
        return DataError(f"`{self.id}`: {error}")


def attach_leaves(
    module: CompiledGraph, instances: Mapping[str, LeafNode] | None = None
) -> tuple[Attached, ...]:
    """Make every leaf from its registered class, or take the given instance, and attach it to its node."""
    return tuple(_attach(module, module.graph, dict(instances or {})))


def _attach(
    module: CompiledGraph, graph: TypedGraph, instances: Mapping[str, LeafNode]
) -> Iterator[Attached]:
    for typed in graph.leaves:
        leaf = instances.get(typed.id)
        if leaf is None:
            given = {name: thaw(value) for name, value in typed.params.items()}
            try:
                leaf = load_class(typed.entry["implementation"], LeafNode)(**given)
            except ParameterError as error:
                raise SpecError(f"`{typed.section}.{typed.id}`: {error}") from error
        try:
            leaf.attach(module.node(typed.parent.node))
        except IncompatibleParent as error:
            raise SpecError(f"`{typed.section}.{typed.id}`: {error}") from error
        yield Attached(typed.id, leaf, typed.parent, tuple(graph.by_id[typed.parent.node].reads()))


def of_kind(leaves: Sequence[Attached], kind: type[L]) -> list[tuple[Attached, L]]:
    """The leaves of one kind."""
    return [(attached, attached.leaf) for attached in leaves if isinstance(attached.leaf, kind)]
