"""What training reports is in TensorBoard's event files, as TensorBoard itself reads them."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monitored_run import EPOCHS, HEIGHT, WIDTH, red_figure, train_with
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.plugins.hparams import metadata

from cuvisc.runtime import TensorBoardMonitor

OPTIONS = {"images": 0, "scalars": 0, "histograms": 0}


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance=OPTIONS)
    events.Reload()
    return events


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[EventAccumulator, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("runs") / "run"
    lines = train_with(TensorBoardMonitor(flush_secs=1), folder)
    return read(folder / "tensorboard"), lines


def test_every_loss_and_metric_is_a_scalar_with_the_value_of_the_runs_own_file(
    reported: tuple[EventAccumulator, list[dict[str, Any]]],
) -> None:
    events, lines = reported
    found = {
        (name, event.step): event.value for name in events.Tags()["scalars"] for event in events.Scalars(name)
    }
    assert {"train/loss/total", "val/loss/orthogonality", "val/metric/component_orthogonality_error"} <= {
        name for name, _ in found
    }
    assert found == {(line["name"], line["step"]): float(np.float32(line["value"])) for line in lines}


def test_figures_are_images_of_the_size_they_were_drawn_in(
    reported: tuple[EventAccumulator, list[dict[str, Any]]],
) -> None:
    events, _ = reported
    images = events.Images("val/figure/sheet")
    assert len(images) == EPOCHS
    pixels = np.asarray(Image.open(io.BytesIO(images[0].encoded_image_string)))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert (pixels == [255, 0, 0]).all()


@pytest.mark.parametrize("name", ["weights/pca.components", "gradients/pca.components"])
def test_weights_and_gradients_of_what_is_trained_are_histograms_once_an_epoch(
    reported: tuple[EventAccumulator, list[dict[str, Any]]], name: str
) -> None:
    events, _ = reported
    assert set(events.Tags()["histograms"]) == {"weights/pca.components", "gradients/pca.components"}
    histograms = events.Histograms(name)
    assert [event.step for event in histograms] == [0, 4, 8]
    assert all(event.histogram_value.num == 2 * 6 for event in histograms)


def test_the_graph_is_the_typed_graph_with_its_leaves(
    reported: tuple[EventAccumulator, list[dict[str, Any]]],
) -> None:
    graph: GraphDef = reported[0].Graph()
    assert [(node.name, node.op, list(node.input)) for node in graph.node] == [
        ("input", "Placeholder", []),
        ("normalizer", "MinMaxNormalizer", ["input"]),
        ("pca", "TrainablePCA", ["normalizer"]),
        ("loss_leaves/orthogonality", "OrthogonalityLoss", ["pca"]),
        ("metric_leaves/components", "ComponentOrthogonalityMetric", ["pca"]),
        ("visualization_leaves/sheet", "RedSheet", ["pca"]),
    ]
    assert graph.node[2].attr["type"].s == b"float32[B,H,W,2]"
    assert graph.node[2].attr["n_components"].s == b"2"
    assert [dim.size for dim in graph.node[2].attr["_output_shapes"].list.shape[0].dim] == [-1, -1, -1, 2]


def test_hyper_parameters_are_those_of_the_spec_and_every_option_of_training(
    reported: tuple[EventAccumulator, list[dict[str, Any]]],
) -> None:
    plugin = reported[0].summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data
    values = metadata.parse_session_start_info_plugin_data(plugin.content).hparams
    assert values["nodes/pca/n_components"].number_value == 2
    assert values["training/trainer/max_epochs"].number_value == EPOCHS
    assert values["training/optimizer/lr"].number_value == 0.25
    assert values["training/optimizer/name"].string_value == "adam"
    assert values["training/seed"].number_value == 42


def test_the_spec_and_the_graph_are_there_to_read(
    reported: tuple[EventAccumulator, list[dict[str, Any]]],
) -> None:
    events, _ = reported
    spec = events.Tensors("spec/text_summary")[0].tensor_proto.string_val[0].decode()
    assert spec.startswith("```yaml\n")
    assert "    n_components: 2\n" in spec
    graph = events.Tensors("graph/text_summary")[0].tensor_proto.string_val[0].decode()
    assert graph.startswith("```mermaid\nflowchart TD\n")


def test_what_comes_from_the_environment_stays_unresolved(tmp_path: Path) -> None:
    monitor = TensorBoardMonitor(log_dir=str(tmp_path))
    spec = {"training": {"seed": "${oc.env:SECRET_SEED}"}}
    monitor.setup({"folder": str(tmp_path), "spec": spec, "training": {"seed": 90125, "keep": "last"}})
    monitor.close()
    plugin = read(tmp_path).summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data
    values = metadata.parse_session_start_info_plugin_data(plugin.content).hparams
    assert values["training/seed"].string_value == "${oc.env:SECRET_SEED}"
    assert values["training/keep"].string_value == "last"
    assert b"90125" not in next(tmp_path.glob("events.*")).read_bytes()


def test_a_second_run_does_not_write_into_the_first(tmp_path: Path) -> None:
    for name in ("first", "second"):
        monitor = TensorBoardMonitor(log_dir=str(tmp_path / "board"))
        monitor.setup({"folder": str(tmp_path / name)})
        monitor.log_metrics({"train/loss/total": len(name)}, 1, "train")
        monitor.close()
    assert read(tmp_path / "board").Scalars("train/loss/total")[0].value == len("first")
    assert read(tmp_path / "board" / "second").Scalars("train/loss/total")[0].value == len("second")


@pytest.mark.parametrize("log_dir", [None, "board"])
def test_a_resumed_run_goes_on_in_its_own_event_files(log_dir: str | None, tmp_path: Path) -> None:
    """What an interrupted epoch has reported is reported once, and the first run of the folder is left alone."""
    board = None if log_dir is None else str(tmp_path / log_dir)
    other = TensorBoardMonitor(log_dir=board)
    other.setup({"folder": str(tmp_path / "other")})
    other.close()
    monitor = TensorBoardMonitor(log_dir=board)
    first = {"folder": str(tmp_path / "run"), "spec": {"training": {"seed": 1}}}
    for info, steps in ((first, [3, 7, 11, 12]), ({**first, "resumed": 2, "step": 8}, [11, 15])):
        monitor.setup(info)
        for step in steps:
            monitor.log_metrics({"train/loss/total": float(step)}, step, "train")
        monitor.close()
    events = read(tmp_path / "run/tensorboard" if board is None else tmp_path / "board/run")
    assert [event.step for event in events.Scalars("train/loss/total")] == [3, 7, 11, 15]
    assert len(events.Tensors("spec/text_summary")) == 1


def test_values_that_are_not_finite_do_not_end_the_reports(tmp_path: Path) -> None:
    monitor = TensorBoardMonitor(log_dir=str(tmp_path))
    monitor.setup({"folder": str(tmp_path)})
    monitor.log_tensors({"a": torch.tensor([1.0, np.nan, 2.0]), "b": torch.tensor([np.inf])}, 0, "train")
    monitor.log_metrics({"train/loss/total": float("nan")}, 0, "train")
    monitor.close()
    events = read(tmp_path)
    assert events.Histograms("a")[0].histogram_value.num == 2
    assert events.Tags()["histograms"] == ["a"]
    assert np.isnan(events.Scalars("train/loss/total")[0].value)


def test_without_the_package_there_is_one_warning_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monitor = TensorBoardMonitor()
    with caplog.at_level(logging.WARNING):
        monitor.setup({"folder": str(tmp_path)})
        monitor.log_metrics({"train/loss/total": 1.0}, 0, "train")
        monitor.log_artifact({"figure": red_figure()}, "sheet", 0, "val")
        monitor.log_tensors({"a": torch.ones(2)}, 0, "train")
        monitor.close()
    assert "|".join(caplog.messages) == (
        "TensorBoardMonitor: the package tensorboard is not installed (pip install 'cuvisc[monitors]'); "
        "the run goes on without it"
    )
    assert list(tmp_path.iterdir()) == []
