"""A compiled graph as phase 2 evaluates it: with gradients only behind a trained node, the frozen rest without."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from cuvisc.compiler.graph import INPUT_NODE, TypedGraph, ValueRef
from cuvisc.compiler.module import CompiledGraph
from cuvisc.language.ops.taking_part import leaving_out
from cuvisc.runtime.frozen import FrozenValues
from cuvisc.runtime.missing import blank, fill


def upstream_of(graph: TypedGraph, values: Collection[ValueRef]) -> frozenset[str]:
    """Ids of the nodes that some of the values depend on."""
    found = {value.node for value in values}
    for node in reversed(graph.nodes):
        if node.id in found:
            found.update(value.node for value in node.reads())
    return frozenset(found - {INPUT_NODE})


def prepare(
    module: CompiledGraph, trained: Sequence[str], dtype: torch.dtype | None = None
) -> list[torch.nn.Parameter]:
    """Make parameters of what phase 2 moves, and nothing else; return them. `dtype`: of all, in place of their own."""
    module.prepare_for_train()
    parameters = []
    for node in module.graph.nodes:
        for parameter in module.node(node.id).parameters():
            parameter.requires_grad_(node.id in trained)
            parameter.data = parameter.data.to(dtype)
            if node.id in trained:
                parameters.append(parameter)
    return parameters


class Evaluation:
    """Evaluates a module up to the values asked for; what no trained node has touched is computed without gradients."""

    def __init__(
        self, module: CompiledGraph, trained: Sequence[str], frozen: FrozenValues | None = None
    ) -> None:
        self._module = module
        self.frozen = frozen or FrozenValues(module, trained, 0)
        touched: set[str] = set()
        for node in module.graph.nodes:
            if node.id in trained or any(value.node in touched for value in node.reads()):
                touched.add(node.id)
        self._touched = touched

    @property
    def changing(self) -> tuple[str, ...]:
        """Ids of the nodes that are computed anew for every batch, in order."""
        return tuple(node.id for node in self._module.graph.nodes if node.id not in self.frozen.nodes)

    def __call__(
        self, cube: Tensor, wanted: Collection[ValueRef], missing: Tensor | None = None
    ) -> Mapping[ValueRef, Tensor]:
        """The wanted values, and those computed on the way; what they are at `missing` pixels [B,H,W,1] says nothing.

        No gradient meets a value there that is not finite, and no statistic of an image is of such a pixel. What is
        frozen is computed as the trained model computes it, of NaN.
        """
        if not wanted:
            return {}
        seen, cube = (cube, cube) if missing is None else (blank(cube), fill(cube, missing))
        graph, steady = self._module.graph, self.frozen.nodes
        needed = [node for node in graph.nodes if node.id in upstream_of(graph, wanted)]
        rest = [node for node in needed if node.id not in steady]
        border = {ref for node in rest for ref in node.reads()} | set(wanted)
        values: dict[ValueRef, Tensor] = dict(self._module.evaluate(cube, ()))
        values |= _filled(self.frozen(seen, {ref for ref in border if ref.node in steady}), missing)
        for node in rest:
            gradients = torch.is_grad_enabled() and node.id in self._touched
            with torch.set_grad_enabled(gradients), leaving_out(missing):
                found = self._module.step(node, values)
            values |= found if self._module.node(node.id).marks is None else _filled(found, missing)
        return values


def _filled(values: Mapping[ValueRef, Tensor], missing: Tensor | None) -> dict[ValueRef, Tensor]:
    if missing is None:
        return dict(values)
    return {
        ref: fill(value, missing) if value.shape[:-1] == missing.shape[:-1] else value
        for ref, value in values.items()
    }
