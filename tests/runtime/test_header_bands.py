"""What a header says of its bands without NumPy is what its reader says, and nothing hostile is more than a warning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from format_files import cube_of, write_envi, write_h5, write_tiff

from cuvisc.runtime.data.first_bands import first_file, look_at_bands
from cuvisc.runtime.data.header_bands import bands_in_header, spectrum_in_header
from cuvisc.runtime.data.opening import open_cube
from cuvisc.schema.catalogue import load
from cuvisc.schema.errors import DataError
from cuvisc.schema.front_end import load_text

CUBE = cube_of((4, 6, 5))


def written(name: str, folder: Path) -> Path:
    path = folder / name
    if path.suffix == ".npy":
        with path.open("wb") as stream:
            np.lib.format.write_array(
                stream, np.asfortranarray(CUBE), version=(2, 0) if "2" in name else (1, 0)
            )
    elif path.suffix == ".npz":
        np.savez_compressed(path, cube=CUBE, mask=CUBE[..., 0], other=CUBE[..., :2])
    elif path.suffix == ".h5":
        write_h5(path, {"cube": CUBE})
    elif path.suffix == ".tif":
        write_tiff(path, CUBE)
    else:
        write_envi(path.with_suffix(".hdr"), CUBE)
    return path


@pytest.mark.parametrize("name", ["a.npy", "a2.npy", "a.npz", "a.hdr", "a.img", "a.tif", "a.h5"])
def test_headers_are_read_as_the_readers_read_them(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    opened = open_cube(path)
    opened.file.close()
    assert bands_in_header(path) == opened.facts.bands == 5


def test_the_array_that_is_named_is_the_one_that_counts(tmp_path: Path) -> None:
    assert bands_in_header(written("a.npz", tmp_path), "other") == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr': '<u2', 'shape': (4, 6), }"),
        ("a.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr': __import__('os'), 'shape': (1, 1, 0), }"),
        ("a.npy", b""),
        ("a.npz", b"PK\x03\x04 and then nothing"),
        ("a.hdr", b"ENVI\nbands = many\n"),
        ("a.hdr", b"bands = 5\n"),
        ("a.img", b""),
        ("a.h5", b"not HDF5"),
        ("a.unknown", b""),
    ],
)
def test_damage_is_a_data_error(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError):
        bands_in_header(tmp_path / name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*", "a.npz"),
        ("*.npz", "a.npz"),
        ("b*", "b.npz"),
        ("[bc]*", "b.npz"),
        ("*.img", "c.img"),
        ("c.*", "c.hdr"),
    ],
)
def test_the_first_file_is_a_cube(pattern: str, name: str, tmp_path: Path) -> None:
    """Neither ground truth nor a picture, and a header before its data."""
    for cube in ("a.npz", "b.npz", "c.hdr"):
        written(cube, tmp_path)
    np.save(tmp_path / "a_mask.npy", CUBE[..., 0])
    (tmp_path / "a.png").write_bytes(b"")
    assert first_file(tmp_path / pattern) == tmp_path / name


def test_ground_truth_of_another_name_is_no_cube(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a_classes.tif", CUBE[..., :1])
    written("b.npz", tmp_path)
    text = f"{{type: CubeFolder, data_dir: '{tmp_path}', labels: '{{stem}}_classes.tif'}}"
    spec, found = load_text(
        f"nodes: {{rx: {{type: RXGlobal}}}}\ndatamodule: {text}\n", "s.yaml", environment={}
    )
    assert spec is not None
    bands = look_at_bands(spec, load(), found)
    assert bands is not None
    assert bands.value == 5
    assert list(found) == []


def answer(train: str, folder: Path) -> str:
    data = f"{{type: CubeFiles, train: '{train}', data_dir: '{folder}'}}"
    text = f"nodes: {{rx: {{type: RXGlobal}}}}\ndatamodule: {data}\n"
    spec, found = load_text(text, "s.yaml", environment={"SECRET": str(folder)})
    assert spec is not None
    bands = look_at_bands(spec, load(), found)
    return f"{bands.value if bands else None}" + "".join(
        f"; {one.code} {one.message}{f' ({one.help})' if one.code == 'W501' and 'cannot' in one.message else ''}"
        for one in found
    )


def test_why_a_file_cannot_be_read_is_said_unless_the_environment_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", cube=CUBE[None])
    fact = "None; W501 the first file of `datamodule.train` cannot be read as a cube"
    why = f"one image [H,W,C] a file is wanted, the shape of this one is {(1, *CUBE.shape)}; leave out its first axis"
    assert answer("a.npz", tmp_path) == f"{fact} ({tmp_path / 'a.npz'}: {why})"
    assert answer("${oc.env:SECRET}/a.npz", Path(".")) == f"{fact} (`cuvisc inspect FILE` says why)"


def test_what_is_not_there_is_a_warning_that_shows_no_secret(tmp_path: Path) -> None:
    assert (
        answer("*.npz", tmp_path)
        == f"None; W501 `datamodule.train` finds no file: no `*.npz` in `{tmp_path}`"
    )
    text = answer("${oc.env:SECRET}/x.npz", Path("."))
    assert text == "None; W501 `datamodule.train` finds no file: no `${oc.env:SECRET}/x.npz` in `.`"


def test_nothing_but_files_is_opened(tmp_path: Path) -> None:
    """A pipe would keep the reader waiting for ever."""
    os.mkfifo(tmp_path / "a.npz")
    assert answer("a.npz", tmp_path).startswith("None; W501")
    assert answer("*.npz", tmp_path).startswith("None; W501")


def test_patterns_through_many_folders_are_not_followed(tmp_path: Path) -> None:
    assert answer("/**/*.npz", tmp_path) == "None"
    assert answer("/*/*/*/*.npz", tmp_path) == "None"


@pytest.mark.parametrize("name", ["a.hdr", "a.img", "a.npz", "a.tif"])
def test_wavelengths_of_a_header_are_those_of_its_reader(name: str, tmp_path: Path) -> None:
    path, centers = tmp_path / name, [0.4, 0.45, 0.5, 0.55, 0.6]
    if name == "a.npz":
        np.savez(path, cube=CUBE, wavelengths=np.multiply(centers, 1000))
    elif name == "a.tif":
        write_tiff(path, CUBE, {"wavelength": centers, "wavelength_units": ["um"] * 5})
    else:
        write_envi(path.with_suffix(".hdr"), CUBE, wavelength=centers, **{"wavelength units": "Micrometers"})
    opened = open_cube(path)
    opened.file.close()
    assert opened.facts.wavelengths is not None
    assert spectrum_in_header(path).wavelengths == opened.facts.wavelengths


def test_the_header_of_envi_says_wavelengths_without_numpy(tmp_path: Path) -> None:
    """What `cuvisc validate` reads of an ENVI scene costs no import."""
    path = write_envi(tmp_path / "a.hdr", CUBE, wavelength=[400, 450, 500, 550, 600])
    code = (
        "import sys; from pathlib import Path; from cuvisc.runtime.data.header_bands import spectrum_in_header; "
        f"print(spectrum_in_header(Path({str(path)!r})).wavelengths, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(400.0, 450.0, 500.0, 550.0, 600.0) False\n"
