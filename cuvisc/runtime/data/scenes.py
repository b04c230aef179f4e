"""Scenes that come with Python packages, as arrays. NumPy only; the package is imported when a scene is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.source import read_array
from cuvisc.schema.errors import DataError

_INDIAN_PINES = {"cube": "Indian_pines_corrected.npy", "labels": "Indian_pines_gt.npy"}


@dataclass(frozen=True)
class Scene:
    """One image: `cube` [H,W,C] in its native dtype, class ids `labels` [H,W], `wavelengths` [C] in nanometres."""

    cube: NDArray[Any]
    labels: NDArray[np.uint8]
    wavelengths: NDArray[np.float64] | None

    def mask(self, anomaly_class: int) -> NDArray[np.uint8]:
        """1 where the label is the class that counts as the anomaly; raises :class:`DataError` when none has it."""
        mask: NDArray[np.uint8] = (self.labels == anomaly_class).astype(np.uint8)
        if not mask.any():
            present = ", ".join(str(label) for label in np.unique(self.labels))
            raise DataError(f"no pixel has the class {anomaly_class}; the classes are {present}")
        return mask


def indian_pines(folder: Path | None = None) -> Scene:
    """AVIRIS Indian Pines, 145x145x200 uint16, 16 classes (0 is unlabelled); Baumgardner et al. 2015, CC BY 3.0.

    From the `.npy` files of that name in `folder`, without one from the tensorly package. Raises :class:`DataError`.
    """
    if folder is not None:
        _require(folder, tuple(_INDIAN_PINES.values()))
        cube, labels = (read_array(folder / name, key) for key, name in _INDIAN_PINES.items())
        return Scene(cube, labels.astype(np.uint8), None)
    try:
        from tensorly.datasets import load_indian_pines
    except ImportError as error:
        raise DataError(
            f"Indian Pines is read from the tensorly package, which cannot be imported ({error}): "
            "pip install 'cuvisc[data]'"
        ) from error
    bunch = load_indian_pines()
    labels, wavelengths = bunch.ticks
    # tensorly hands out float64; the file it read is uint16.
    cube = np.asarray(bunch.tensor).astype(np.uint16)
    return Scene(cube, np.asarray(labels, np.uint8), np.asarray(wavelengths, np.float64))


def _require(folder: Path, names: tuple[str, ...]) -> None:
    """Raise :class:`DataError` unless a folder holds these files."""
    if not folder.is_dir():
        raise DataError(f"IndianPines: the folder {folder} does not exist (relative to {Path.cwd()})")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"IndianPines: {folder} holds no {' and no '.join(missing)}; "
            "without `data_dir` the scene is the tensorly package's"
        )


SCENES: dict[str, tuple[Callable[[], Scene], int]] = {"indian-pines": (indian_pines, 16)}
"""Scenes by name, with the class that is taken as the anomaly unless another is asked for."""
