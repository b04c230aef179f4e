"""A batch, as the data module made it, to what leaves read of it: the truth and the cube. Knows no leaf."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cuvisc.language.leaf import Batch, BatchError


def find(batch: Batch, reader: str, *names: str) -> tuple[str, Tensor]:
    """The first of the names that the batch holds, and its tensor; raises :class:`BatchError`."""
    for name in names:
        if batch.get(name) is not None:
            return name, torch.as_tensor(batch[name])
    wanted = f"`{names[0]}`" + "".join(f" (or `{name}`)" for name in names[1:])
    held = ", ".join(name for name, value in batch.items() if value is not None) or "nothing"
    raise BatchError(f"{reader} reads {wanted} of the batch, which holds {held}")


def has_truth(batch: Batch) -> bool:
    """Whether the batch says where the anomalies are."""
    return batch.get("mask") is not None or batch.get("labels") is not None


def has_mask(batch: Batch) -> bool:
    """Whether the batch calls pixels anomalous: by a mask, or by labels of 0 and 1 alone; more of them are classes."""
    labels = batch.get("labels")
    return batch.get("mask") is not None or (
        labels is not None and bool((torch.as_tensor(labels) <= 1).all())
    )


def truth(batch: Batch, output: Tensor, reader: str) -> Tensor:
    """Where the anomalies are: ``mask`` > 0, else ``labels`` > 0, as bool [B,H,W,1]; raises :class:`BatchError`."""
    name, mask = find(batch, reader, "mask", "labels")
    return per_pixel(mask, name, output, reader).to(output.device) > 0


def per_pixel(values: Tensor, name: str, output: Tensor, reader: str) -> Tensor:
    """Values [B,H,W] or [B,H,W,1] as [B,H,W,1], checked against the output's B, H and W."""
    shaped = values if values.ndim == 4 else values.unsqueeze(-1)
    if shaped.shape != (*output.shape[:3], 1):
        raise BatchError(
            f"{reader}: `{name}` is {list(values.shape)}, but the output it is compared with is {list(output.shape)}; "
            "they must agree in B, H and W"
        )
    return shaped


def input_cube(batch: Batch, reader: str) -> Tensor:
    """The graph's input [B,H,W,C], under either of its names; raises :class:`BatchError`."""
    return find(batch, reader, "cube", "x")[1]


def lacks_data(batch: Batch, output: Tensor) -> Tensor:
    """Where a pixel of the graph's input has a band that is not finite, bool [B,H,W,1]; everywhere without an input."""
    cube = batch.get("cube") if batch.get("cube") is not None else batch.get("x")
    if cube is None or cube.shape[:-1] != output.shape[:-1]:
        return torch.ones(*output.shape[:-1], 1, dtype=torch.bool, device=output.device)
    if not cube.is_floating_point():
        return torch.zeros(*output.shape[:-1], 1, dtype=torch.bool, device=output.device)
    return ~torch.isfinite(cube.sum(dim=-1, keepdim=True)).to(output.device)


def widened(values: Tensor) -> Tensor:
    """Half precision and whole numbers as float32; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def array(values: Tensor) -> NDArray[Any]:
    """A tensor as a NumPy array on the CPU, half precision widened."""
    return np.asarray((widened(values) if values.is_floating_point() else values).detach().cpu().numpy())
