"""Files that lie, are cut short or reach for other files are answered with one clear error; nothing is executed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from format_files import centers_of, cube_of, write_envi, write_h5, write_mat, write_tiff
from hypothesis import given, settings
from hypothesis import strategies as st

from cuvisc.runtime.data.source import CubeSource
from cuvisc.schema.errors import DataError


def answer(path: Path, key: str | None = None) -> str:
    """The error of reading all of a file, with its name as FILE."""
    with pytest.raises(DataError) as caught, CubeSource.open(path, key) as source:
        for _ in source.blocks(10):
            pass
    return str(caught.value).replace(str(path.with_suffix("")), "FILE")


HEADER = (
    "ENVI\nsamples = 9\nlines = 7\nbands = 5\ndata type = 12\ninterleave = bsq\nbyte order = 0\n"
    "header offset = 0\nfile type = ENVI Standard\n"
)


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        (
            "samples = 9",
            "samples = 10",
            "FILE.img is cut short: a.hdr declares 5x7x10 bsq uint16, 700 bytes; there are 630",
        ),
        (
            "bands = 5",
            "bands = 4",
            "FILE.img is longer than its header says: a.hdr declares 4x7x9 bsq uint16, 504 bytes; there are 630",
        ),
        (
            "data type = 12",
            "data type = 5",
            "FILE.img is cut short: a.hdr declares 5x7x9 bsq float64, 2520 bytes; there are 630",
        ),
        (
            "header offset = 0",
            "header offset = 100",
            "FILE.img is cut short: a.hdr declares 5x7x9 bsq uint16 after 100 bytes, 730 bytes; there are 630",
        ),
        (
            "samples = 9",
            "samples = 999999999999",
            "FILE.img is cut short: a.hdr declares 5x7x999999999999 bsq uint16, 69999999999930 bytes; there are 630",
        ),
        (
            "data type = 12",
            "data type = 6",
            "FILE.hdr: data type 6 is of complex numbers; a cube is of real ones",
        ),
        (
            "data type = 12",
            "data type = 7",
            "FILE.hdr: there is no data type 7; there is 1, 2, 3, 4, 5, 12, 13, 14, 15",
        ),
        (
            "data type = 12",
            "data type = uint16",
            "FILE.hdr: `data type = uint16` is not a whole number of at least 0",
        ),
        ("interleave = bsq", "interleave = bap", "FILE.hdr: `interleave = bap`; it is bsq, bil or bip"),
        (
            "byte order = 0",
            "byte order = 2",
            "FILE.hdr: `byte order = 2`; it is 0 (little-endian) or 1 (big-endian)",
        ),
        ("lines = 7", "lines = -7", "FILE.hdr: `lines = -7` is not a whole number of at least 1"),
        ("lines = 7", "lines = {7}", "FILE.hdr: `lines = ['7']` is not a whole number of at least 1"),
        ("lines = 7\n", "", "FILE.hdr does not say `lines`"),
        ("ENVI\n", "ENVY\n", "FILE.hdr is not an ENVI header: its first line is not `ENVI`"),
        (
            "file type",
            "wavelength = {1, 2\nfile type",
            "FILE.hdr is cut short: the list `wavelength` does not end",
        ),
        (
            "file type",
            "file compression = 1\nfile type",
            "FILE.hdr: the data are compressed, which is not read; save them uncompressed",
        ),
    ],
)
def test_an_envi_header_that_lies_is_answered(tmp_path: Path, old: str, new: str, fact: str) -> None:
    (tmp_path / "a.img").write_bytes(cube_of().tobytes())
    (tmp_path / "a.hdr").write_text(HEADER.replace(old, new, 1))
    assert answer(tmp_path / "a.hdr") == fact


def test_an_envi_file_without_its_other_half_is_answered(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_text(HEADER)
    assert answer(tmp_path / "a.hdr") == (
        "FILE.hdr has no data beside it: a with .img, .dat, .raw, .bin, .bil, .bip, .bsq or no suffix"
    )
    (tmp_path / "b.dat").write_bytes(b"")
    assert answer(tmp_path / "b.dat") == (
        "FILE.dat has no ENVI header beside it: neither b.hdr nor b.dat.hdr is there"
    )


def test_a_cut_geotiff_is_answered(tmp_path: Path) -> None:
    path = write_tiff(
        tmp_path / "a.tif", np.random.default_rng(0).integers(0, 2**16, (50, 60, 5)).astype("u2")
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert answer(path).startswith(("FILE.tif is damaged: ", "FILE.tif cannot be read as GTiff: "))
    path.write_bytes(b"II*\0" + b"\xff" * 40)
    assert answer(path).startswith("FILE.tif cannot be read as GTiff: ")


def test_a_geotiff_that_is_really_a_recipe_for_other_files_is_not_followed(tmp_path: Path) -> None:
    write_tiff(tmp_path / "secret.tif", cube_of())
    path = tmp_path / "a.tif"
    path.write_text(
        '<VRTDataset rasterXSize="9" rasterYSize="7"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{tmp_path / 'secret.tif'}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    assert answer(path).startswith("FILE.tif cannot be read as GTiff: ")


def external_link(file: h5py.File, folder: Path) -> None:
    write_h5(folder / "secret.h5", {"cube": cube_of()})
    file["cube"] = h5py.ExternalLink(str(folder / "secret.h5"), "/cube")


def soft_link(file: h5py.File, folder: Path) -> None:
    file["real"] = cube_of()
    file["cube"] = h5py.SoftLink("/real")


def external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "secret.raw").write_bytes(cube_of().tobytes())
    file.create_dataset("cube", (7, 9, 5), "u2", external=[(folder / "secret.raw", 0, 630)])


def virtual(file: h5py.File, folder: Path) -> None:
    write_h5(folder / "secret.h5", {"cube": cube_of()})
    layout = h5py.VirtualLayout((7, 9, 5), "u2")
    layout[...] = h5py.VirtualSource(folder / "secret.h5", "cube", (7, 9, 5))
    file.create_virtual_dataset("cube", layout)


def objects(file: h5py.File, folder: Path) -> None:
    file.create_dataset("cube", (7, 9, 5), h5py.ref_dtype)


def texts(file: h5py.File, folder: Path) -> None:
    file.create_dataset("cube", (7, 9, 5), h5py.string_dtype())


def nothing_stored(file: h5py.File, folder: Path) -> None:
    file.create_dataset("cube", (100000, 100000, 500), "f8", chunks=(10, 10, 500), compression="gzip")


def huge_chunks(file: h5py.File, folder: Path) -> None:
    file.create_dataset("cube", (3000, 3000, 200), "u2", chunks=(3000, 3000, 100), compression="gzip")


ELSEWHERE = "FILE.h5: `cube` is a link to elsewhere, which is not followed"
OTHER_FILES = "FILE.h5: `cube` keeps its values in other files, which are never read"


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (external_link, ELSEWHERE),
        (soft_link, ELSEWHERE),
        (external_storage, OTHER_FILES),
        (virtual, OTHER_FILES),
        (objects, "FILE.h5: `cube` holds object; an array of numbers is wanted"),
        (texts, "FILE.h5: `cube` holds object; an array of numbers is wanted"),
        (nothing_stored, "FILE.h5: `cube` is damaged: it declares 40000000000000 bytes and stores 0"),
        (huge_chunks, "FILE.h5: `cube` is damaged: it declares chunks of 1800000000 bytes"),
    ],
)
def test_hdf5_keeps_to_the_file_itself(
    tmp_path: Path, make: Callable[[h5py.File, Path], None], fact: str
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file, tmp_path)
    assert answer(tmp_path / "a.h5", "cube") == fact


def test_a_missing_dataset_is_answered_with_those_there_are(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "a.h5", {"g/cube": cube_of(), "g/mask": cube_of((7, 9))})
    assert answer(path, "g/cubes") == (
        "FILE.h5 has no array `g/cubes`; it holds `g/cube`, `g/mask`. did you mean `g/cube`?"
    )


def test_cut_hdf5_is_answered(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "a.h5", {"cube": cube_of()})
    path.write_bytes(path.read_bytes()[:1500])
    assert answer(path).startswith(
        "FILE.h5 cannot be read as HDF5: Unable to synchronously open file (truncated"
    )


def mat_of(value: Any) -> dict[str, Any]:
    return {"cube": value}


@pytest.mark.parametrize(
    ("value", "fact"),
    [
        (np.array([[1, "a"]], object), "FILE.mat: `cube` holds cells; an array of numbers is wanted"),
        ({"field": 1}, "FILE.mat: `cube` holds a structure; an array of numbers is wanted"),
        ("text", "FILE.mat: `cube` holds text; an array of numbers is wanted"),
        (np.ones((2, 2, 2)) * 1j, "FILE.mat: `cube` holds complex numbers; an array of numbers is wanted"),
    ],
)
def test_mat_variables_that_are_no_numbers_are_refused(tmp_path: Path, value: Any, fact: str) -> None:
    scipy.io.savemat(tmp_path / "a.mat", mat_of(value))
    assert answer(tmp_path / "a.mat", "cube") == fact


def test_mat_files_of_other_versions_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"cube": np.ones((2, 2))}, format="4")
    assert answer(tmp_path / "a.mat") == (
        "FILE.mat is not a MAT file of version 5 or 7.3; save it again with MATLAB's default format"
    )


def test_a_mat_variable_that_declares_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", {"cube": cube_of((4, 4, 4))}, compressed=False)
    content = path.read_bytes()
    dimensions = struct.pack("<3i", 4, 4, 4)
    assert content.count(dimensions) == 1
    path.write_bytes(content.replace(dimensions, struct.pack("<3i", 4, 4, 2**30)))
    assert answer(path) == "FILE.mat is damaged: its variables are not those of a MAT file"
    path.write_bytes(content[:-20])
    assert answer(path) == "FILE.mat is damaged: its variables are not those of a MAT file"


def test_a_missing_variable_is_answered_with_those_there_are(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "a.mat", {"hsi": cube_of(), "gt": cube_of((7, 9))})
    assert answer(path, "his") == "FILE.mat has no array `his`; it holds `hsi`, `gt`. did you mean `hsi`?"
    assert answer(write_mat(path, {"a": cube_of(), "b": cube_of()})) == (
        "FILE.mat holds several cubes: `a`, `b`; name one, as in a.mat::a"
    )


def test_a_missing_package_is_answered_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    path = write_tiff(tmp_path / "a.tif", cube_of())
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert answer(path) == (
        "FILE.tif needs the package rasterio, which cannot be imported (import of rasterio halted; "
        "None in sys.modules): pip install 'cuvisc[data]'"
    )


WRITE: dict[str, Callable[[Path], Path]] = {
    "tif": lambda folder: write_tiff(folder / "a.tif", cube_of(), compress="deflate"),
    "h5": lambda folder: write_h5(folder / "a.h5", {"cube": cube_of()}, chunks=(2, 3, 5), compression="gzip"),
    "mat": lambda folder: write_mat(folder / "a.mat", {"cube": cube_of(), "wavelengths": centers_of(5)}),
    "hdr": lambda folder: write_envi(folder / "a.hdr", cube_of(), wavelength=centers_of(5)),
}


@given(
    form=st.sampled_from(sorted(WRITE)),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=3),
    end=st.one_of(st.none(), st.integers(0, 4000)),
)
@settings(max_examples=200)
def test_any_damage_is_read_or_answered(
    tmp_path_factory: pytest.TempPathFactory, form: str, changes: list[tuple[int, int]], end: int | None
) -> None:
    path = WRITE[form](tmp_path_factory.mktemp("damage"))
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    path.write_bytes(content[:end])
    try:
        with CubeSource.open(path) as source:
            if source.pixels * source.shape[3] < 10**6:
                for _ in source.blocks(7):
                    pass
    except DataError:
        return
