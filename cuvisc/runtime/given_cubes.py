"""Cubes as Python code holds them to a tensor that torch can compute on. Never onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cuvisc.schema.errors import DataError

_NUMBERS = "buif"


def as_cubes(cube: Any) -> Tensor:
    """The values as a tensor, copied where torch cannot share them: of another byte order, reversed, or read-only.

    Raises :class:`DataError` for what is no array of real numbers.
    """
    try:
        if isinstance(cube, np.ndarray):
            if cube.dtype.kind not in _NUMBERS:
                raise TypeError(str(cube.dtype))
            cube = np.require(cube, cube.dtype.newbyteorder("="), ["C", "W"])
        return torch.as_tensor(cube)
    except (TypeError, ValueError, RuntimeError) as error:
        found = f"an array of {cube.dtype}" if isinstance(cube, np.ndarray) else type(cube).__name__
        raise DataError(f"a batch of cubes is an array of real numbers [B,H,W,C], got {found}") from error
