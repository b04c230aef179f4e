"""Class ids are mapped under whichever name they come, and losses, metrics, balance and report see the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene, scene

from cuvisc import TrainingConfig
from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.runtime.class_balance import Balance, log_balance
from cuvisc.runtime.data.cube_files import CubeFiles
from cuvisc.runtime.data.cube_folder import CubeFolder
from cuvisc.runtime.mapped_truth import class_ids, with_mapped_truth
from cuvisc.runtime.report.collect import collect
from cuvisc.runtime.training import Run, train

MAPPED = ANOMALY.replace(
    "nodes:", "nodes:\n  mapper: {type: BinaryAnomalyLabelMapper, normal_class_ids: [0, 1]}"
)
CONFIG = TrainingConfig(trainer={"max_epochs": 1, "accelerator": "cpu"}, optimizer={"lr": 0.01})
IDS = np.array([[0, 1], [2, 7]])
WANTED = [[0, 0], [1, 1]]


class Classes(MemoryScene):
    """Ground truth of other names and dtypes than a mask of 0 and 1."""

    def __init__(self, **truth: Any) -> None:
        super().__init__()
        self.truth = truth

    def samples(self, stage: Any) -> Any:
        return [
            {"cube": torch.from_numpy(cube)} | {name: values[index] for name, values in self.truth.items()}
            for index, cube in enumerate(self.cubes)
        ]


def ids() -> torch.Tensor:
    """Four classes, of which 2 and 3 are anomalous."""
    masks = scene()[1]
    classes = np.random.default_rng(4).integers(0, 2, masks.shape) + 2 * masks
    return torch.from_numpy(classes)


def run(folder: Path, text: str, **truth: torch.Tensor) -> Run:
    return train(typed(text), Classes(**truth), CONFIG, run_dir=folder)


def module_of(text: str = MAPPED) -> CompiledGraph:
    module = build_module(typed(text))
    module.bind(6)
    return module


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.uint16, torch.float32])
@pytest.mark.parametrize("name", ["mask", "labels"])
def test_training_is_that_with_the_mask_that_they_mean(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    wanted = run(tmp_path / "wanted", ANOMALY, mask=(ids() > 1).to(torch.uint8))
    found = run(tmp_path / "found", MAPPED, **{name: ids().to(dtype)})
    assert found.facts["metrics"] == wanted.facts["metrics"]
    assert 0 < wanted.facts["metrics"]["val/metric/anomaly_auroc"] <= 1


def test_labels_are_mapped_in_the_place_of_a_mask_that_comes_with_them(tmp_path: Path) -> None:
    wanted = run(tmp_path / "wanted", ANOMALY, mask=(ids() > 1).to(torch.uint8))
    found = run(tmp_path / "found", MAPPED, labels=ids(), mask=torch.zeros_like(ids()))
    assert found.facts["metrics"] == wanted.facts["metrics"]


@pytest.mark.parametrize("name", ["mask", "labels"])
def test_the_report_judges_by_the_same_truth(tmp_path: Path, name: str) -> None:
    data = Classes(**{name: ids()})
    done = train(typed(MAPPED), data, CONFIG, run_dir=tmp_path)
    assert collect(done.module, data).arrays["picture/mask"].any()
    first = (ids()[0] > 1).numpy()
    np.testing.assert_array_equal(collect(done.module, data).arrays["picture/mask"] > 0, first)


def test_a_mask_of_true_and_false_is_left_as_it_is() -> None:
    mask = torch.tensor(IDS > 6)
    assert class_ids({"mask": mask}) is None
    assert with_mapped_truth(module_of(), {"mask": mask, "name": "a"}) == {"mask": mask, "name": "a"}


def test_a_batch_without_truth_and_a_graph_without_a_mapper() -> None:
    assert with_mapped_truth(module_of(), {"mask": None}) == {"mask": None}
    batch = {"labels": torch.from_numpy(IDS)}
    assert with_mapped_truth(module_of(ANOMALY), batch) == batch


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<i4", "f4"])
@pytest.mark.parametrize("name", ["mask", "labels"])
def test_the_balance_counts_what_they_mean(name: str, dtype: str) -> None:
    balance = Balance()
    balance.add({name: IDS.astype(dtype)}, module_of())
    assert balance.words() == "4 pixels, 2 anomalous (50.00%); by class 0: 1, 1: 1, 2: 1, 7: 1"


def write(folder: Path) -> None:
    folder.mkdir()
    for name in "abc":
        cube = np.random.default_rng(ord(name)).normal(size=(2, 2, 6)).astype("f4")
        np.savez(folder / f"{name}.npz", cube=cube, mask=IDS.astype("u1"))


def told(caplog: pytest.LogCaptureFixture, data: Any) -> list[str]:
    with caplog.at_level(logging.INFO, logger="cuvisc"):
        log_balance(data, typed(MAPPED), module_of())
    return caplog.messages


def test_class_ids_in_masks_of_files_are_mapped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "data")
    data = CubeFiles(train=str(tmp_path / "data" / "*.npz"), data_dir="/")
    words = "12 pixels, 6 anomalous (50.00%); by class 0: 3, 1: 3, 2: 3, 7: 3"
    assert told(caplog, data)[0] == f"train: {words}"
    (sample, *_) = data.samples("train")
    assert with_mapped_truth(module_of(), sample)["mask"].tolist() == WANTED


def test_a_mapper_that_no_class_ids_reach_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder's masks are 0 and 1, so that nothing is left to map."""
    write(tmp_path / "data")
    data = CubeFolder(data_dir=str(tmp_path / "data"), val_fraction=0.34, test_fraction=0)
    assert (
        "train, val: the graph maps class ids, but what a mask holds above 0 is made 1 when it is read: name the "
        "files of class ids as `labels`"
    ) in told(caplog, data)
