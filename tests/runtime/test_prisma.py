"""HDF5 in the layout of PRISMA's level 2 products, written with h5py: two cubes of lines, bands, samples."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from cuvisc.runtime.data.source import CubeSource, read_array
from cuvisc.schema.errors import DataError

FIELDS = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"
CENTERS = np.array([998.5, 501.25, 406.9, 0.0], np.float32)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    path = tmp_path / "PRS_L2D.he5"
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file[f"{FIELDS}/VNIR_Cube"] = random.integers(0, 65536, (6, 4, 5)).astype(np.uint16)
        file[f"{FIELDS}/SWIR_Cube"] = random.integers(0, 65536, (6, 7, 5)).astype(np.uint16)
        file.attrs["List_Cw_Vnir"], file.attrs["List_Fwhm_Vnir"] = (
            CENTERS,
            np.array([12, 10, 11, 0], np.float32),
        )
        file.attrs["List_Cw_Swir"] = np.linspace(2497, 943, 7, dtype=np.float32)
        file.attrs["L2ScaleVnirMin"], file.attrs["L2ScaleVnirMax"] = np.float32(0), np.float32(1)
    return path


def test_bands_are_the_last_axis_and_empty_ones_are_bad(product: Path) -> None:
    name = f"{FIELDS}/VNIR_Cube"
    with h5py.File(product) as file:
        stored = file[name][()]
    np.testing.assert_array_equal(read_array(product, name), np.moveaxis(stored, 1, 2))
    with CubeSource.open(product, name) as source:
        facts = source.facts
    assert facts.wavelengths == pytest.approx(CENTERS)
    assert (facts.fwhm, facts.good_bands) == ((12, 10, 11, 0), (True, True, True, False))
    assert facts.scale == 65535


def test_which_of_the_two_is_asked(product: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_array(product)
    assert str(refused.value) == (
        f"{product} holds several cubes: `{FIELDS}/SWIR_Cube`, `{FIELDS}/VNIR_Cube`; "
        f"name one, as in {product.name}::/{FIELDS}/SWIR_Cube"
    )


def test_infrared_has_centres_of_its_own(product: Path) -> None:
    with CubeSource.open(product, f"{FIELDS}/SWIR_Cube") as source:
        assert source.facts.wavelengths == pytest.approx(np.linspace(2497, 943, 7))
        assert (source.shape, source.facts.fwhm, source.facts.scale) == ((1, 6, 5, 7), None, None)
