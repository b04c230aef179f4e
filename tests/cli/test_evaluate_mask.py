"""What a mask says nothing of takes no part in `evaluate`; scikit-learn measures the same pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from cli_runs import Cuvisc
from PIL import Image
from sklearn.metrics import roc_auc_score
from small_artifacts import write_artifact

SIZE = 6, 8
GDAL_NODATA = 42113


def write_tif(path: Path, mask: np.ndarray[Any, Any], nodata: str) -> None:
    tifffile.imwrite(path, mask, extratags=[(GDAL_NODATA, "s", 0, nodata, True)])


def a_mask(unknown: float, dtype: str = "u1") -> np.ndarray[Any, Any]:
    mask = np.zeros(SIZE, dtype)
    mask[2:5, 1:4] = 1
    mask[:2] = unknown
    return mask


@pytest.mark.parametrize("kind", ["number for no data", "not a number"])
def test_pixels_of_which_the_mask_says_nothing_are_left_out(
    cuvisc: Cuvisc, tmp_path: Path, kind: str
) -> None:
    small = write_artifact(tmp_path / "artifact")
    cube = np.random.default_rng(1).integers(0, 120, (*SIZE, 5)).astype("u2")
    np.save("scene.npy", cube)
    if kind == "not a number":
        mask = a_mask(np.nan, "f4")
        np.save("scene_mask.npy", mask)
    else:
        mask = a_mask(255)
        write_tif(Path("scene_mask.tif"), mask, "255")
    found = cuvisc("evaluate", "artifact", "scene.npy", "--json")
    result = json.loads(found.out)
    judged = slice(2, None)
    expected = roc_auc_score(mask[judged].ravel() > 0, small.scores(cube)[judged].ravel())
    assert (result["pixels"], result["anomalies"]) == (32, 9)
    assert (
        found.err
        == "warning: 16 of 48 pixels are left out: no data, a score that is NaN, or a mask that says nothing\n"
    )
    assert result["auroc"] == pytest.approx(expected)
    assert sum(result["confusion"].values()) == 32


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_a_mask_whose_zeros_are_called_nodata_judges_every_pixel(
    cuvisc: Cuvisc, tmp_path: Path, kind: str
) -> None:
    write_artifact(tmp_path / "artifact")
    np.save("scene.npy", np.random.default_rng(1).integers(0, 120, (*SIZE, 5)).astype("u2"))
    if kind == "tif":
        write_tif(Path("scene_mask.tif"), a_mask(0), "0")
    else:
        Image.fromarray(a_mask(0)).save("scene_mask.png")
    found = cuvisc("evaluate", "artifact", "scene.npy", "--json")
    result = json.loads(found.out)
    assert (result["pixels"], result["anomalies"], found.err) == (48, 9, "")


def test_a_mask_that_says_nothing_at_all_leaves_with_3(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    np.save("scene.npy", np.ones((*SIZE, 5), "u2"))
    np.save("scene_mask.npy", np.full(SIZE, np.nan, "f4"))
    assert cuvisc("evaluate", "artifact", "scene.npy") == (
        3,
        "",
        (
            "error: scene.npy: there is nothing to measure: of 48 pixels 0 have no data and 0 a score that is not a "
            "number; of 48 the mask says nothing\n"
        ),
    )


def test_class_labels_are_a_mask_of_which_every_class_counts(cuvisc: Cuvisc, tmp_path: Path) -> None:
    small = write_artifact(tmp_path / "artifact")
    cube = np.random.default_rng(1).integers(0, 120, (*SIZE, 5)).astype("u2")
    np.save("scene.npy", cube)
    labels = a_mask(0)
    labels[5] = 7
    Image.fromarray(labels).save("scene_labels.png")
    found = cuvisc("evaluate", "artifact", "scene.npy", "--json")
    result = json.loads(found.out)
    assert (result["pixels"], result["anomalies"]) == (48, 17)
    assert result["auroc"] == pytest.approx(roc_auc_score(labels.ravel() > 0, small.scores(cube).ravel()))
    assert found.err == (
        "warning: scene_labels.png holds 2 numbers above 0 (1, 7); every one of them counts as an anomaly\n"
    )
    Image.fromarray((labels == 7).astype("u1")).save("scene_mask.png")
    found = cuvisc("evaluate", "artifact", "scene.npy", "--json")
    assert (json.loads(found.out)["anomalies"], found.err) == (8, "")
