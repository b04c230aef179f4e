"""Class ids are classes until something says which of them are anomalies; one raster is of one cube."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_graphs import typed
from format_files import cube_of, write_tiff
from memory_data import ANOMALY, FROZEN
from scene_folders import write_png

from cuvisc import TrainerConfig, TrainingConfig
from cuvisc.runtime.components import make_datamodule
from cuvisc.runtime.data_check.check import check_data
from cuvisc.runtime.report.evidence import Evidence
from cuvisc.runtime.training import train

CLASSES = np.arange(81, dtype="u1").reshape(9, 9) % 4
SAYS_NOTHING = "the labels are class ids and nothing says which of them are anomalies"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tiff(tmp_path / "a.tif", cube_of((9, 9, 6)))
    write_tiff(tmp_path / "a_label.tif", CLASSES[..., None])
    return tmp_path


@contextmanager
def no_bar(total: float) -> Iterator[Any]:
    yield lambda done: None


def found(text: str, data: str) -> list[str]:
    checked = check_data(typed(f"{text}\ndatamodule: {{{data}}}\n"), no_bar)
    return [f"{f.severity}: {f.message}" for f in checked.findings if f.topic in ("classes", "truth")]


def told(caplog: pytest.LogCaptureFixture, folder: Path, text: str, data: str) -> list[tuple[str, str]]:
    graph = typed(f"{text}\ndatamodule: {{{data}}}\n")
    config = TrainingConfig(trainer=TrainerConfig(max_epochs=0, accelerator="cpu"))
    with caplog.at_level(logging.INFO, logger="cuvisc"):
        train(graph, make_datamodule(graph.spec), config, run_dir=folder / "run")
    return [(record.levelname, record.message) for record in caplog.records][:2]


def test_a_class_raster_beside_a_cube_is_no_mask(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = "type: CubeFiles, train: a.tif"
    assert told(caplog, folder, FROZEN, data) == [
        ("INFO", "train: 81 pixels; by class 0: 21, 1: 20, 2: 20, 3: 20"),
        ("INFO", f"train: {SAYS_NOTHING}; they are read as classes"),
    ]
    evidence = Evidence.read(folder / "run" / "report.npz")
    assert evidence.facts["images"]["labelled"] == 0
    assert "picture/mask" not in evidence.arrays
    assert '"anomalies": null' in json.dumps(evidence.facts)
    assert found(FROZEN, data) == [f"note: train: {SAYS_NOTHING}; they are read as classes"]


def test_a_leaf_that_takes_them_for_a_mask_is_warned_of(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = FROZEN + "  detection: {type: AnomalyDetectionMetrics, parent: rx, threshold: 20}\n"
    fact = f"train: {SAYS_NOTHING}, so that `detection` counts every class above 0 as one"
    data = "type: CubeFiles, train: a.tif"
    assert told(caplog, folder, text, data) == [
        ("INFO", "train: 81 pixels, 60 anomalous (74.07%); by class 0: 21, 1: 20, 2: 20, 3: 20"),
        ("WARNING", fact),
    ]
    assert found(text, data) == [f"warning: {fact}"]
    declared = (
        "type: CubeFolder, files: a.tif, labels: '{stem}_label.tif', anomaly_classes: [2], train: a.tif"
    )
    assert found(text, declared) == []
    write_tiff(folder / "a_label.tif", (CLASSES > 2).astype("u1")[..., None])
    assert found(text, data) == []


def test_a_raster_that_is_the_mask_of_several_cubes_is_told(folder: Path) -> None:
    write_tiff(folder / "b.tif", cube_of((9, 9, 6), seed=1))
    write_png(folder / "a_mask.png", np.eye(9, dtype="u1"))
    data = "type: CubeFolder, files: '[ab].tif', train: a.tif, val: b.tif"
    assert found(ANOMALY, f"{data}, mask: a_mask.png") == [
        "warning: a_mask.png is the mask of 2 cubes: a.tif, b.tif"
    ]
    write_png(folder / "b_mask.png", np.eye(9, dtype="u1"))
    assert found(ANOMALY, f"{data}, mask: '{{stem}}_mask.png'") == []
