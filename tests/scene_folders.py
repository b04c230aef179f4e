"""Folders of small scenes as people keep them: ENVI cubes by Spectral Python, PNG masks by rasterio, COCO beside."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from format_files import Array, centers_of, write_envi
from memory_data import scene
from rasterio.errors import NotGeoreferencedWarning


def write_png(path: Path, values: Array) -> Path:
    """A grey picture [H,W]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        height, width = values.shape
        with rasterio.open(path, "w", "PNG", width=width, height=height, count=1, dtype=values.dtype) as file:
            file.write(values, 1)
    return path


def write_scenes(folder: Path, images: int = 5, size: int = 12, **fields: Any) -> tuple[Array, Array]:
    """`s0.hdr`, `s0.img` and `s0_mask.png` (0, 255), `s1…`; the cubes [N,H,W,6] uint16 and masks [N,H,W] in them."""
    folder.mkdir(parents=True, exist_ok=True)
    spectra, masks = scene(images, size, dtype="float64")
    cubes = np.clip(spectra, 0, 4000).astype("u2")
    for index, (cube, mask) in enumerate(zip(cubes, masks, strict=True)):
        facts = {"wavelength": centers_of(cube.shape[-1]), "wavelength units": "Nanometers", **fields}
        write_envi(folder / f"s{index}.hdr", cube, "bil", **facts)
        write_png(folder / f"s{index}_mask.png", mask * np.uint8(255))
    return cubes, masks


def write_coco(path: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> Path:
    """Annotations of images, with two categories."""
    categories = [{"id": 1, "name": "grain"}, {"id": 3, "name": "stone"}]
    data = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path
