"""What every batch must be, checked where batches enter: a dict with a cube and, perhaps, ground truth.

cube or x        numbers [B,H,W,C], any dtype, any strides
mask, labels     optional, [B,H,W] or [B,H,W,1]
anything else    metadata
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

CUBE_KEYS = ("cube", "x")
TRUTH_KEYS = ("mask", "labels")


def check_batch(batch: Any, source: str) -> Tensor:
    """The batch's cube; raises :class:`DataError` saying what `source` should have given instead."""
    if not isinstance(batch, Mapping):
        raise DataError(f"{source} gave a {type(batch).__name__}; a batch is a dict with `cube` [B,H,W,C]")
    key = next((key for key in CUBE_KEYS if batch.get(key) is not None), None)
    if key is None:
        names = [str(name) for name in batch]
        near = next((name for name in names if did_you_mean(name, CUBE_KEYS)), None)
        hint = f"; rename `{near}`" if near else ""
        held = ", ".join(f"`{name}`" for name in names) or "nothing"
        raise DataError(f"{source} gave a batch without `cube` (or `x`); it holds {held}{hint}")
    cube = batch[key]
    if not isinstance(cube, Tensor):
        raise DataError(f"{source} gave a `{key}` that is a {type(cube).__name__}; a tensor is wanted")
    if cube.ndim != 4 or 0 in cube.shape:
        raise DataError(f"{source} gave a `{key}` of shape {list(cube.shape)}; [B,H,W,C] is wanted")
    if cube.is_complex() or cube.dtype == torch.bool:
        raise DataError(f"{source} gave a `{key}` of {_dtype(cube)}; numbers are wanted")
    for truth in TRUTH_KEYS:
        if batch.get(truth) is not None:
            _check_truth(batch[truth], truth, list(cube.shape[:3]), source)
    return cube


def _check_truth(values: Any, key: str, wanted: list[int], source: str) -> None:
    if not isinstance(values, Tensor):
        raise DataError(f"{source} gave a `{key}` that is a {type(values).__name__}; a tensor is wanted")
    if list(values.shape) not in (wanted, [*wanted, 1]):
        raise DataError(
            f"{source} gave a `{key}` of shape {list(values.shape)}; {wanted} goes with the cube of this batch"
        )


def _dtype(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")
