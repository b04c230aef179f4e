"""What is odd about ground truth, and between stages, is found; what is not odd is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_checks import checked, said
from format_files import centers_of, cube_of, write_envi, write_tiff
from memory_data import ANOMALY, FROZEN
from rasterio.transform import from_origin
from scene_folders import write_coco, write_png, write_scenes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_copies_and_shared_pixels_are_leaks(folder: Path) -> None:
    cubes, masks = write_scenes(folder, 3)
    write_envi(folder / "copy.hdr", cubes[0], "bsq", wavelength=centers_of(6), **{"wavelength units": "nm"})
    write_png(folder / "copy_mask.png", masks[0])
    assert said(checked("type: CubeFolder, val: copy.hdr")) == [
        "warning: val has copies of images of train: copy.hdr (of s0.hdr)"
    ]
    assert said(checked("type: CubeFiles, train: ['s*.hdr', copy.hdr], val: s1.hdr")) == [
        "warning: val shares 144 pixels with train, of s1.hdr",
        "warning: training has the same image twice: s0.hdr (of copy.hdr)",
    ]


def test_blocks_share_nothing(folder: Path) -> None:
    write_scenes(folder, 1, 48)
    found = checked("type: CubeFolder, split: block, tile: 6, overlap: 3")
    assert said(found) == []
    (image,) = found.survey.images.values()
    trained = {sample.box for sample in found.survey.of("train")}
    assert sum(box.pixels for box in trained) > image.tally.pixels


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        ("anomaly_classes: [7]", "warning: no pixel has the anomaly class 7"),
        ("anomaly_classes: [2]", "warning: val has a class that training never sees: 9"),
    ],
)
def test_classes_that_do_not_occur_are_named(folder: Path, data: str, fact: str) -> None:
    for name in "abc":
        np.save(f"{name}.npy", cube_of((9, 9, 5), seed=ord(name)))
        labels = np.arange(81).reshape(9, 9) % 3
        labels[0] = 9 if name == "c" else 0
        np.save(f"{name}_gt.npy", labels)
    found = checked(f"type: CubeFolder, labels: '{{stem}}_gt.npy', val: c.npy, {data}")
    assert fact in said(found)
    assert dict(found.survey.balances["val"].classes) == {0: 24, 1: 24, 2: 24, 9: 9}


def test_a_class_raster_given_as_a_mask_is_told(folder: Path) -> None:
    for name in "abc":
        write_tiff(folder / f"{name}.tif", cube_of((9, 9, 5), seed=ord(name)))
        write_png(folder / f"{name}_mask.png", (np.arange(81, dtype="u1").reshape(9, 9) % 4))
    assert said(checked("type: CubeFolder")) == [
        "warning: a.tif, b.tif, c.tif: the mask holds 0, 1, 2, 3; whatever is above 0 counts as an anomaly"
    ]
    assert said(checked("type: CubeFolder, ignore_label: 3"))[0].endswith(
        "the mask holds 0, 1, 2; whatever is above 0 counts as an anomaly"
    )


def test_class_ids_that_the_graph_maps_are_not_odd(folder: Path) -> None:
    """Where they reach it: what a folder reads as a mask is 0 and 1."""
    for name in "abc":
        np.savez(f"{name}.npz", cube=cube_of((9, 9, 5), seed=ord(name)), mask=np.arange(81).reshape(9, 9) % 4)
    text = ANOMALY.replace(
        "nodes:", "nodes:\n  m: {type: BinaryAnomalyLabelMapper, normal_class_ids: [0, 2]}"
    )
    found = checked("type: CubeFiles, train: a.npz, val: b.npz, test: c.npz, data_dir: .", text)
    assert not [message for message in said(found) if "the mask holds" in message]
    assert dict(found.survey.balances["train"].classes) == {0: 21, 1: 20, 2: 20, 3: 20}
    assert found.survey.balances["train"].anomalies == 40
    assert "a.npz, b.npz, c.npz: the mask holds 0, 1, 2, 3" in said(checked("type: CubeFolder", text))[0]


def test_a_mask_beside_its_cube_by_its_georeference_is_told(folder: Path) -> None:
    write_tiff(folder / "a.tif", cube_of((9, 9, 5)))
    mask = np.eye(9, dtype="u1")[..., None]
    write_tiff(folder / "a_mask.tif", mask, transform=from_origin(366015 + 60, 5807085, 30, 30))
    assert said(checked("type: CubeFiles, train: a.tif")) == [
        "warning: a_mask.tif lies 2 pixels beside a.tif, by what the files say of their place"
    ]
    write_tiff(folder / "a_mask.tif", mask)
    assert said(checked("type: CubeFiles, train: a.tif")) == []


def test_truth_that_leaves_need_and_nothing_gives_is_an_error(folder: Path) -> None:
    np.save("a.npy", cube_of())
    found = checked("type: CubeFiles, train: a.npy")
    assert said(found, "error") == [
        "error: `loss_leaves.bce` reads `mask`, which images of train do not have",
        "error: `metric_leaves.detection` reads `mask`, which images of train do not have",
    ]
    assert said(checked("type: CubeFiles, train: a.npy", FROZEN), "error") == []


def test_a_stage_without_a_judged_pixel_is_told(folder: Path) -> None:
    for name in "abc":
        np.save(f"{name}.npy", cube_of((9, 9, 5), seed=ord(name)))
        np.save(f"{name}_gt.npy", np.full((9, 9), 7) if name == "c" else np.eye(9, dtype=int))
    data = "labels: '{stem}_gt.npy', anomaly_classes: [1], ignore_label: 7, val: c.npy"
    assert said(checked(f"type: CubeFolder, {data}")) == [
        "warning: every pixel of val is ignored",
        "warning: c.npy: no pixel has data",
    ]


def test_an_empty_mask_is_told_with_the_loss_that_reads_it(folder: Path) -> None:
    write_scenes(folder, 3)
    for index in range(3):
        write_png(folder / f"s{index}_mask.png", np.zeros((12, 12), "u1"))
    found = checked("type: CubeFolder, val: s2.hdr")
    assert said(found) == [
        "warning: train has no anomalous pixel: `bce` can only learn that nothing is one",
        "warning: val has no anomalous pixel: AUROC and average precision are not defined there",
    ]
    coco = [{"id": i, "file_name": f"s{i}"} for i in range(3)]
    write_coco(folder / "c.json", coco, [])
    assert len(said(checked("type: CubeFolder, val: s2.hdr, labels: c.json"))) == 2


def test_bands_and_pixels_that_a_covariance_cannot_have_are_told(folder: Path) -> None:
    np.save("a.npy", cube_of((2, 2, 5)))
    text = FROZEN.replace("{name: frozen}", "{name: frozen, input: {channels: 7}}")
    assert said(checked("type: CubeFiles, train: a.npy", FROZEN)) == [
        "warning: training has 4 pixels for 5 bands: a covariance of them is singular"
    ]
    with_channels = checked("type: CubeFolder, train: a.npy", text)
    assert said(with_channels, "error") == ["error: `graph.input.channels` is 7, the images have 5 bands"]
