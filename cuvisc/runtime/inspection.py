"""A cube file to what is in it: facts, statistics and a mean spectrum in one pass, a picture. Never torch.

Statistics are of the values that are finite and not the file's number for no data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.nodata import stored_nodata, values_without_data
from cuvisc.runtime.data.source import CubeSource
from cuvisc.schema.errors import DataError

_BLOCK_VALUES = 2**20
_LARGEST_PICTURE = 1600
TARGETS_NM = (665.0, 560.0, 492.0)
_NEAR_NM = 25.0


@dataclass(frozen=True)
class Inspection:
    """`minimum`, `maximum` and `mean` of all valid values, `mean_spectrum` [C] with NaN where a band has none."""

    facts: CubeFacts
    pixels: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    non_finite_values: int
    nodata_values: int
    nodata_pixels: int
    mean_spectrum: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Everything for `--json`."""
        return {
            **self.facts.to_json(),
            "pixels": self.pixels,
            "min": self.minimum,
            "max": self.maximum,
            "mean": self.mean,
            "non_finite_values": self.non_finite_values,
            "nodata_values": self.nodata_values,
            "nodata_pixels": self.nodata_pixels,
            "mean_spectrum": [None if np.isnan(value) else value for value in self.mean_spectrum.tolist()],
        }


def inspect_cube(source: CubeSource, progress: Callable[[int], None] = lambda pixels: None) -> Inspection:
    """Read a cube once."""
    bands = source.shape[3]
    nodata = stored_nodata(source.facts.nodata, source.dtype)
    sums, counts = np.zeros(bands), np.zeros(bands, np.int64)
    low, high = np.inf, -np.inf
    non_finite = nodata_values = nodata_pixels = 0
    for block, spectra in source.blocks(max(1, _BLOCK_VALUES // bands)):
        flat = spectra.reshape(-1, bands)
        valid = np.isfinite(flat) if flat.dtype.kind == "f" else np.ones(flat.shape, bool)
        if nodata is not None:
            none = values_without_data(flat, nodata)
            nodata_values += int(np.count_nonzero(none))
            nodata_pixels += int(np.count_nonzero(none.all(axis=1)))
            non_finite += int(np.count_nonzero(~valid & ~none))
            valid &= ~none
        else:
            non_finite += int(np.count_nonzero(~valid))
        if valid.any():
            counted = flat if valid.all() else flat[valid]
            low, high = min(low, float(counted.min())), max(high, float(counted.max()))
            sums += np.sum(flat, axis=0, where=valid, dtype=np.float64)
            counts += np.count_nonzero(valid, axis=0)
        progress(block.pixels)
    total = int(counts.sum())
    with np.errstate(invalid="ignore"):
        spectrum = sums / np.where(counts, counts, np.nan)
    return Inspection(
        source.facts,
        source.pixels,
        low if total else None,
        high if total else None,
        float(sums.sum()) / total if total else None,
        non_finite,
        nodata_values,
        nodata_pixels,
        spectrum,
    )


def choose_bands(facts: CubeFacts) -> tuple[tuple[int, int, int], str]:
    """Bands for red, green and blue, counted from 0, and words for them.

    The file's own default bands, else those nearest to 665, 560 and 492 nm within 25 nm, else first, middle and last.
    """
    chosen = facts.default_bands
    if chosen is None and facts.wavelengths is not None:
        centers = np.asarray(facts.wavelengths)
        distances = np.abs(centers[:, None] - np.array(TARGETS_NM))
        if (distances.min(axis=0) <= _NEAR_NM).all():
            chosen = tuple(int(band) for band in distances.argmin(axis=0))
    if chosen is None:
        chosen = (0, facts.bands // 2, facts.bands - 1)
    if facts.wavelengths is not None:
        words = " / ".join(f"{facts.wavelengths[band]:.0f}" for band in chosen) + " nm"
    else:
        words = "bands " + " / ".join(str(band + 1) for band in chosen) + f" of {facts.bands}"
    return (chosen[0], chosen[1], chosen[2]), words


def quick_look(source: CubeSource) -> tuple[NDArray[np.float64], str]:
    """A picture [rows,columns,3] in [0,1], each channel stretched from its 2 % to its 98 % quantile, and its title.

    What has no data is white.
    """
    chosen, words = choose_bands(source.facts)
    step = -(-max(source.shape[1:3]) // _LARGEST_PICTURE)
    picture = source.bands(chosen, step).astype(np.float64)
    nodata = stored_nodata(source.facts.nodata, source.dtype)
    for channel in np.moveaxis(picture, -1, 0):
        valid = np.isfinite(channel) if nodata is None else np.isfinite(channel) & (channel != float(nodata))
        low, high = np.quantile(channel[valid], (0.02, 0.98)) if valid.any() else (0.0, 1.0)
        channel[...] = np.where(valid, np.clip((channel - low) / ((high - low) or 1.0), 0, 1), 1.0)
    return picture, f"{words}, 2-98 %{f', every {step}. pixel' if step > 1 else ''}"


def draw_png(source: CubeSource, path: Path, name: str) -> None:
    """Write the quick look as PNG, its title naming file and bands; raises :class:`DataError` without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DataError(
            f"a picture needs the package matplotlib, which cannot be imported ({error}): pip install matplotlib"
        ) from error
    picture, words = quick_look(source)
    height, width = picture.shape[:2]
    figure = Figure(figsize=(6, max(1.5, min(12, 6 * height / width + 0.6))), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(picture, interpolation="nearest")
    axes.set_title(f"{name}\n{words}", fontsize=9)
    axes.set_axis_off()
    figure.savefig(path, format="png", metadata={"Software": None})
