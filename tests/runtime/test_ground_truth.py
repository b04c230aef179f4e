"""Cubes of every format are trained on and measured with the ground truth in them or beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from format_files import centers_of, cube_of, write_envi, write_h5, write_mat, write_tiff
from matplotlib.image import imsave
from sklearn.metrics import roc_auc_score
from small_artifacts import write_artifact

from cuvisc.runtime import CubeFiles
from cuvisc.runtime.data.truth import Truth, read_truth
from cuvisc.runtime.evaluation import Evaluator
from cuvisc.runtime.findings import findings
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.judging import Judge
from cuvisc.schema.errors import DataError

MASK = (np.random.default_rng(5).random((7, 9)) < 0.3).astype("u1")
CENTERS = centers_of(5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tiff(cube: Any) -> str:
    write_tiff(Path("a.tif"), cube, {"wavelength": CENTERS, "wavelength_units": ["nm"] * 5})
    write_tiff(Path("a_mask.tif"), MASK[..., None])
    return "a.tif"


def envi(cube: Any) -> str:
    write_envi(Path("a.hdr"), cube, "bil", wavelength=CENTERS, **{"wavelength units": "nm"})
    imsave("a_mask.png", MASK * 255, cmap="gray")
    return "a.hdr"


def hdf5(cube: Any) -> str:
    write_h5(Path("a.h5"), {"cube": cube, "mask": MASK, "wavelengths": np.array(CENTERS)})
    return "a.h5"


def mat(cube: Any) -> str:
    write_mat(Path("a.mat"), {"hsi": cube, "mask": MASK, "wavelengths": np.array(CENTERS)})
    return "a.mat"


def npz(cube: Any) -> str:
    np.savez("a.npz", cube=cube, wavelengths=CENTERS)
    np.save("a_mask.npy", MASK)
    return "a.npz"


@pytest.mark.parametrize("write", [tiff, envi, hdf5, mat, npz])
def test_samples_and_quality_are_the_same_in_every_format(folder: Path, write: Callable[[Any], str]) -> None:
    cube = cube_of()
    name = write(cube)
    module = CubeFiles(train="a.*")
    (batch,) = module.train_dataloader()
    np.testing.assert_array_equal(batch["cube"][0].numpy(), cube)
    np.testing.assert_array_equal(batch["mask"][0].numpy() > 0, MASK > 0)
    assert batch["wavelengths"][0].tolist() == CENTERS
    assert module.wavelengths == tuple(CENTERS)
    small = write_artifact(folder / "artifact")
    result = findings(Evaluator(Predictor(small.folder)).run(Path(name)).measurement)
    expected = roc_auc_score(MASK.ravel(), small.scores(cube).ravel())
    assert result.auroc == pytest.approx(expected, abs=1e-9)


def test_an_array_in_a_file_is_named_after_two_colons(folder: Path) -> None:
    write_h5(Path("a.h5"), {"one": cube_of(), "two": cube_of(seed=1)})
    (batch,) = CubeFiles(train="*.h5::/two").train_dataloader()
    np.testing.assert_array_equal(batch["cube"][0].numpy(), cube_of(seed=1))


def test_labels_lie_beside_a_cube_as_a_raster(folder: Path) -> None:
    labels = np.arange(63, dtype="f4").reshape(7, 9)
    write_tiff(Path("a.tif"), cube_of())
    write_tiff(Path("a_label.tif"), labels[..., None])
    (batch,) = CubeFiles(train="*.tif").train_dataloader()
    assert "mask" not in batch
    np.testing.assert_array_equal(batch["labels"][0].numpy(), labels)


def test_pixels_without_data_are_nan_and_the_cube_is_then_of_floating_point(folder: Path) -> None:
    cube = cube_of(dtype="i2")
    cube[1, 2], cube[3, 4, 0] = -1, -1
    write_tiff(Path("a.tif"), cube, nodata=-1)
    (batch,) = CubeFiles(train="a.tif").train_dataloader()
    assert batch["cube"].dtype == torch.float32
    expected = cube.astype("f4")
    expected[1, 2] = np.nan
    np.testing.assert_array_equal(batch["cube"][0].numpy(), expected)


def test_pixels_without_data_are_not_measured(folder: Path) -> None:
    cube = cube_of(dtype="i2")
    cube[:2] = -1
    tiff(cube)
    write_tiff(Path("a.tif"), cube, nodata=-1)
    small = write_artifact(folder / "artifact")
    result = findings(Evaluator(Predictor(small.folder)).run(Path("a.tif")).measurement)
    assert (result.pixels, result.excluded_pixels) == (45, 18)
    expected = roc_auc_score(MASK[2:].ravel(), small.scores(cube[2:]).ravel())
    assert result.auroc == pytest.approx(expected, abs=1e-9)


def test_a_mask_can_be_any_file(folder: Path) -> None:
    np.save("a.npy", cube_of())
    np.savez("truth.npz", anomalies=MASK)
    small = write_artifact(folder / "artifact")
    evaluator = Evaluator(Predictor(small.folder), judge=Judge("truth.npz::anomalies"))
    assert evaluator.run(Path("a.npy")).measurement.anomalies == int(MASK.sum())


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (
            lambda: (np.save("a_mask.npy", MASK), imsave("a_mask.png", MASK)),
            "a.npy has several files of mask beside it: a_mask.png, a_mask.npy; keep one",
        ),
        (lambda: np.save("a_mask.npy", MASK.T), "a_mask.npy has the shape (9, 7); (7, 9) goes with the cube"),
    ],
)
def test_doubtful_ground_truth_is_answered(folder: Path, make: Callable[[], Any], fact: str) -> None:
    np.save("a.npy", cube_of())
    make()
    with pytest.raises(DataError) as caught:
        list(CubeFiles(train="a.npy").train_dataloader())
    assert str(caught.value) == fact


def test_cubes_with_other_bands_are_not_mixed(folder: Path) -> None:
    np.savez("a.npz", cube=cube_of(), wavelengths=CENTERS)
    np.savez("b.npz", cube=cube_of(), wavelengths=[*CENTERS[:4], 700])
    with pytest.raises(DataError) as caught:
        CubeFiles(train="*.npz").train_dataloader()
    assert str(caught.value) == (
        "b.npz and a.npz see other bands: band 5 is at 700 nm in one and at 650 nm in the other"
    )


def test_a_mask_of_another_shape_is_not_read_to_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez("a.npz", cube=cube_of(), mask=np.zeros((700, 900), np.uint8))
    monkeypatch.setattr("cuvisc.runtime.data.truth.read_array", lambda *_: pytest.fail("the mask was read"))
    with pytest.raises(DataError) as caught:
        read_truth(Truth.of(Path("a.npz"), "mask"), (7, 9))
    assert str(caught.value) == "a.npz: `mask` has the shape (700, 900); (7, 9) goes with the cube"
