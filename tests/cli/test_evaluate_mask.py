"""What a mask says nothing of takes no part in `evaluate`; scikit-learn measures the same pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import Cuvisc
from format_files import write_tiff
from PIL import Image
from scene_folders import write_coco
from sklearn.metrics import roc_auc_score
from small_artifacts import SmallArtifact, write_artifact

SIZE = 6, 8


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
        write_tiff(Path("scene_mask.tif"), mask[..., None], nodata=255)
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
        write_tiff(Path("scene_mask.tif"), a_mask(0)[..., None], nodata=0)
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
        "warning: scene_labels.png holds 2 numbers above 0 (1, 7); every one of them counts as an anomaly, "
        "--anomaly-classes says which are\n"
    )
    Image.fromarray((labels == 7).astype("u1")).save("scene_mask.png")
    found = cuvisc("evaluate", "artifact", "scene.npy", "--json")
    assert (json.loads(found.out)["anomalies"], found.err) == (8, "")


def scenes_of_classes(small: SmallArtifact) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Two cubes in `flight/`, each with class ids 0 to 3 in `x_gt.tif`: the classes and scores of both together."""
    Path("flight").mkdir()
    classes, scores = [], []
    for seed, name in enumerate("ab"):
        random = np.random.default_rng(seed)
        cube = random.integers(0, 120, (*SIZE, 5)).astype("u2")
        ids = random.integers(0, 4, SIZE).astype("u1")
        write_tiff(Path(f"flight/{name}.tif"), cube)
        write_tiff(Path(f"flight/{name}_gt.tif"), ids[..., None])
        classes.append(ids.ravel())
        scores.append(small.scores(cube).ravel())
    return np.concatenate(classes), np.concatenate(scores)


def test_anomalies_are_the_classes_that_are_named_in_a_file_for_every_cube(
    cuvisc: Cuvisc, tmp_path: Path
) -> None:
    classes, scores = scenes_of_classes(write_artifact(tmp_path / "artifact"))
    asked = ["--mask", "{stem}_gt.tif", "--anomaly-classes", "1, 3", "--ignore-label", "0", "--json"]
    found = cuvisc("evaluate", "artifact", "flight", *asked)
    result = json.loads(found.out)
    judged = classes > 0
    expected = roc_auc_score(np.isin(classes[judged], [1, 3]), scores[judged])
    assert [each["input"] for each in result["files"]] == ["flight/a.tif", "flight/b.tif"]
    assert (result["pixels"], result["anomalies"]) == (judged.sum(), np.isin(classes, [1, 3]).sum())
    assert result["auroc"] == pytest.approx(expected)
    assert found.err == (
        f"warning: {(~judged).sum()} of 96 pixels are left out: "
        "no data, a score that is NaN, or a mask that says nothing\n"
    )


def test_labels_come_before_a_mask_where_classes_are_named(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    labels = np.arange(48).reshape(SIZE) % 5
    np.savez("scene.npz", cube=np.ones((*SIZE, 5), "u2"), mask=np.eye(*SIZE), labels=labels)
    result = json.loads(cuvisc("evaluate", "artifact", "scene.npz", "--anomaly-classes", "4", "--json").out)
    assert result["anomalies"] == (labels == 4).sum()
    result = json.loads(cuvisc("evaluate", "artifact", "scene.npz", "--json").out)
    assert result["anomalies"] == 6


def test_annotations_name_their_classes(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    np.save("scene.npy", np.ones((*SIZE, 5), "u2"))
    box = {"id": 1, "image_id": 7, "iscrowd": 0}
    square, stone = [1, 1, 4, 1, 4, 3, 1, 3], [5, 4, 7, 4, 7, 6, 5, 6]
    write_coco(
        Path("all.json"),
        [{"id": 7, "file_name": "scene.npy", "width": SIZE[1], "height": SIZE[0]}],
        [
            {**box, "category_id": 1, "segmentation": [square], "bbox": [1, 1, 3, 2], "area": 6},
            {**box, "id": 2, "category_id": 3, "segmentation": [stone], "bbox": [5, 4, 2, 2], "area": 4},
        ],
    )
    asked = ["evaluate", "artifact", "scene.npy", "--mask", "all.json", "--json"]
    assert json.loads(cuvisc(*asked, "--anomaly-classes", "stone").out)["anomalies"] == 4
    assert json.loads(cuvisc(*asked).out)["anomalies"] == 10
    assert cuvisc(*asked, "--anomaly-classes", "ston") == (
        3,
        "",
        "error: all.json: there is no class `ston`; there is `grain`, `stone`. did you mean `stone`?\n",
    )
