"""A compiled graph as phase 2 evaluates it: with gradients only behind a trained node, the frozen rest without."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from cuvisc.compiler.graph import INPUT_NODE, TypedGraph, ValueRef
from cuvisc.compiler.module import CompiledGraph


def upstream_of(graph: TypedGraph, values: Collection[ValueRef]) -> frozenset[str]:
    """Ids of the nodes that some of the values depend on."""
    found = {value.node for value in values}
    for node in reversed(graph.nodes):
        if node.id in found:
            found.update(value.node for value in node.reads())
    return frozenset(found - {INPUT_NODE})


def prepare(module: CompiledGraph, trained: Sequence[str]) -> list[torch.nn.Parameter]:
    """Make parameters of what phase 2 moves, and nothing else; return them."""
    module.prepare_for_train()
    parameters = []
    for node in module.graph.nodes:
        for parameter in module.node(node.id).parameters():
            parameter.requires_grad_(node.id in trained)
            if node.id in trained:
                parameters.append(parameter)
    return parameters


class Evaluation:
    """Evaluates a module up to the values asked for; what no trained node has touched is computed without gradients."""

    def __init__(self, module: CompiledGraph, trained: Sequence[str]) -> None:
        self._module = module
        touched: set[str] = set()
        for node in module.graph.nodes:
            if node.id in trained or any(value.node in touched for value in node.reads()):
                touched.add(node.id)
        self._touched = touched

    def __call__(self, cube: Tensor, wanted: Collection[ValueRef]) -> Mapping[ValueRef, Tensor]:
        """The wanted values, and those computed on the way."""
        needed = upstream_of(self._module.graph, wanted)
        frozen = {node.id for node in self._module.graph.nodes if node.id in needed} - self._touched
        with torch.no_grad():
            ends = [
                ValueRef(n.id, port) for n in self._module.graph.nodes if n.id in frozen for port in n.outputs
            ]
            values = self._module.evaluate(cube, ends)
        for node in self._module.graph.nodes:
            if node.id in needed and node.id in self._touched:
                values |= self._module.step(node, values)
        return values
