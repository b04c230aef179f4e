"""What is upstream of everything that is trained: computed once for every image, and kept while it fits in memory.

An image is recognised by its pixels, all of them: data that changes, augmentation, another order or another batch size
can never be answered with what was computed of other pixels. Kept are values of nodes that come with cuvisc and do the
same in every epoch; a node of one's own, which may draw random numbers, is computed every time. Images are computed one
by one, so that a value does not depend on what else is in the batch, whether it is kept or not.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.module import CompiledGraph
from cuvisc.language.node import Node
from cuvisc.runtime.progress import log

_SAMPLED = 64
_SHARE = 4
_UNKNOWN = 2**30
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
_CGROUP = Path("/sys/fs/cgroup")


@dataclass
class _Image:
    """The pixels of an image and what was computed of them, with versions that show whether someone wrote into it."""

    pixels: Tensor
    values: dict[ValueRef, Tensor] = field(default_factory=dict)
    versions: dict[ValueRef, int] = field(default_factory=dict)

    def knows(self, wanted: Collection[ValueRef]) -> bool:
        return all(ref in self.values and self.values[ref]._version == self.versions[ref] for ref in wanted)


class FrozenValues:
    """Values of frozen nodes for cubes [B,H,W,C]; `limit` bytes of them are kept, None keeps all, 0 none."""

    def __init__(self, module: CompiledGraph, trained: Collection[str], limit: int | None) -> None:
        self._module = module
        self._limit = limit
        self.nodes = _steady_nodes(module, trained)
        self._known: dict[object, list[_Image]] = {}
        self._bytes = 0
        self._stamp: tuple[tuple[int, int], ...] = ()
        self.hits = 0

    def start_epoch(self) -> None:
        """Give up when nothing of the last epoch was seen before: the data is never the same."""
        if self._known and not self.hits:
            self._forget()
            self._limit = 0
            log.debug("Cache: given up, no image of an epoch came again in the next")
        self.hits = 0

    def describe(self) -> str:
        """What is kept, for people."""
        if not self.nodes:
            return "Cache: nothing, what is trained changes every value"
        names = ", ".join(f"`{name}`" for name in sorted(self.nodes))
        if self._limit == 0:
            return f"Cache: off; run again in every epoch: {names}"
        room = "however much that is" if self._limit is None else f"in up to {self._limit / 1e6:,.0f} MB"
        return f"Cache: outputs of {names} are kept for every image, {room}"

    @torch.no_grad()
    def __call__(self, cube: Tensor, wanted: Collection[ValueRef]) -> dict[ValueRef, Tensor]:
        """The wanted values, each of a node in `nodes`."""
        if not wanted:
            return {}
        stamp = tuple((id(value), value._version) for value in self._state())
        if stamp != self._stamp:
            self._forget()
            self._stamp = stamp
        # What is kept must be fit for training, even when it was first computed in a validation.
        with torch.inference_mode(False):
            found = [self._values(image, wanted) for image in torch.split(cube, 1)]
        if len(found) == 1:
            return found[0]
        return {ref: torch.cat([values[ref] for values in found]) for ref in wanted}

    def _values(self, pixels: Tensor, wanted: Collection[ValueRef]) -> dict[ValueRef, Tensor]:
        if self._limit == 0:
            return self._compute(pixels, wanted)
        alike = self._known.setdefault(_fingerprint(pixels), [])
        image = next((image for image in alike if _same(image.pixels, pixels)), None)
        if image is not None and image.knows(wanted):
            self.hits += 1
            return {ref: image.values[ref] for ref in wanted}
        values = self._compute(pixels, wanted)
        added = sum(_size(value) for value in values.values()) + (_size(pixels) if image is None else 0)
        if self._limit is None or self._bytes + added <= self._limit:
            if image is None:
                image = _Image(pixels.clone())
                alike.append(image)
            image.values |= values
            image.versions |= {ref: value._version for ref, value in values.items()}
            self._bytes += added
        return values

    def _compute(self, pixels: Tensor, wanted: Collection[ValueRef]) -> dict[ValueRef, Tensor]:
        values = self._module.evaluate(pixels, wanted)
        return {ref: values[ref] for ref in wanted}

    def _state(self) -> Sequence[Tensor]:
        nodes = [self._module.node(name) for name in sorted(self.nodes)]
        return [tensor for node in nodes for tensor in (*node.parameters(), *node.buffers())]

    def _forget(self) -> None:
        self._known.clear()
        self._bytes = 0


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


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two images have the same bits: a pixel without data is NaN, which equals nothing."""
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(_bits(one), _bits(other))


def _bits(pixels: Tensor) -> Tensor:
    return pixels.view(_INTEGERS[pixels.element_size()]) if pixels.is_floating_point() else pixels


def _fingerprint(pixels: Tensor) -> object:
    """A few of the pixels: enough to find the image again among many."""
    flat = pixels.reshape(-1)
    shown = _bits(flat[:: len(flat) // _SAMPLED + 1])
    return pixels.dtype, tuple(pixels.shape), tuple(shown.tolist())


def _size(value: Tensor) -> int:
    return value.numel() * value.element_size()


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
