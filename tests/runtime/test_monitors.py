"""Monitors are told what Lightning logs; they may fail, the run may not."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_graphs import typed
from matplotlib.figure import Figure
from memory_data import ANOMALY, MemoryScene

from cuvisc import TrainingConfig
from cuvisc.language.leaf import MonitoringNode
from cuvisc.runtime import DummyMonitor
from cuvisc.runtime.reporting import Reporters
from cuvisc.runtime.training import train

CONFIG = TrainingConfig(trainer={"max_epochs": 1, "accelerator": "cpu"})


class Listening(MonitoringNode):
    """Writes down what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, ...]] = []

    def setup(self, run_info: dict[str, Any]) -> None:
        self.heard.append(("setup", run_info["name"], run_info["folder"], run_info["spec"]["graph"]["name"]))

    def log_metrics(self, metrics: dict[str, float], step: int, stage: str) -> None:
        self.heard.append((stage, step, self.epoch, sorted(metrics)))

    def log_artifact(self, artifact: dict[str, Any], name: str, step: int, stage: str) -> None:
        self.heard.append(("figure", stage, name, self.epoch))

    def close(self) -> None:
        self.heard.append(("close",))


class Failing(MonitoringNode):
    """Raises when metrics arrive."""

    def log_metrics(self, metrics: dict[str, float], step: int, stage: str) -> None:
        raise ConnectionError("no route")


def drawn() -> dict[str, Any]:
    figure = Figure()
    figure.subplots().plot([1, 2])
    return {"figure": figure, "data": {"x": [1, 2], "names": np.array([{}], dtype=object)}}


def test_a_monitor_hears_setup_metrics_and_close(tmp_path: Path) -> None:
    monitor = Listening()
    train(typed(ANOMALY), MemoryScene(batch_size=5), CONFIG, run_dir=tmp_path, monitors=[monitor])
    losses = ["loss/bce", "loss/orthogonality", "loss/total"]
    metrics = ["auroc", "average_precision", "f1", "iou", "precision", "recall"]
    assert monitor.heard == [
        ("setup", "small", str(tmp_path), "small"),
        ("train", 0, 0, ["lr", *(f"train/{loss}" for loss in losses)]),
        (
            "val",
            0,
            0,
            [*(f"val/{loss}" for loss in losses), *(f"val/metric/anomaly_{metric}" for metric in metrics)],
        ),
        ("close",),
    ]


def test_a_monitor_that_fails_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listening = Listening()
    with caplog.at_level(logging.WARNING, "cuvisc"):
        done = train(typed(ANOMALY), MemoryScene(), CONFIG, run_dir=tmp_path, monitors=[Failing(), listening])
    assert caplog.messages == ["Failing reports no more: ConnectionError: no route; the run goes on"]
    assert done.facts["status"] == "finished"
    assert len(listening.heard) == 4
    assert (tmp_path / "metrics.jsonl").stat().st_size > 0


def test_a_monitor_hears_in_which_epoch_a_figure_was_drawn(tmp_path: Path) -> None:
    text = (
        f"{ANOMALY}\nvisualization_leaves: {{heat: {{type: AnomalyHeatmap, parent: rx, log_frequency: 2}}}}\n"
    )
    for epochs, drawn_in in ((0, [0]), (3, [0, 2])):
        monitor = Listening()
        config = TrainingConfig(trainer={"max_epochs": epochs, "accelerator": "cpu"})
        train(typed(text), MemoryScene(), config, run_dir=tmp_path / str(epochs), monitors=[monitor])
        found = [heard for heard in monitor.heard if heard[0] == "figure"]
        assert found == [("figure", "val", "heat", epoch) for epoch in drawn_in]


def test_metrics_are_one_json_object_a_line(tmp_path: Path) -> None:
    monitor = DummyMonitor(output_dir=str(tmp_path / "deep" / "folder"))
    monitor.setup({"folder": str(tmp_path)})
    monitor.epoch = 1
    monitor.log_metrics({"a": 1.5, "b": float("nan")}, 3, "val")
    monitor.close()
    lines = [
        json.loads(line) for line in (tmp_path / "deep" / "folder" / "metrics.jsonl").read_text().splitlines()
    ]
    assert [{key: value for key, value in line.items() if key != "time"} for line in lines] == [
        {"step": 3, "epoch": 1, "stage": "val", "name": "a", "value": 1.5},
        {"step": 3, "epoch": 1, "stage": "val", "name": "b", "value": None},
    ]
    assert all(isinstance(line["time"], float) for line in lines)


@pytest.mark.parametrize("write_pickle", [False, True])
def test_figures_are_png_with_their_data(tmp_path: Path, write_pickle: bool) -> None:
    monitor = DummyMonitor(write_pickle=write_pickle)
    monitor.setup({"folder": str(tmp_path)})
    monitor.log_artifact(drawn(), "heat", 12, "val")
    monitor.close()
    names = sorted(file.name for file in (tmp_path / "figures").iterdir())
    wanted = ["heat-val-000012.npz", "heat-val-000012.png"]
    assert names == sorted([*wanted, "heat-val-000012.pkl"] if write_pickle else wanted)
    with np.load(tmp_path / "figures" / wanted[0], allow_pickle=False) as data:
        assert data.files == ["x"]
        np.testing.assert_array_equal(data["x"], [1, 2])
    assert (tmp_path / "figures" / wanted[1]).read_bytes().startswith(b"\x89PNG")
    if write_pickle:
        loaded = pickle.loads((tmp_path / "figures" / "heat-val-000012.pkl").read_bytes())  # noqa: S301 - ours
        np.testing.assert_array_equal(loaded["x"], [1, 2])


def test_the_run_folder_has_metrics_and_figures_whatever_is_registered(tmp_path: Path) -> None:
    for number, monitors in enumerate(
        [[], [DummyMonitor()], [DummyMonitor(output_dir=str(tmp_path / "other"))]]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        reporters = Reporters(monitors, folder)
        reporters.setup({"name": "x"})
        reporters.log_metrics({"val/loss/total": 1.0}, 0, 0)
        reporters.log_figure("heat", drawn, 0, "val", 0)
        reporters.close()
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1
        assert (folder / "figures" / "heat-val-000000.png").is_file()
    assert (tmp_path / "other" / "metrics.jsonl").is_file()


def test_a_figure_that_cannot_be_drawn_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> dict[str, Any]:
        raise ValueError("no ink")

    reporters = Reporters([], tmp_path)
    reporters.setup({"name": "x"})
    with caplog.at_level(logging.WARNING, "cuvisc"):
        for step in range(3):
            reporters.log_figure("heat", fail, step, "val", 0)
    reporters.close()
    assert caplog.messages == ["`heat` cannot be drawn: ValueError: no ink; the run goes on"]
