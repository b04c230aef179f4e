"""Pixels of which ground truth says nothing take no part in training, as they take none in `evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_checks import checked
from format_files import centers_of, cube_of, write_envi, write_tiff
from lightning.pytorch import LightningDataModule
from memory_data import ANOMALY

from cuvisc.runtime import CubeFiles
from cuvisc.runtime.data.cube_folder import CubeFolder
from cuvisc.schema.errors import DataError

MASK = np.zeros((7, 9), "u1")
MASK[2:4] = 1
MASK[5:] = 255
UNKNOWN = MASK == 255


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_scene(mask: Any, nodata: float | None) -> Any:
    """`a.hdr` of whole numbers, and `a_mask.tif` with its number for no data."""
    cube = cube_of((7, 9, 5))
    write_envi(Path("a.hdr"), cube, "bil", wavelength=centers_of(5), **{"wavelength units": "nm"})
    write_tiff(Path("a_mask.tif"), mask[..., None], nodata=nodata)
    return cube


@pytest.mark.parametrize(
    "make", [lambda: CubeFiles(train="a.hdr"), lambda: CubeFolder(train="a.hdr", mask="{stem}_mask.tif")]
)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_they_are_pixels_without_data(
    folder: Path, make: Callable[[], LightningDataModule], dtype: str
) -> None:
    cube = write_scene(MASK.astype(dtype), 255)
    (batch,) = make().train_dataloader()
    pixels = batch["cube"][0].numpy()
    assert np.isnan(pixels[UNKNOWN]).all()
    np.testing.assert_array_equal(pixels[~UNKNOWN], cube[~UNKNOWN])
    np.testing.assert_array_equal(batch["mask"][0].numpy() > 0, MASK == 1)


def test_a_number_for_no_data_that_is_not_a_number(folder: Path) -> None:
    write_scene(np.where(UNKNOWN, np.nan, MASK).astype("f4"), np.nan)
    (batch,) = CubeFiles(train="a.hdr").train_dataloader()
    np.testing.assert_array_equal(np.isnan(batch["cube"][0].numpy()).all(axis=-1), UNKNOWN)


def test_zero_as_the_number_for_no_data_is_the_background(folder: Path) -> None:
    mask = np.minimum(MASK, 1)
    cube = write_scene(mask, 0)
    (batch,) = CubeFiles(train="a.hdr").train_dataloader()
    np.testing.assert_array_equal(batch["cube"][0].numpy(), cube)
    np.testing.assert_array_equal(batch["mask"][0].numpy(), mask)


def test_what_is_not_a_number_and_not_declared_is_an_error(folder: Path) -> None:
    write_scene(MASK, None)
    Path("a_mask.tif").unlink()
    np.save("a_mask.npy", np.where(UNKNOWN, np.nan, MASK))
    with pytest.raises(DataError) as caught:
        list(CubeFiles(train="a.hdr").train_dataloader())
    assert str(caught.value) == (
        "a_mask.npy: `mask` is not a number on 18 pixels; write a number where nothing is known, and say in the file "
        "that it stands for no data"
    )


def test_they_are_counted_as_ignored(folder: Path) -> None:
    write_scene(MASK, 255)
    found = checked("type: CubeFiles, train: a.hdr", ANOMALY)
    balance = found.survey.balances["train"]
    assert (balance.pixels, balance.ignored, balance.anomalies) == (63, 18, 18)
    assert [finding.message for finding in found.findings if "the mask holds" in finding.message] == []
