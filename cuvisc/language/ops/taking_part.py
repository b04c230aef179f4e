"""Which pixels of an image its statistics are of: a pixel with a band that is not finite takes no part in them.

The other pixels of its image are as if it did not exist. :func:`leaving_out` leaves out pixels that are finite, too:
training replaces what it lacks, for a gradient through a value that is not finite is not finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .op import OnnxBuilder

_LEFT_OUT: ContextVar[Tensor | None] = ContextVar("left_out", default=None)


@contextmanager
def leaving_out(missing: Tensor | None) -> Iterator[None]:
    """While it lasts, statistics of images [B,H,W,C] are not of the pixels of this mask [B,H,W,1]."""
    token = _LEFT_OUT.set(missing)
    try:
        yield
    finally:
        _LEFT_OUT.reset(token)


class TakingPart(NamedTuple):
    """`pixels` take part, bool [B,H,W,1]; `finite` ones have a value; `empty` images [B,1,1,1] have no finite pixel.

    Where no pixel of an image may take part, all do: what comes of them is looked at by nobody, and is computable.
    """

    pixels: Tensor
    finite: Tensor
    empty: Tensor

    @property
    def share(self) -> Tensor:
        """How many of all pixels of each image that is, float64 [B,1,1,1]; exactly 1 where it is all."""
        return self.pixels.double().mean(dim=(1, 2), keepdim=True)


def taking_part(x: Tensor) -> TakingPart | None:
    """The pixels that take part; None where they all do, if one sum says so: it does on a CPU, a GPU is not waited for.

    What is traced is computed for any pixels.
    """
    left_out = _LEFT_OUT.get()
    if left_out is not None and left_out.shape[:-1] != x.shape[:-1]:
        left_out = None
    if left_out is None and _is_cheap_to_ask(x) and bool(torch.isfinite(x.detach().sum())):
        return None
    finite = torch.isfinite(x.detach()).all(dim=-1, keepdim=True)
    pixels = finite if left_out is None else finite & ~left_out
    return TakingPart(pixels | ~_any(pixels), finite, ~_any(finite))


def _any(pixels: Tensor) -> Tensor:
    """Of each image, [B,1,1,1]."""
    return pixels.flatten(1).any(dim=1)[:, None, None, None]


def _is_cheap_to_ask(x: Tensor) -> bool:
    traced = torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined, no-untyped-call]
    return x.device.type == "cpu" and not traced


class OnnxTakingPart:
    """The same in ONNX: `pixels` and `empty` bool, and `mark` [B,H,W,1], 0 where a pixel is finite and else NaN.

    `all`, bool [], says that no pixel of any image is left out, and nothing need be.
    """

    def __init__(self, b: OnnxBuilder, x: str) -> None:
        # x - x is 0 for finite numbers alone, and so is its sum.
        last = b.constant("bands", [-1], "int64")
        self.mark = b.node("ReduceSum", b.node("Sub", x, x), last, keepdims=1)
        broken = b.node("Cast", b.node("IsNaN", self.mark), to=1)
        self._image = b.constant("image", [1, 2], "int64")
        half = b.constant("half", np.float64(0.5))
        self.all = b.node("Less", b.node("ReduceMax", broken, keepdims=0), half)
        self.empty = b.node("Greater", b.node("ReduceMin", broken, self._image, keepdims=1), half)
        self.pixels = b.node("Or", b.node("Less", broken, half), self.empty)

    def share(self, b: OnnxBuilder) -> str:
        """How many of all pixels of each image take part, float64 [B,1,1,1]; exactly 1 where it is all."""
        return b.node("ReduceMean", b.node("Cast", self.pixels, to=11), self._image, keepdims=1)
