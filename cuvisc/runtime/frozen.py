"""What is upstream of everything that is trained: computed once for every image, and kept while it fits in memory.

Kept are values of nodes that come with cuvisc and do the same in every epoch; a node of one's own, which may draw
random numbers, is computed every time. Images are computed one by one, so that a value does not depend on what else is
in the batch, whether it is kept or not.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.module import CompiledGraph
from cuvisc.language.node import Node
from cuvisc.runtime.image_memory import ImageMemory

_SHARE = 4
_UNKNOWN = 2**30
_CGROUP = Path("/sys/fs/cgroup")


class FrozenValues:
    """Values of frozen nodes for cubes [B,H,W,C]; `limit` bytes of them are kept, None keeps all, 0 none."""

    def __init__(self, module: CompiledGraph, trained: Collection[str], limit: int | None) -> None:
        self._module = module
        self.memory: ImageMemory[ValueRef] = ImageMemory(limit)
        self.nodes = _steady_nodes(module, trained)
        self._stamp: tuple[tuple[int, int], ...] = ()

    def describe(self) -> str:
        """What is kept, for people."""
        if not self.nodes:
            return "Cache: nothing, what is trained changes every value"
        names = ", ".join(f"`{name}`" for name in sorted(self.nodes))
        if self.memory.limit == 0:
            return f"Cache: off; run again in every epoch: {names}"
        limit = self.memory.limit
        room = "however much that is" if limit is None else f"in up to {limit / 1e6:,.0f} MB"
        return f"Cache: outputs of {names} are kept for every image, {room}"

    @torch.no_grad()
    def __call__(self, cube: Tensor, wanted: Collection[ValueRef]) -> dict[ValueRef, Tensor]:
        """The wanted values, each of a node in `nodes`."""
        if not wanted:
            return {}
        stamp = tuple((id(value), value._version) for value in self._state())
        if stamp != self._stamp:
            self.memory.forget()
            self._stamp = stamp
        # What is kept must be fit for training, even when it was first computed in a validation.
        with torch.inference_mode(False):
            found = [self._values(image, wanted) for image in torch.split(cube, 1)]
        if len(found) == 1:
            return dict(found[0])
        return {ref: torch.cat([values[ref] for values in found]) for ref in wanted}

    def _values(self, image: Tensor, wanted: Collection[ValueRef]) -> Mapping[ValueRef, Tensor]:
        def compute(pixels: Tensor) -> dict[ValueRef, Tensor]:
            values = self._module.evaluate(pixels, wanted)
            return {ref: values[ref] for ref in wanted}

        return self.memory.values(image, wanted, compute)

    def _state(self) -> Sequence[Tensor]:
        nodes = [self._module.node(name) for name in sorted(self.nodes)]
        return [tensor for node in nodes for tensor in (*node.parameters(), *node.buffers())]


def memory_limit(choice: str, device: torch.device, worthwhile: bool = True) -> int | None:
    """How many bytes may be kept: `auto` takes a quarter of what is free on a CPU, and nothing of a GPU.

    Where keeping is not `worthwhile`, `auto` takes nothing.
    """
    if choice == "off" or (choice == "auto" and (device.type != "cpu" or not worthwhile)):
        return 0
    return None if choice == "memory" else _free_memory() // _SHARE


def is_worthwhile(module: CompiledGraph, trained: Collection[str]) -> bool:
    """Whether frozen nodes do more than a gain a band, which takes no longer than to recognise an image."""
    steady = _steady_nodes(module, trained)
    return any(node.id in steady and node.mapping != "diagonal" for node in module.graph.nodes)


def _steady_nodes(module: CompiledGraph, trained: Collection[str]) -> frozenset[str]:
    """Nodes that compute the same of the same pixels in every epoch, and so do all that they read."""
    steady: set[str] = set()
    for typed in module.graph.nodes:
        kind = type(module.node(typed.id))
        own = kind.__module__.startswith("cuvisc.nodes.") and kind.start_epoch is Node.start_epoch
        if own and typed.id not in trained and all(r == INPUT or r.node in steady for r in typed.reads()):
            steady.add(typed.id)
    return frozenset(steady)


def _free_memory() -> int:
    """Bytes that this process may still take, as far as the system says."""
    found = [_UNKNOWN]
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        found = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        found += [max(int(limit) - int(used), 0)] if limit != "max" else []
    except (OSError, ValueError):
        pass
    return min(found)
