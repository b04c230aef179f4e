"""Predictions are on the input's grid, in its format, with its place; independent packages read them back."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from cli_runs import Cuvisc, Run
from format_files import (
    CRS,
    TRANSFORM,
    centers_of,
    cube_of,
    read_envi,
    read_tiff,
    write_envi,
    write_h5,
    write_mat,
    write_tiff,
)
from small_artifacts import THRESHOLD, SmallArtifact, write_artifact

TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}


def done(found: Run) -> dict[str, Any]:
    assert (found.code, found.err) == (0, "")
    summary: dict[str, Any] = json.loads(found.out)
    return summary


def test_a_geotiff_gives_geotiffs_with_its_place(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = cube_of()
    write_tiff(Path("scene.tif"), cube)
    summary = done(cuvisc("predict", "artifact", "scene.tif", "-o", "out.tif", "--json"))
    assert summary["files"] == {
        "rx.scores": "out_rx.scores.tif",
        "decider.decisions": "out_decider.decisions.tif",
    }
    with rasterio.open("out_rx.scores.tif") as file:
        assert (file.dtypes, file.crs, file.transform) == (("float32",), CRS, TRANSFORM)
        assert math.isnan(file.nodata)
        np.testing.assert_allclose(file.read(1), small.scores(cube)[..., 0], **TOLERANCE)
        assert file.descriptions == ("rx.scores",)
        assert file.tags()["CUVISC_ARTIFACT"] == "small"
        scores = file.read(1)
    with rasterio.open("out_decider.decisions.tif") as file:
        assert (file.dtypes, file.crs, file.transform, file.nodata) == (("uint8",), CRS, TRANSFORM, 255)
        np.testing.assert_array_equal(file.read(1), scores >= THRESHOLD)
        assert file.tags(1)["class_names"] == "normal, anomaly"
        assert (file.colormap(1)[0], file.colormap(1)[1]) == ((224, 224, 224, 255), (213, 94, 0, 255))
    written = [
        f"out_{name}.{suffix}" for name in ("decider.decisions", "rx.scores") for suffix in ("png", "tif")
    ]
    assert sorted(p.name for p in Path().glob("out*")) == written


def test_one_output_has_the_name_that_was_given(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact", decide=False)
    write_tiff(Path("scene.tif"), cube_of())
    summary = done(cuvisc("predict", "artifact", "scene.tif", "-o", "out/scores.tif", "--json"))
    assert summary["files"] == {"rx.scores": "out/scores.tif"}


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
def test_envi_gives_envi_with_all_that_holds_for_any_band(
    cuvisc: Cuvisc, small: SmallArtifact, interleave: str
) -> None:
    cube = cube_of()
    fields = {
        "map info": ["UTM", 1, 1, 366015, 5807085, 30, 30, 33, "North", "WGS-84", "units=Meters"],
        "coordinate system string": "PROJCS[UTM zone 33N]",
        "sensor type": "Some Sensor",
        "description": "a scene",
        "acquisition time": "2022-07-24T10:45:26Z",
        "wavelength": centers_of(5),
        "wavelength units": "nm",
        "fwhm": [7.0] * 5,
        "bbl": [1, 1, 0, 1, 1],
        "default bands": [3, 2, 1],
        "data gain values": [1.0] * 5,
        "reflectance scale factor": 10000,
    }
    write_envi(Path("scene.hdr"), cube, interleave, **fields)
    summary = done(cuvisc("predict", "artifact", "scene.hdr", "-o", "out.hdr", "--json"))
    assert summary["files"]["rx.scores"] == "out_rx.scores.hdr"
    scores, metadata = read_envi("out_rx.scores.hdr")
    np.testing.assert_allclose(scores, small.scores(cube), **TOLERANCE)
    assert metadata["map info"] == [str(item) for item in fields["map info"]]
    assert (metadata["sensor type"], metadata["acquisition time"]) == ("Some Sensor", "2022-07-24T10:45:26Z")
    assert "a scene" in metadata["description"]
    assert "PROJCS[UTM zone 33N]" in metadata["coordinate system string"]
    assert metadata["data ignore value"] == "NaN"
    for name in ("wavelength", "wavelength units", "fwhm", "bbl", "default bands", "data gain values"):
        assert name not in metadata
    assert "reflectance scale factor" not in metadata
    assert metadata["band names"] == ["rx.scores"]
    decisions, metadata = read_envi("out_decider.decisions.hdr")
    assert metadata["file type"] == "ENVI Classification"
    assert metadata["class names"] == ["normal", "anomaly"]
    assert metadata["class lookup"] == ["224", "224", "224", "213", "94", "0"]
    np.testing.assert_array_equal(decisions, scores >= THRESHOLD)


def test_the_place_goes_from_geotiff_to_envi_and_back(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_tiff(Path("scene.tif"), cube_of())
    assert cuvisc("predict", "artifact", "scene.tif", "-o", "one.hdr").code == 0
    with rasterio.open("one_rx.scores.img") as file:
        assert (file.crs.to_epsg(), file.transform) == (32633, TRANSFORM)
    fields = {"map info": ["UTM", 1, 1, 366015, 5807085, 30, 30, 33, "North", "WGS-84", "units=Meters"]}
    write_envi(Path("scene.hdr"), cube_of(), **fields)
    assert cuvisc("predict", "artifact", "scene.hdr", "-o", "two.tif").code == 0
    with rasterio.open("two_rx.scores.tif") as file:
        assert (file.crs, file.transform) == (CRS, TRANSFORM)


def test_pixels_without_data_stay_without_and_are_counted(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = cube_of(dtype="i2")
    cube[2, 3], cube[6, 8], cube[0, 0, 1] = -9999, -9999, -9999
    hole = np.zeros((7, 9), bool)
    hole[2, 3] = hole[6, 8] = True
    write_tiff(Path("scene.tif"), cube, nodata=-9999)
    found = cuvisc("predict", "artifact", "scene.tif", "-o", "out.tif", "--json")
    assert found.err == (
        "warning: 2 of 63 pixels have no data; they have no score and are never decided for\n"
        "warning: 1 of 63 pixels have no data in some bands; the model saw the number that stands for none\n"
    )
    summary = json.loads(found.out)
    counted = (summary["nodata_pixels"], summary["partly_nodata_pixels"], summary["non_finite_pixels"])
    assert counted == (2, 1, 0)
    with rasterio.open("out_rx.scores.tif") as file:
        assert file.nodata == -9999
        np.testing.assert_array_equal(file.read(1) == -9999, hole)
        np.testing.assert_array_equal(file.read_masks(1) == 0, hole)
    with rasterio.open("out_decider.decisions.tif") as file:
        np.testing.assert_array_equal(file.read(1) == 255, hole)
    assert cuvisc("predict", "artifact", "scene.tif", "-o", "out.npz").code == 0
    with np.load("out.npz") as file:
        np.testing.assert_array_equal(np.isnan(file["rx.scores"][..., 0]), hole)
        assert not file["decider.decisions"][hole].any()


@pytest.mark.parametrize("nodata", [0, 0.1, None])
def test_what_a_score_may_be_does_not_stand_for_none(
    cuvisc: Cuvisc, small: SmallArtifact, nodata: float | None
) -> None:
    """0 is a score, and 0.1 is none that float32 holds."""
    cube = cube_of(dtype="f8")
    cube[2, 3] = nodata if nodata is not None else np.nan
    write_tiff(Path("scene.tif"), cube, nodata=nodata)
    assert cuvisc("predict", "artifact", "scene.tif", "-o", "out.tif").code == 0
    with rasterio.open("out_rx.scores.tif") as file:
        assert math.isnan(file.nodata)
        assert np.argwhere(np.isnan(file.read(1))).tolist() == [[2, 3]]


def test_pixels_that_are_not_finite_have_no_class_in_a_raster(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = cube_of(dtype="f4")
    cube[1, 2, 3] = np.nan
    write_tiff(Path("scene.tif"), cube)
    assert cuvisc("predict", "artifact", "scene.tif", "-o", "out.tif").code == 0
    with rasterio.open("out_decider.decisions.tif") as file:
        assert np.argwhere(file.read(1) == 255).tolist() == [[1, 2]]


@pytest.mark.parametrize("profile", [{"tiled": True, "blockxsize": 16, "blockysize": 16}, {}])
def test_tiles_and_strips_give_the_same_prediction(
    cuvisc: Cuvisc, small: SmallArtifact, profile: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cuvisc.runtime.data.raster_file.WINDOW_BYTES", 16 * 16 * 5 * 2 * 2)
    cube = cube_of((50, 70, 5))
    write_tiff(Path("scene.tif"), cube, compress="deflate", **profile)
    for name in ("out.tif", "out.npz", "envi.hdr"):
        assert cuvisc("predict", "artifact", "scene.tif", "-o", name).code == 0
    expected = small.scores(cube)
    with rasterio.open("out_rx.scores.tif") as file:
        np.testing.assert_allclose(file.read(1), expected[..., 0], **TOLERANCE)
    with np.load("out.npz") as file:
        np.testing.assert_allclose(file["rx.scores"], expected, **TOLERANCE)
    np.testing.assert_allclose(read_envi("envi_rx.scores.hdr")[0], expected, **TOLERANCE)


def test_other_formats_are_written_as_the_output_is_named(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = cube_of()
    write_h5(Path("a.h5"), {"g/cube": cube, "other": cube}, chunks=(2, 3, 5), compression="gzip")
    write_mat(Path("b.mat"), {"hsi": cube})
    for source in ("a.h5::/g/cube", "b.mat"):
        for name in ("out.npz", "out.tif"):
            assert cuvisc("predict", "artifact", source, "-o", name, "--force").code == 0
        written = read_tiff("out_rx.scores.tif")
        np.testing.assert_allclose(written, small.scores(cube), **TOLERANCE)
        with np.load("out.npz") as arrays:
            np.testing.assert_array_equal(written, arrays["rx.scores"])


def test_predicting_loads_no_package_that_the_input_does_not_need(tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    write_envi(tmp_path / "a.hdr", cube_of())
    program = (
        "import sys; from cuvisc.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as left: assert not left.code\n"
        "heavy = {'torch', 'onnx', 'lightning', 'rasterio', 'h5py', 'scipy', 'matplotlib', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, "predict", "artifact", "a.hdr", "-o", "b.hdr"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
