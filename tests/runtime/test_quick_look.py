"""The picture beside a raster: read back by matplotlib, against a reduction of the whole plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from numpy.typing import NDArray

from cuvisc.runtime.data.source import Block
from cuvisc.runtime.data.writers.plane import Plane
from cuvisc.runtime.quick_look import QuickLook

NOTHING = [200, 200, 200]


def drawn(
    path: Path, values: NDArray[np.generic], without: NDArray[np.bool_], rows: int = 7
) -> NDArray[np.uint8]:
    """The picture of a plane [rows,columns,bands] that comes in strips."""
    height, width, bands = values.shape
    classes = ["normal", "anomaly"] if values.dtype.kind == "b" else None
    dtype = np.dtype("u1" if classes else "f4")
    look = QuickLook(path, (height, width), Plane("a.b", None, dtype, bands, float("nan"), classes))
    for top in range(0, height, rows):
        block = Block(0, top, min(top + rows, height), 0, width)
        look.put(block, values[top : top + rows], without[top : top + rows])
    look.save()
    return np.rint(imread(path)[..., :3] * 255).astype(np.uint8)


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32))
def test_no_detection_is_lost(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, largest: int, rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    decisions = random.random((height, width, 1)) < 0.05
    without = random.random((height, width)) < 0.3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cuvisc.runtime.quick_look.LARGEST", largest)
        picture = drawn(tmp_path_factory.mktemp("look") / "a.png", decisions, without, rows)
    step = -(-max(height, width) // largest)
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            cell = np.s_[row * step : (row + 1) * step, column * step : (column + 1) * step]
            known = decisions[..., 0][cell][~without[cell]]
            expected = NOTHING if not known.size else [213, 94, 0] if known.any() else [224, 224, 224]
            assert picture[row, column].tolist() == expected


def test_higher_scores_are_brighter_and_none_is_grey(tmp_path: Path) -> None:
    scores = np.arange(60, dtype=np.float32).reshape(6, 10, 1)
    without = np.zeros((6, 10), bool)
    without[2, 3] = True
    picture = drawn(tmp_path / "a.png", scores, without)
    assert picture[2, 3].tolist() == NOTHING
    brightness = picture.astype(float).sum(axis=-1)[~without]
    assert (np.diff(brightness) >= 0).all()
    assert brightness[-1] > brightness[0] + 300


def test_three_bands_are_red_green_and_blue(tmp_path: Path) -> None:
    values = np.zeros((4, 5, 4), np.float32)
    for band in range(3):
        values[band, :, band] = 1.0
    picture = drawn(tmp_path / "a.png", values, np.zeros((4, 5), bool))
    assert picture[:, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]]
