"""Band centres as a data loader makes them of those of every sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def collated_centers(found: Any, bands: int) -> NDArray[np.float64] | None:
    """Band centres in nanometres [C] of one copy, of copies one below the other, or of lists of one band's copies.

    None where there are none for so many bands, or some are not finite.
    """
    if found is None:
        return None
    centers = np.asarray(_plain(found), dtype=np.float64)
    if centers.ndim == 2:
        centers = centers[0] if centers.shape[1] == bands else centers[:, 0]
    return centers if centers.shape == (bands,) and np.isfinite(centers).all() else None


def _plain(values: Any) -> Any:
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    return values
