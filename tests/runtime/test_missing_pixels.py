"""Pixels without data take no part in training: neither in losses nor in gradients, and never in what others score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene, scene

from cuvisc import TrainingConfig
from cuvisc.runtime.missing import emptied, fill, mark, missing_pixels
from cuvisc.runtime.training import Run, train

CONFIG = TrainingConfig(trainer={"max_epochs": 3, "accelerator": "cpu"}, optimizer={"lr": 0.01})
HOLES = [(0, 0, 0), (1, 3, 4), (1, 3, 5), (4, 11, 11)]


def run(folder: Path, cubes: Any, masks: Any, text: str = ANOMALY, **params: Any) -> Run:
    return train(typed(text), MemoryScene(cubes, masks, **params), CONFIG, run_dir=folder)


def damaged(value: float) -> tuple[Any, Any]:
    cubes, masks = scene(dtype="float32")
    for number, (image, row, column) in enumerate(HOLES):
        cubes[image, row, column, number % cubes.shape[-1]] = value
    return cubes, masks


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_band_that_is_not_finite_does_not_end_a_training(tmp_path: Path, value: float) -> None:
    done = run(tmp_path, *damaged(value))
    assert done.facts["input"]["excluded_pixels"] == len(HOLES)
    assert np.isfinite(list(done.facts["metrics"].values())).all()
    assert all(bool(torch.isfinite(p).all()) for p in done.module.parameters())


def test_what_a_missing_pixel_holds_in_its_other_bands_makes_no_difference(tmp_path: Path) -> None:
    one = damaged(np.nan)
    other = damaged(np.nan)
    for image, row, column in HOLES:
        other[0][image, row, column] = np.nan
        other[1][image, row, column] = 1 - other[1][image, row, column]
    runs = [run(tmp_path / name, *data) for name, data in (("one", one), ("other", other))]
    weights = [(done.folder / "weights.safetensors").read_bytes() for done in runs]
    assert weights[0] == weights[1]
    metrics = [{k: v for k, v in done.facts["metrics"].items() if "loss" in k} for done in runs]
    assert metrics[0] == metrics[1]


def test_the_loss_is_that_of_the_other_pixels(tmp_path: Path) -> None:
    cubes, masks = damaged(np.nan)
    done = run(tmp_path, cubes, masks, batch_size=5)
    with torch.no_grad():
        logits = done.module(torch.from_numpy(cubes))["head.logits"][..., 0].double()
    known = torch.isfinite(logits)
    assert int((~known).sum()) == len(HOLES)
    truth = torch.from_numpy(masks).double()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[known], truth[known], pos_weight=torch.tensor(5.0)
    )
    assert done.facts["metrics"]["val/loss/bce"] == pytest.approx(float(loss), rel=1e-3)


def test_gradients_are_those_without_the_pixel() -> None:
    cube = torch.from_numpy(damaged(np.nan)[0])
    missing = missing_pixels(cube)
    assert missing is not None
    weight = torch.randn(cube.shape[-1], 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = mark(fill(cube, missing) @ weight, missing)
    assert torch.equal(torch.isnan(found).any(-1), missing[..., 0])
    torch.where(torch.isnan(found), 0.0, found).square().sum().backward()
    known = cube[~missing[..., 0]].double()
    wanted = 2 * known.T @ (known @ weight.detach().double())
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad.double(), wanted, rtol=1e-4, atol=0.0)


def test_a_cube_with_all_its_data_is_left_alone() -> None:
    assert missing_pixels(torch.zeros(1, 2, 2, 3, dtype=torch.uint16)) is None
    assert missing_pixels(torch.randn(1, 2, 2, 3)) is None
    assert missing_pixels(torch.full((1, 2, 2, 3), 3e38)) is None


def test_a_missing_pixel_is_replaced_by_one_of_its_own_image() -> None:
    cube = torch.arange(16.0).reshape(2, 2, 2, 2)
    cube[0, 0, 0, 1] = torch.nan
    cube[1] = torch.nan
    missing = missing_pixels(cube)
    assert missing is not None
    filled = fill(cube, missing)
    assert filled[0].tolist() == [[[2.0, 3.0], [2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]]]
    assert filled[1].tolist() == [[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]


def test_decisions_at_missing_pixels_are_false() -> None:
    missing = torch.tensor([[[[True], [False]]]])
    assert mark(torch.ones(1, 1, 2, 1, dtype=torch.bool), missing).flatten().tolist() == [False, True]
    assert mark(torch.ones(1, 1, 2, 1, dtype=torch.int32), missing).flatten().tolist() == [0, 1]
    values = torch.zeros(3)
    assert mark(values, missing) is values


def marked(where: str) -> str:
    """The anomaly graph with a NoDataMask in front, or between its normalizer and what is trained."""
    mask = "  nodata: {type: NoDataMask, nodata: 0}\n"
    if where == "in front":
        return ANOMALY.replace("nodes:\n", f"nodes:\n{mask}").replace(
            "{type: MinMaxNormalizer}", "{type: MinMaxNormalizer, parent: nodata.marked}"
        )
    return ANOMALY.replace(
        "  pca: {", f"  nodata: {{type: NoDataMask, saturation: {where}}}\n  pca: {{"
    ).replace("type: TrainablePCA,", "type: TrainablePCA, parent: nodata.marked,")


def weights_of(done: Run) -> dict[str, torch.Tensor]:
    return {name: value for name, value in done.module.state_dict().items() if "nodata" not in name}


@pytest.mark.parametrize("image", ["a few pixels", "a whole image", "a whole batch"])
def test_marked_pixels_are_pixels_without_data(tmp_path: Path, image: str) -> None:
    """Training with NoDataMask is training on a cube that is not a number where the other has the marked number."""
    cubes, masks = scene(dtype="uint16")
    holes = np.zeros(masks.shape, bool)
    for hole in HOLES:
        holes[hole] = True
    if image != "a few pixels":
        holes[2 : 4 if image == "a whole batch" else 3] = True
    zeros, nans = cubes.copy(), cubes.astype("f4")
    zeros[holes], nans[holes] = 0, np.nan
    size = 1 if image == "a whole batch" else 2
    done = run(tmp_path / "zeros", zeros, masks, marked("in front"), batch_size=size)
    wanted = run(tmp_path / "nans", nans, masks, batch_size=size)
    found = weights_of(done)
    for name, value in weights_of(wanted).items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
    assert np.isfinite(list(done.facts["metrics"].values())).all()
    assert done.facts["metrics"] == pytest.approx(wanted.facts["metrics"], rel=1e-5)


def test_pixels_may_be_marked_in_the_middle_of_a_graph(tmp_path: Path) -> None:
    """What the mask lets through trains as ever, whatever stands in front of it."""
    cubes, masks = scene(dtype="float32")
    done = run(tmp_path, cubes, masks, marked("0.95"), batch_size=5)
    with torch.no_grad():
        values = done.module(torch.from_numpy(cubes))
    known = values["nodata.valid"][..., 0]
    assert 0 < int((~known).sum()) < known.numel()
    logits, truth = values["head.logits"][..., 0].double(), torch.from_numpy(masks).double()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[known], truth[known], pos_weight=torch.tensor(5.0)
    )
    assert bool((truth[~known] > 0).all())
    assert done.facts["metrics"]["val/loss/bce"] == pytest.approx(float(loss), rel=1e-2)


def test_leaves_see_no_number_of_a_marked_pixel() -> None:
    missing = torch.tensor([[[[True], [False]]]])
    for dtype, wide in ((torch.uint8, torch.float32), (torch.int32, torch.float64), (torch.float64,) * 2):
        seen = emptied({"x": torch.full((1, 1, 2, 3), 7, dtype=dtype), "mask": None}, missing)["x"]
        assert seen.dtype == wide
        assert torch.isnan(seen[0, 0, 0]).all()
        assert seen[0, 0, 1].tolist() == [7.0] * 3
