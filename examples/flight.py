"""The flight of docs/tutorial.md: strips of a meadow in ENVI files, with green tarpaulins lying in the grass.

    python examples/flight.py

writes `flight/` with three strips and their masks and `new/` with two strips that nobody has looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE, CENTERS = 80, np.arange(400.0, 1001.0, 10.0)
TRAINING, VALIDATION, NEW = ("strip_1", "strip_2"), "strip_3", ("strip_4", "strip_5")
_TARPAULINS = 4

Array = NDArray[Any]


def write_flight(folder: Path) -> None:
    """The five strips, below a folder."""
    for number, name in enumerate((*TRAINING, VALIDATION, *NEW), start=1):
        cube, mask = strip(number)
        place = folder / ("new" if name in NEW else "flight")
        place.mkdir(exist_ok=True)
        write_envi(place / f"{name}.hdr", cube, name.replace("_", " "), 512000 + 100 * number)
        if name not in NEW:
            Image.fromarray(255 * mask).save(place / f"{name}_mask.png")


def write_envi(header: Path, cube: Array, title: str, easting: int) -> None:
    """A cube uint16 [H,W,C] as a header and its data, interleaved by line, as cameras write it."""
    height, width, bands = cube.shape
    cube.transpose(0, 2, 1).astype("<u2").tofile(header.with_suffix(".img"))
    header.write_text(
        f"""ENVI
description = {{meadow, {title}, reflectance x 10000}}
samples = {width}
lines = {height}
bands = {bands}
header offset = 0
file type = ENVI Standard
data type = 12
interleave = bil
byte order = 0
map info = {{UTM, 1, 1, {easting}, 5403000, 0.5, 0.5, 32, North, WGS-84}}
reflectance scale factor = 10000
wavelength units = Nanometers
wavelength = {{{", ".join(f"{center:.1f}" for center in CENTERS)}}}
""",
        encoding="utf-8",
    )


def strip(seed: int) -> tuple[Array, Array]:
    """Reflectance x 10000 uint16 [H,W,C], and 1 where there is a tarpaulin, uint8 [H,W]."""
    random = np.random.default_rng(seed)
    soil_share = np.clip(_clouds(random), 0.02, 0.98)[..., None]
    light = 1 + 0.1 * _clouds(random)[..., None]
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for row, column in random.integers(4, SIZE - 8, (_TARPAULINS, 2)):
        mask[row : row + 3, column : column + 4] = 1
    ground = soil_share * _soil() + (1 - soil_share) * _grass()
    covered = (mask * random.uniform(0.06, 0.5, mask.shape))[..., None]
    spectra = light * ((1 - covered) * ground + covered * _tarpaulin())
    noisy = spectra + 0.012 * random.normal(size=spectra.shape)
    return np.rint(10_000 * np.clip(noisy, 0, 1)).astype(np.uint16), mask


def _clouds(random: np.random.Generator) -> Array:
    """Smooth values between about 0 and 1, [H,W]."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
    shaped = np.fft.ifft2(
        np.fft.fft2(random.normal(size=(SIZE, SIZE))) * np.exp(-((frequencies / 0.05) ** 2))
    )
    field = shaped.real
    return np.asarray((field - field.min()) / (field.max() - field.min()))


def _bump(center: float, width: float) -> Array:
    return np.asarray(np.exp(-(((CENTERS - center) / width) ** 2)))


def _edge(center: float, width: float) -> Array:
    return np.asarray(1 / (1 + np.exp(-(CENTERS - center) / width)))


def _grass() -> Array:
    """Chlorophyll: a small green peak, and the red edge."""
    return 0.03 + 0.06 * _bump(552, 35) + 0.42 * _edge(718, 12)


def _soil() -> Array:
    return 0.06 + 0.26 * (CENTERS - 400) / 600


def _tarpaulin() -> Array:
    """Green as grass to the eye, without the red edge."""
    return 0.05 + 0.11 * _bump(545, 45) + 0.16 * _edge(800, 40)


if __name__ == "__main__":
    write_flight(Path())
    print("flight/  new/")
