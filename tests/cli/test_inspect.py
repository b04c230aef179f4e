"""`cuvisc inspect` says what NumPy says about a cube, and nothing that its file does not say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import Cuvisc
from format_files import centers_of, cube_of, write_envi, write_h5, write_tiff

from cuvisc.cli.inspect import sparkline
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.source import read_array
from cuvisc.runtime.inspection import choose_bands


def test_facts_and_statistics_for_people(cuvisc: Cuvisc) -> None:
    cube = cube_of((4, 6, 5))
    cube[0, 0], cube[1, 1, 2] = 0, 0
    write_tiff(Path("a.tif"), cube, {"wavelength": centers_of(5), "wavelength_units": ["nm"] * 5}, nodata=0)
    valid = cube[cube != 0]
    found = cuvisc("inspect", "a.tif")
    assert (found.code, found.err) == (0, "")
    *lines, spectrum = found.out.splitlines()
    assert lines == [
        "a.tif",
        "  format        geotiff",
        "  shape         4x6x5 uint16, 0.00024 MB",
        "  wavelengths   450-650 nm",
        "  nodata        0",
        "  crs           WGS 84 / UTM zone 33N",
        "  origin        366015, 5807085, pixel 30 x 30",
        f"  values        min {valid.min()}, max {valid.max()}, mean {valid.mean():.9g}",
        "  without data  6 values; 1 pixels in every band",
    ]
    assert spectrum.startswith("  mean spectrum ")
    assert len(spectrum) == 16 + 5


def test_statistics_for_programs(cuvisc: Cuvisc) -> None:
    cube = cube_of((4, 6, 5), "f4")
    cube[1, 2, 3], cube[0, 0, 0] = np.nan, np.inf
    np.savez("a.npz", cube=cube, wavelengths=centers_of(5))
    found = json.loads(cuvisc("inspect", "a.npz", "--json").out)
    valid = cube[np.isfinite(cube)]
    assert (found["min"], found["max"]) == (valid.min(), valid.max())
    assert found["mean"] == pytest.approx(valid.mean(dtype=np.float64), rel=1e-12)
    assert (found["non_finite_values"], found["nodata_values"], found["nodata"]) == (2, 0, None)
    assert found["wavelengths_nm"] == centers_of(5)
    cube[~np.isfinite(cube)] = np.nan
    expected = np.nanmean(cube.reshape(-1, 5).astype(np.float64), axis=0)
    np.testing.assert_allclose(found["mean_spectrum"], expected, rtol=1e-12)


def test_an_array_inside_a_file_is_named_after_two_colons(cuvisc: Cuvisc) -> None:
    write_h5(Path("a.h5"), {"g/one": cube_of((2, 3, 4)), "g/two": cube_of((5, 6, 7))})
    assert "shape         5x6x7 uint16" in cuvisc("inspect", "a.h5::/g/two").out
    assert cuvisc("inspect", "a.h5") == (
        3,
        "",
        "error: a.h5 holds several cubes: `g/one`, `g/two`; name one, as in a.h5::/g/one\n",
    )


def test_the_picture_shows_the_bands_that_its_title_names(cuvisc: Cuvisc) -> None:
    write_envi(Path("a.hdr"), cube_of((30, 40, 5)), wavelength=centers_of(5))
    found = cuvisc("inspect", "a.hdr", "--png", "a.png")
    assert (found.code, found.out.splitlines()[-1]) == (0, "a.png")
    assert read_array(Path("a.png")).shape[2] in (3, 4)
    assert cuvisc("inspect", "a.hdr", "--png", "a.png") == (
        2,
        "",
        "error: a.png exists; give --force to replace it\n",
    )


def test_a_picture_without_matplotlib_is_one_clear_error(
    cuvisc: Cuvisc, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("a.npy", cube_of())
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = cuvisc("inspect", "a.npy", "--png", "a.png")
    assert (found.code, found.out) == (3, "")
    assert found.err.startswith("error: a picture needs the package matplotlib, which cannot be imported (")
    assert not Path("a.png").exists()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"wavelengths": (480.0, 570.0, 660.0, 900.0)}, ((2, 1, 0), "660 / 570 / 480 nm")),
        ({"wavelengths": (480.0, 500.0, 520.0, 900.0)}, ((0, 2, 3), "480 / 520 / 900 nm")),
        ({"default_bands": (3, 1, 0)}, ((3, 1, 0), "bands 4 / 2 / 1 of 4")),
        ({}, ((0, 2, 3), "bands 1 / 3 / 4 of 4")),
    ],
)
def test_bands_of_a_picture(facts: dict[str, Any], expected: Any) -> None:
    assert choose_bands(CubeFacts("envi", (2, 2, 4), np.dtype("u2"), **facts)) == expected


def test_bars_follow_the_numbers_and_leave_out_what_is_none() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, float("nan"), 7]) == "▁ █"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline([float("nan")]) == ""
    assert len(sparkline(list(range(200)))) == 60
