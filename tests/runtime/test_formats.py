"""Random cubes in every variant of every format are what independent packages wrote and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
from format_files import (
    CRS,
    TRANSFORM,
    centers_of,
    cube_of,
    read_envi,
    write_envi,
    write_h5,
    write_mat,
    write_tiff,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cuvisc.language.types import parse_type
from cuvisc.runtime.artifact import OutputFacts
from cuvisc.runtime.data import h5_file, raster_file, raw_file
from cuvisc.runtime.data import source as source_module
from cuvisc.runtime.data.facts import CubeFacts, Georeference
from cuvisc.runtime.data.source import Block, CubeSource, read_array
from cuvisc.runtime.data.writers.envi import EnviWriter
from cuvisc.runtime.data.writers.geotiff import GeoTiffWriter
from cuvisc.runtime.data.writers.plane import Plane

ENVI_DTYPES = ["u1", "i2", "i4", "f4", "f8", "u2", "u4", "i8", "u8"]
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 7))
Folder = pytest.TempPathFactory


@pytest.fixture
def tiny_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a few pixels, so that small cubes are read in many."""
    for module in (raw_file, raster_file, h5_file):
        monkeypatch.setattr(module, "WINDOW_BYTES", 300)


def random_cube(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return random.normal(size=shape).astype(dtype)
    limits = np.iinfo(np.dtype(dtype))
    return random.integers(limits.min, limits.max, shape, np.dtype(dtype).newbyteorder("="), True).astype(
        dtype
    )


def blocks_of(path: Path, pixels: int, key: str | None = None) -> tuple[NDArray[Any], CubeFacts]:
    """The cube put together from its blocks."""
    with CubeSource.open(path, key) as source:
        whole = np.zeros(source.shape, source.dtype)
        seen = np.zeros(source.shape[:3], int)
        for block, values in source.blocks(pixels):
            where = (block.image, slice(block.top, block.bottom), slice(block.left, block.right))
            whole[where] = values
            seen[where] += 1
            assert values.flags.c_contiguous
            assert block.pixels <= pixels
        assert (seen == 1).all()
        return whole.reshape(source.array_shape), source.facts


@given(
    shape=SHAPES,
    dtype=st.sampled_from(ENVI_DTYPES),
    order=st.sampled_from("<>"),
    interleave=st.sampled_from(["bsq", "bil", "bip"]),
    pixels=st.integers(1, 90),
    seed=st.integers(0, 99),
)
@settings(max_examples=150)
@pytest.mark.usefixtures("tiny_windows")
def test_envi_of_spectral_python_is_read(
    tmp_path_factory: Folder,
    shape: tuple[int, int, int],
    dtype: str,
    order: str,
    interleave: str,
    pixels: int,
    seed: int,
) -> None:
    cube = random_cube(shape, order + dtype, seed)
    header = write_envi(
        tmp_path_factory.mktemp("envi") / "a.hdr", cube, interleave, wavelength=centers_of(shape[2])
    )
    found, facts = blocks_of(header, pixels)
    np.testing.assert_array_equal(found, cube)
    assert (facts.shape, facts.dtype) == (shape, np.dtype(dtype))
    np.testing.assert_array_equal(read_array(header.with_suffix(".img")), cube)


@given(
    shape=SHAPES,
    unit=st.sampled_from(["scores", None]),
    dtype=st.sampled_from(["f4", "?"]),
    pixels=st.integers(1, 90),
    form=st.sampled_from(["envi", "geotiff"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=80)
def test_written_rasters_are_read_by_spectral_python_and_rasterio(
    tmp_path_factory: Folder,
    shape: tuple[int, int, int],
    unit: str | None,
    dtype: str,
    pixels: int,
    form: str,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("written")
    values = np.random.default_rng(seed).integers(0, 2, shape).astype(dtype)
    without = np.random.default_rng(seed).integers(0, 4, shape[:2]) == 0
    facts = CubeFacts(
        "npy", (*shape[:2], 9), np.dtype("u2"), georeference=Georeference(CRS, tuple(TRANSFORM)[:6])
    )
    plane = Plane.of(OutputFacts("a.b", parse_type("float32[B,H,W,K]"), unit), values, {}, None)
    paths = (folder / "a.img", folder / "a.hdr") if form == "envi" else (folder / "a.tif",)
    paths[0].touch()
    writer = (EnviWriter if form == "envi" else GeoTiffWriter)(paths, shape[:2], plane, facts)
    blocks = list(source_module.cut((1, *shape), pixels))
    for block in np.random.default_rng(seed).permutation(len(blocks)):
        part = blocks[block]
        where = (slice(part.top, part.bottom), slice(part.left, part.right))
        writer.put(part, plane.encode(values[where], without[where]))
    writer.save()
    writer.close()
    expected = values.astype("f4" if dtype == "f4" else "u1")
    expected[without] = np.nan if dtype == "f4" else 255
    if form == "envi":
        found, _ = read_envi(folder / "a.hdr")
    else:
        with rasterio.open(folder / "a.tif") as file:
            found = np.moveaxis(file.read(), 0, -1)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@given(
    shape=SHAPES,
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]),
    profile=st.sampled_from(
        [
            {},
            {"interleave": "pixel"},
            {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"},
            {"compress": "lzw", "blockysize": 2},
        ]
    ),
    pixels=st.integers(1, 90),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
@pytest.mark.usefixtures("tiny_windows")
def test_geotiff_of_rasterio_is_read(
    tmp_path_factory: Folder,
    shape: tuple[int, int, int],
    dtype: str,
    profile: dict[str, Any],
    pixels: int,
    seed: int,
) -> None:
    cube = random_cube(shape, dtype, seed)
    path = write_tiff(tmp_path_factory.mktemp("tiff") / "a.tif", cube, **profile)
    np.testing.assert_array_equal(blocks_of(path, pixels)[0], cube)


@given(
    shape=SHAPES,
    dtype=st.sampled_from([">u2", "<u2", "<i4", ">f4", "<f8", "u1"]),
    chunks=st.sampled_from([None, (2, 3, 2), (1, 1, 1), (9, 1, 4)]),
    pixels=st.integers(1, 90),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
@pytest.mark.usefixtures("tiny_windows")
def test_hdf5_of_h5py_is_read(
    tmp_path_factory: Folder,
    shape: tuple[int, int, int],
    dtype: str,
    chunks: tuple[int, int, int] | None,
    pixels: int,
    seed: int,
) -> None:
    cube = random_cube(shape, dtype, seed)
    path = tmp_path_factory.mktemp("hdf5") / "a.h5"
    options = {} if chunks is None else {"chunks": tuple(map(min, chunks, shape)), "compression": "gzip"}
    write_h5(path, {"a/b": cube}, **options)
    np.testing.assert_array_equal(blocks_of(path, pixels)[0], cube)
    np.testing.assert_array_equal(blocks_of(path, pixels, "/a/b")[0], cube)


@given(
    shape=SHAPES,
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"]),
    compressed=st.booleans(),
    pixels=st.integers(1, 90),
    seed=st.integers(0, 99),
)
@settings(max_examples=80)
@pytest.mark.usefixtures("tiny_windows")
def test_mat_of_scipy_is_read(
    tmp_path_factory: Folder,
    shape: tuple[int, int, int],
    dtype: str,
    compressed: bool,
    pixels: int,
    seed: int,
) -> None:
    shape = (*shape[:2], shape[2] + 1)  # MATLAB keeps no last axis of length one
    cube = random_cube(shape, dtype, seed)
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    write_mat(path, {"note": "text", "hsi": cube, "wavelengths": np.array(centers_of(shape[2]))}, compressed)
    found, facts = blocks_of(path, pixels)
    np.testing.assert_array_equal(found, cube)
    assert (facts.dtype, facts.dataset) == (np.dtype(dtype), "hsi")
    assert facts.wavelengths == tuple(centers_of(shape[2]))


def test_mat_values_stored_in_a_narrower_type_have_the_type_of_their_class(tmp_path: Path) -> None:
    cube = cube_of((3, 4, 5), "u1")
    path = write_mat(tmp_path / "a.mat", {"cube": cube}, compressed=False)
    content = bytearray(path.read_bytes())
    flags = content.index(bytes([6, 0, 0, 0, 8, 0, 0, 0])) + 8
    assert content[flags] == 9
    content[flags] = 6  # as MATLAB saves a matrix of doubles whose values are small whole numbers
    path.write_bytes(content)
    found = read_array(path)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, cube)


def test_imagery_tags_of_gdal_say_wavelengths_in_micrometres(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", cube_of((2, 3, 2)))
    with rasterio.open(path, "r+") as file:
        for band in (1, 2):
            file.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=str(0.4 + band / 10), FWHM_UM="0.01")
    _, facts = blocks_of(path, 9)
    assert (facts.wavelengths, facts.fwhm) == ((500.0, 600.0), (10.0, 10.0))


@pytest.mark.parametrize(
    ("fields", "wavelengths", "warning"),
    [
        (
            {"wavelength": [0.4, 0.5, 0.6, 0.7, 0.8]},
            (400, 500, 600, 700, 800),
            "does not say the unit of its",
        ),
        ({"wavelength": [400, 500], "wavelength units": "nm"}, None, "has 2 wavelengths for 5 bands"),
        ({"wavelength": list("abcde")}, None, "wavelengths are not numbers"),
        (
            {"wavelength": [1, 2, 3, 4, 5], "wavelength units": "Index"},
            None,
            "in 'Index', which is no length",
        ),
        (
            {"wavelength": [0.4, 0.5, 0.6, 0.7, 0.8], "wavelength units": "Micrometers"},
            (400, 500, 600, 700, 800),
            "",
        ),
    ],
)
def test_wavelengths_are_in_nanometres_or_left_out(
    tmp_path: Path, fields: dict[str, Any], wavelengths: Any, warning: str
) -> None:
    _, facts = blocks_of(write_envi(tmp_path / "a.hdr", cube_of(), **fields), 9)
    assert facts.wavelengths == wavelengths
    assert [w for w in facts.warnings if warning and warning in w] == list(facts.warnings)


def test_a_header_names_its_data_by_size_where_files_lie_side_by_side(tmp_path: Path) -> None:
    path = write_envi(tmp_path / "a.hdr", cube_of())
    (tmp_path / "a.raw").write_bytes(b"something else")
    np.testing.assert_array_equal(blocks_of(path, 9)[0], cube_of())
    (tmp_path / "a").write_bytes((tmp_path / "a.img").read_bytes())
    with pytest.raises(Exception, match=r"not clear which file is its data: a, a\.img, a\.raw"):
        blocks_of(path, 9)
    np.testing.assert_array_equal(blocks_of(tmp_path / "a", 9)[0], cube_of())


@pytest.mark.parametrize(("column", "row", "rotation"), [(3, 2, 0), (1, 1, 30), (1, 1, -75.5)])
def test_map_info_is_understood_as_gdal_understands_it(
    tmp_path: Path, column: int, row: int, rotation: float
) -> None:
    info = ["UTM", column, row, 366015, 5807085, 30, 30, 33, "North", "WGS-84", f"rotation={rotation}"]
    path = write_envi(tmp_path / "a.hdr", cube_of(), **{"map info": info})
    place = blocks_of(path, 9)[1].georeference
    assert place is not None
    assert place.crs == CRS
    with rasterio.open(path.with_suffix(".img")) as file:
        np.testing.assert_allclose(place.transform, tuple(file.transform)[:6], atol=1e-6)


def test_bands_first_are_recognised_by_the_wavelengths(tmp_path: Path) -> None:
    cube = cube_of((4, 6, 5))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data/cube"] = np.moveaxis(cube, -1, 0)
        file["data/wavelength"] = centers_of(5)
        file["data/wavelength"].attrs["units"] = "nm"
        file["data/cube"].attrs["_FillValue"] = -1
    found, facts = blocks_of(path, 9)
    np.testing.assert_array_equal(found, cube)
    assert (facts.wavelengths, facts.nodata, facts.dataset) == (tuple(centers_of(5)), -1, "data/cube")


def test_netcdf_in_the_layout_of_emit(tmp_path: Path) -> None:
    cube = cube_of((4, 6, 5), "f4")
    path = tmp_path / "a.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("reflectance", data=cube, chunks=(2, 3, 5), compression="gzip")
        file["reflectance"].attrs["_FillValue"] = np.array([-9999], "f4")
        file["sensor_band_parameters/wavelengths"] = np.array(centers_of(5), "f4")
        file["sensor_band_parameters/fwhm"] = np.full(5, 8.5, "f4")
        file["sensor_band_parameters/good_wavelengths"] = np.array([1, 1, 0, 1, 1], "u1")
        file["location/lat"] = np.zeros((4, 6))
        file.attrs["geotransform"] = np.arange(6.0)
    found, facts = blocks_of(path, 9)
    np.testing.assert_array_equal(found, cube)
    assert (facts.kind, facts.dataset, facts.nodata) == ("netcdf", "reflectance", -9999)
    assert (facts.wavelengths, facts.fwhm) == (tuple(centers_of(5)), (8.5,) * 5)
    assert facts.good_bands == (True, True, False, True, True)
    assert facts.georeference is None


def test_facts_that_a_file_does_not_say_are_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", cube_of())
    write_envi(tmp_path / "a.hdr", cube_of())
    write_h5(tmp_path / "a.h5", {"cube": cube_of()})
    write_mat(tmp_path / "a.mat", {"cube": cube_of()})
    write_tiff(tmp_path / "a.tif", cube_of(), transform=None, crs=None)
    for name in ("a.npy", "a.hdr", "a.h5", "a.mat", "a.tif"):
        facts = blocks_of(tmp_path / name, 9)[1]
        unknown = (facts.wavelengths, facts.fwhm, facts.good_bands, facts.nodata, facts.scale)
        assert unknown == (None,) * 5
        assert (facts.georeference, facts.default_bands, facts.warnings) == (None, None, ())


def test_windows_cover_every_pixel_once_and_fit() -> None:
    for shape, grain in [((1, 50, 70, 9), (16, 16)), ((2, 7, 1000, 3), (1, 1000)), ((1, 9, 9, 9), (9, 1))]:
        seen = np.zeros(shape[:3], int)
        for window in source_module.windows(shape, grain, 9 * 2**15, 113):
            seen[window.image, window.top : window.bottom, window.left : window.right] += 1
            assert window.pixels * 9 * 2**15 <= max(113, grain[0] * grain[1]) * 9 * 2**15
        assert (seen == 1).all()
    assert next(source_module.windows((1, 9, 9, 1), (9, 9), 2**30, 1)) == Block(0, 0, 1, 0, 1)
