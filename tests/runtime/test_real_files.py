"""Real files of every format are read with the values and facts that were written down when they were collected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.source import CubeSource, read_array

FORMATS = Path(__file__).parents[2].parent / "shared" / "data" / "formats"
pytestmark = pytest.mark.skipif(not FORMATS.is_dir(), reason=f"the real files are not in {FORMATS}")


def read(name: str, key: str | None = None) -> tuple[np.ndarray[Any, Any], CubeFacts]:
    """The cube put together from blocks of 100 pixels, and the facts."""
    with CubeSource.open(FORMATS / name, key) as source:
        whole = np.empty(source.shape, source.dtype)
        for block, values in source.blocks(100):
            whole[block.image, block.top : block.bottom, block.left : block.right] = values
        return whole[0], source.facts


def check(cube: np.ndarray[Any, Any], low: float, high: float, mean: float) -> None:
    assert (cube.min(), cube.max()) == (low, high)
    assert cube.mean(dtype=np.float64) == pytest.approx(mean, abs=5e-7)


@pytest.mark.parametrize("suffix", ["hdr", "raw"])
def test_envi_bil_with_a_header_that_leaves_things_out(suffix: str) -> None:
    path = FORMATS / "corn-kernel-hyperspectral.hdr"
    cube, facts = read(f"corn-kernel-hyperspectral.{suffix}")
    assert (cube.shape, cube.dtype) == ((31, 43, 580), np.uint16)
    check(cube, 0, 2887, 601.543934)
    assert cube[0, 0, :4].tolist() == [22, 18, 18, 23]
    assert cube[15, 20, 300] == 2423
    assert facts.wavelengths is not None
    assert (len(facts.wavelengths), facts.wavelengths[0], facts.wavelengths[-1]) == (580, 366.551, 1048.421)
    (warning,) = facts.warnings
    assert warning == (
        f"{path} leaves out what the format demands; `byte order = 0`, `header offset = 0`, "
        "`file type = ENVI Standard` is assumed"
    )


def test_geotiff_with_wavelengths_in_band_tags() -> None:
    cube, facts = read("enmap_potsdam_tile_128_96.tif")
    assert (cube.shape, cube.dtype) == ((32, 32, 224), np.float32)
    assert (facts.nodata, facts.scale) == (-32768.0, 10000.0)
    np.testing.assert_array_equal(np.flatnonzero((cube == -32768).all(axis=(0, 1))), range(129, 135))
    assert facts.wavelengths is not None
    assert facts.fwhm is not None
    assert (facts.wavelengths[0], facts.wavelengths[-1], facts.fwhm[0]) == (418.24, 2445.53, 6.99561)
    assert facts.good_bands is not None
    assert len(facts.good_bands) == 224
    assert facts.georeference is not None
    assert facts.georeference.transform == (30.0, 0.0, 366015.0, 0.0, -30.0, 5807085.0)
    assert facts.georeference.crs is not None
    assert facts.georeference.crs.startswith('PROJCS["WGS 84 / UTM zone 33N"')
    labels = read_array(FORMATS / "enmap_potsdam_tile_128_96_label.tif")
    assert (labels.shape, labels.min(), labels.max()) == ((32, 32, 1), 0, 6)


def test_hdf5_in_the_layout_of_neon() -> None:
    cube, facts = read("neonhs_ex.h5")
    assert (cube.shape, cube.dtype) == ((30, 30, 426), np.int32)
    check(cube, 0, 14998, 1535.926635)
    assert facts.dataset == "SJER/Reflectance/Reflectance_Data"
    assert (facts.scale, facts.nodata) == (10000.0, -9999.0)
    assert facts.wavelengths is not None
    assert facts.wavelengths[0] == pytest.approx(383.53, abs=0.01)
    assert facts.wavelengths[-1] == pytest.approx(2511.89, abs=0.01)
    assert facts.georeference is not None
    assert (facts.georeference.crs, facts.georeference.transform) == (
        "EPSG:32611",
        (1.0, 0.0, 257000.0, 0.0, -1.0, 4112000.0),
    )


def test_mat_of_version_5() -> None:
    cube, facts = read("a_hsi_img_for_VI_demo.mat")
    assert (cube.shape, cube.dtype, facts.dataset) == ((90, 90, 224), np.int16, "hsi_img")
    check(cube, -12, 8143, 1514.392389)
    assert facts.wavelengths is not None
    assert facts.wavelengths[0] == pytest.approx(365.9, abs=0.05)
    assert facts.wavelengths[-1] == pytest.approx(2496.2, abs=0.05)
    scipy = pytest.importorskip("scipy.io")
    loaded = scipy.loadmat(FORMATS / "a_hsi_img_for_VI_demo.mat")
    np.testing.assert_array_equal(cube, loaded["hsi_img"])


def test_mat_of_version_7_3_has_its_axes_back() -> None:
    cube, facts = read("HYDICE1_v73.mat")
    assert (cube.shape, facts.dataset) == ((80, 100, 162), "image")
    assert (cube.min(), cube.max()) == (0, 1)
    assert facts.wavelengths is None
    mask = read_array(FORMATS / "HYDICE1_v73.mat", "mask")
    assert mask.shape == (80, 100)
    assert np.count_nonzero(mask) == 17
    assert rx_auc(cube, mask > 0) == pytest.approx(0.9932, abs=5e-5)


def rx_auc(cube: np.ndarray[Any, Any], positive: np.ndarray[Any, Any]) -> float:
    """AUC of global RX in float64: axes in a wrong order would not reach the published value."""
    spectra = cube.reshape(-1, cube.shape[-1]).astype(np.float64)
    centered = spectra - spectra.mean(axis=0)
    scores = np.einsum("ij,jk,ik->i", centered, np.linalg.pinv(np.cov(spectra.T)), centered)
    ranks = scores.argsort().argsort() + 1
    positives = np.count_nonzero(positive)
    total = ranks[positive.reshape(-1)].sum() - positives * (positives + 1) / 2
    return float(total / positives / (scores.size - positives))
