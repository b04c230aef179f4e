"""A folder of ENVI cubes with PNG masks trains from end to end, says its class balance, and resumes exactly."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_graphs import typed
from lightning.pytorch.callbacks import Callback
from memory_data import ANOMALY, FROZEN
from scene_folders import write_coco, write_png, write_scenes

from cuvisc.runtime import CubeFiles, CubeFolder
from cuvisc.runtime.components import make_config, make_datamodule
from cuvisc.runtime.training import train
from cuvisc.schema.errors import DataError

TILES = "mask: '{stem}_mask.png', tile: 8, overlap: 2, batch_size: 4"


def spec(folder: Path, epochs: int, data: str = TILES) -> Any:
    return typed(
        f"{ANOMALY}\ndatamodule: {{type: CubeFolder, data_dir: {folder}, {data}}}\n"
        f"training: {{trainer: {{max_epochs: {epochs}, accelerator: cpu}}, optimizer: {{lr: 0.01}}}}\n"
    )


class Interrupt(Callback):
    """Ctrl-C after the second batch of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, 1):
            raise KeyboardInterrupt


def test_statistics_are_those_of_the_training_files_and_metrics_of_the_validation_files(
    tmp_path: Path,
) -> None:
    cubes, _ = write_scenes(tmp_path / "data", 6, 16)
    graph = spec(tmp_path / "data", 2, "tile: 8, batch_size: 2")
    module = make_datamodule(graph.spec)
    run = train(graph, module, make_config(graph.spec), run_dir=tmp_path / "run")
    trained = sorted({int(region.name[1]) for region in module.samples("train").regions})
    assert len(trained) == 4
    seen = run.facts["input"]
    assert (seen["minimum"], seen["maximum"]) == (cubes[trained].min(), cubes[trained].max())
    assert seen["pixels"] == 4 * 256
    assert seen["wavelengths"] == (450, 500, 550, 600, 650, 700)
    assert "val/metric/anomaly_auroc" in run.facts["metrics"]


def test_an_interrupted_and_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    write_scenes(tmp_path / "data", 4, 16)
    graph = spec(tmp_path / "data", 4)
    train(graph, make_datamodule(graph.spec), make_config(graph.spec), run_dir=tmp_path / "whole")
    config = make_config(graph.spec)
    config.trainer.callbacks = [Interrupt(2)]
    with pytest.raises(KeyboardInterrupt):
        train(graph, make_datamodule(graph.spec), config, run_dir=tmp_path / "resumed")
    train(graph, make_datamodule(graph.spec), resume=tmp_path / "resumed")
    folders = [tmp_path / name for name in ("whole", "resumed")]
    weights = [(folder / "weights.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1]
    metrics = [json.loads((folder / "run.json").read_text())["metrics"] for folder in folders]
    assert metrics[0] == metrics[1]


def balance_lines(caplog: pytest.LogCaptureFixture, tmp_path: Path, text: str, module: Any) -> list[str]:
    graph = typed(f"{text}\ntraining: {{trainer: {{max_epochs: 0, accelerator: cpu}}}}\n")
    with caplog.at_level(logging.INFO, logger="cuvisc"):
        train(graph, module, run_dir=tmp_path / "run")
    return caplog.messages[: caplog.messages.index("Phase 1: fitting statistics")]


def test_class_balance_is_said_before_anything_is_fitted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    _, masks = write_scenes(data, 3, 10)
    for index, mask in enumerate(masks):
        classes = mask * 3
        classes[0, :5] = 9
        write_png(data / f"s{index}_gt.png", classes)
    anomalies = [int(mask[1:].sum() + mask[0, 5:].sum()) for mask in masks]
    module = CubeFolder(
        data_dir=str(data),
        labels="{stem}_gt.png",
        anomaly_classes=[3],
        ignore_label=9,
        train=["s0.hdr", "s1.hdr"],
        val="s2.hdr",
    )
    both, one = sum(anomalies[:2]), anomalies[2]
    assert balance_lines(caplog, tmp_path, ANOMALY, module) == [
        f"train: 200 pixels, {both} anomalous ({both / 190:.2%}), 10 ignored; by class 0: {190 - both}, 3: {both}",
        f"val: 100 pixels, {one} anomalous ({one / 95:.2%}), 5 ignored; by class 0: {95 - one}, 3: {one}",
        f"normal / anomalous is {(190 - both) / both:.3g}: a `pos_weight` of that balances the two",
    ]


def test_labels_count_as_the_graph_maps_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tmp_path / "data"
    data.mkdir()
    np.savez(
        data / "a.npz",
        cube=np.random.default_rng(0).normal(size=(8, 8, 6)),
        labels=np.arange(64).reshape(8, 8) % 4,
    )
    text = FROZEN.replace(
        "nodes:", "nodes:\n  mapper: {type: BinaryAnomalyLabelMapper, normal_class_ids: [0, 2, 3]}"
    )
    lines = balance_lines(caplog, tmp_path, text, CubeFiles(train=str(data / "a.npz"), data_dir="/"))
    assert lines == ["train: 64 pixels, 16 anomalous (25.00%); by class 0: 16, 1: 16, 2: 16, 3: 16"]


def test_a_mask_of_nothing_is_warned_of_where_a_loss_reads_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    write_scenes(data, 2, 10)
    write_coco(data / "c.json", [{"id": i, "file_name": f"s{i}"} for i in range(2)], [])
    module = CubeFolder(data_dir=str(data), labels="c.json", val_fraction=0.5, test_fraction=0)
    assert balance_lines(caplog, tmp_path, ANOMALY, module) == [
        "train: 100 pixels, 0 anomalous (0.00%)",
        "val: 100 pixels, 0 anomalous (0.00%)",
        "training has no anomalous pixel, so `bce` can only learn that nothing is one",
        "validation has no anomalous pixel, so AUROC and average precision are not defined there",
    ]


@pytest.mark.parametrize(
    ("value", "words", "lacking", "learned"),
    [
        (0, "the masks have no anomaly", "anomalous", "nothing is one"),
        (1, "the masks have nothing but anomalies", "normal", "everything is an anomaly"),
    ],
)
def test_areas_that_masks_do_not_define_are_neither_logged_nor_missing_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, value: int, words: str, lacking: str, learned: str
) -> None:
    cube = np.random.default_rng(0).normal(size=(8, 8, 6))
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", cube=cube, mask=np.full((8, 8), value, np.uint8))
    module = CubeFiles(train=str(tmp_path / "a.npz"), val=str(tmp_path / "b.npz"), data_dir="/")
    graph = typed(f"{ANOMALY}\ntraining: {{trainer: {{max_epochs: 1, accelerator: cpu}}}}\n")
    with caplog.at_level(logging.WARNING, logger="cuvisc"):
        facts = train(graph, module, run_dir=tmp_path / "run").facts
    assert caplog.messages == [
        f"training has no {lacking} pixel, so `bce` can only learn that {learned}",
        f"validation has no {lacking} pixel, so AUROC and average precision are not defined there",
        f"`detection` leaves out anomaly_auroc and anomaly_average_precision: {words}",
    ]
    measured = [name for name in facts["metrics"] if "/metric/" in name]
    assert measured == [f"val/metric/anomaly_{name}" for name in ("precision", "recall", "f1", "iou")]


def test_a_missing_mask_ends_training_before_phase_1(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_scenes(tmp_path / "data", 5, 10)
    graph = spec(tmp_path / "data", 1)
    held_out = next(iter(make_datamodule(graph.spec).samples("test").regions)).file.path
    mask = held_out.with_name(f"{held_out.stem}_mask.png")
    mask.unlink()
    with caplog.at_level(logging.INFO, logger="cuvisc"), pytest.raises(DataError) as caught:
        train(graph, make_datamodule(graph.spec), make_config(graph.spec), run_dir=tmp_path / "run")
    assert str(caught.value) == (
        f"{held_out} has no mask: `{{stem}}_mask.png` means {mask}, which does not exist"
    )
    assert not any("Phase 1" in message for message in caplog.messages)
