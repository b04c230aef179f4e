"""Images, and what was computed of each: kept while it fits, and recognised by the pixels, all of them.

Data that changes, augmentation, another order or another batch size can never be answered with what was computed of
other pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from cuvisc.runtime.progress import log

_SAMPLED = 64
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}

K = TypeVar("K", bound=Hashable)


@dataclass
class _Image(Generic[K]):
    """The pixels of an image and what was computed of them, with versions that show whether someone wrote into it."""

    pixels: Tensor
    values: dict[K, Tensor] = field(default_factory=dict)
    versions: dict[K, int] = field(default_factory=dict)

    def knows(self, wanted: Collection[K]) -> bool:
        return all(key in self.values and self.values[key]._version == self.versions[key] for key in wanted)


class ImageMemory(Generic[K]):
    """Values of images by key; `limit` bytes of them are kept, None keeps all, 0 none."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.hits = 0
        self._known: dict[object, list[_Image[K]]] = {}
        self._bytes = 0
        self._had_some = False

    def start_epoch(self) -> None:
        """Give up when nothing of the last epoch was seen before, though there was something: data never the same."""
        if self._had_some and not self.hits:
            self.forget()
            self.limit = 0
            log.debug("Cache: given up, no image of an epoch came again in the next")
        self.hits, self._had_some = 0, len(self) > 0

    def values(
        self, pixels: Tensor, wanted: Collection[K], compute: Callable[[Tensor], Mapping[K, Tensor]]
    ) -> Mapping[K, Tensor]:
        """The wanted values of an image [1,H,W,C]: those kept, else computed, and kept where there is room."""
        if self.limit == 0:
            return compute(pixels)
        alike = self._known.setdefault(_fingerprint(pixels), [])
        image = next((image for image in alike if _same(image.pixels, pixels)), None)
        if image is not None and image.knows(wanted):
            self.hits += 1
            return {key: image.values[key] for key in wanted}
        values = compute(pixels)
        added = sum(_size(value) for value in values.values()) + (_size(pixels) if image is None else 0)
        if self.limit is None or self._bytes + added <= self.limit:
            if image is None:
                image = _Image(pixels.clone())
                alike.append(image)
            image.values |= values
            image.versions |= {key: value._version for key, value in values.items()}
            self._bytes += added
        return values

    def __len__(self) -> int:
        return sum(len(alike) for alike in self._known.values())

    def forget(self) -> None:
        """Keep nothing of what there was."""
        self._known.clear()
        self._bytes = 0


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
