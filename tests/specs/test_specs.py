"""Every spec of the repository is valid, trains, exports with parity; and phase 4 does what its header promises."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from scene_folders import write_scenes

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.components import make_datamodule, make_monitors
from cuvisc.runtime.export import export
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.run_folder import load_source
from cuvisc.runtime.training import Run, train
from cuvisc.runtime.verification import verify_artifact
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_spec
from cuvisc.schema.render import render_text

ROOT = Path(__file__).parents[2]
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml") if path.stem != "general")
# Scenes with masks that are not part of the repository; they stand beside it where there are any.
SCENES = ROOT.parent / "shared" / "data"
OWN_DATA = ("folder", "lentils")
"""Specs that are for data of the user."""
PHASE4 = "phase4_channel_selection"
EPOCHS = 60


def compiled(name: str, overrides: list[str]) -> TypedGraph:
    spec, diagnostics = load_spec(ROOT / "specs" / f"{name}.yaml", overrides)
    graph = check_graph(spec, load(), diagnostics) if spec is not None else None
    assert render_text(diagnostics) == ""
    assert graph is not None
    return graph


def run(name: str, overrides: list[str], folder: Path) -> Run:
    """Train a spec into a folder and export it to folder/artifact."""
    graph = compiled(name, [*overrides, "training.trainer.enable_progress_bar=false"])
    found = train(graph, make_datamodule(graph.spec), run_dir=folder, monitors=make_monitors(graph.spec))
    export(load_source(folder), folder / "artifact")
    return found


def logged(folder: Path, name: str) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["value"] for line in lines if line["name"] == name]


@pytest.mark.parametrize("name", SPECS)
def test_every_spec_is_valid(name: str) -> None:
    assert compiled(name, []).nodes


@pytest.mark.parametrize("name", [name for name in SPECS if name not in OWN_DATA])
def test_every_spec_trains_and_exports_with_parity(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorly", reason="the scene comes with the package tensorly")
    monkeypatch.chdir(tmp_path)
    epochs = compiled(name, []).spec.training["trainer"]["max_epochs"]  # type: ignore[index]
    found = run(name, [f"training.trainer.max_epochs={min(epochs, 2)}"], tmp_path / "run")
    assert found.facts["status"] == "finished"
    checked = verify_artifact(Artifact.open(tmp_path / "run" / "artifact"), device="cpu")
    assert checked.worst < 1


def test_the_spec_of_a_folder_trains_on_envi_cubes_with_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scenes(tmp_path / "flight", 4, 24)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "flight"))
    small = ["nodes.pca.n_components=3", "datamodule.tile=12", "datamodule.overlap=2"]
    found = run("folder", ["training.trainer.max_epochs=2", *small], tmp_path / "run")
    assert found.facts["status"] == "finished"
    checked = verify_artifact(Artifact.open(tmp_path / "run" / "artifact"), device="cpu")
    assert checked.worst < 1


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("phase1_statistical", ["heatmap"]),
        ("phase2_visualization", ["components", "heatmap", "histogram"]),
        (PHASE4, ["bands", "stability", "temperature"]),
    ],
)
def test_figures_come_with_their_data(
    name: str, figures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorly", reason="the scene comes with the package tensorly")
    monkeypatch.chdir(tmp_path)
    graph = compiled(name, ["training.trainer.max_epochs=" + ("1" if name == PHASE4 else "0")])
    train(graph, make_datamodule(graph.spec), run_dir=tmp_path / "run", monitors=make_monitors(graph.spec))
    step = "000001" if name == PHASE4 else "000000"
    assert sorted(path.name for path in (tmp_path / "run" / "figures").iterdir()) == [
        f"{figure}-val-{step}.{kind}" for figure in figures for kind in ("npz", "png")
    ]


@dataclass
class Scene:
    """A cube [H,W,C] with its mask [H,W], and the override that names it as data."""

    cube: NDArray[Any]
    mask: NDArray[Any]
    overrides: list[str]


def local_scene(name: str) -> Scene:
    path = SCENES / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"there is no {path.name} in ../shared/data")
    with np.load(path) as arrays:
        cube, mask = arrays["cube"], arrays["mask"]
    data = f"+datamodule={{type: CubeFiles, data_dir: '{SCENES}', train: {name}.npz}}"
    return Scene(cube, mask, ["~datamodule", data])


def public_scene() -> Scene:
    pytest.importorskip("tensorly", reason="the scene comes with the package tensorly")
    from cuvisc.runtime.data.scenes import indian_pines

    scene = indian_pines(None)
    return Scene(scene.cube, scene.mask(16), [])


def f1(decided: NDArray[Any], anomalous: NDArray[Any]) -> float:
    return float(2 * (decided & anomalous).sum() / (decided.sum() + anomalous.sum()))


def plain_rx(cube: NDArray[Any]) -> NDArray[np.float64]:
    """Squared Mahalanobis distance to all pixels, in float64, by the textbook."""
    pixels = cube.reshape(-1, cube.shape[-1]).astype(np.float64)
    centered = pixels - pixels.mean(axis=0)
    inverse = np.linalg.pinv(np.cov(pixels.T))
    return np.einsum("ij,jk,ik->i", centered, inverse, centered, optimize=True).reshape(cube.shape[:2])


def check_phase4(scene: Scene, folder: Path) -> None:
    # Three rows of temperatures; the other figures would take longer than the training.
    fewer = ["~visualization_leaves.bands", "~visualization_leaves.stability"]
    fewer += ["visualization_leaves.temperature.log_frequency=20"]
    found = run(PHASE4, [*scene.overrides, *fewer], folder)
    assert found.facts["epochs"] == EPOCHS

    losses = logged(folder, "train/loss/total")
    assert len(losses) == EPOCHS
    assert losses[-1] < 0.75 * losses[0]
    assert logged(folder, "train/loss/bce")[-1] < logged(folder, "train/loss/bce")[0]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])

    with np.load(folder / "figures" / "temperature-val-000041.npz") as figure:
        np.testing.assert_allclose(figure["temperature"], [5.0, 5.0 * 0.9**20, 0.1], rtol=1e-6)

    predictor = Predictor(folder / "artifact", device="cpu")
    outputs = predictor.predict(scene.cube)
    decisions = outputs["decider.decisions"].reshape(scene.mask.shape).astype(bool)
    anomalous = scene.mask > 0
    scores = plain_rx(scene.cube)
    baseline = f1(scores >= scores.mean() + 2 * scores.std(), anomalous)
    learned = f1(decisions, anomalous)
    assert learned > baseline
    assert learned == pytest.approx(found.facts["metrics"]["val/metric/anomaly_f1"], abs=1e-6)

    selected = found.module.node("selector").get_selected_channels().tolist()
    check_bands_read(folder / "artifact" / "model.onnx", selected)
    changed = scene.cube.copy()
    others = np.setdiff1d(np.arange(scene.cube.shape[-1]), selected)
    changed[..., others] = np.random.default_rng(0).integers(0, 30_000, changed[..., others].shape)
    for name, values in predictor.predict(changed).items():
        np.testing.assert_array_equal(values, outputs[name])
    changed[..., selected[0]] = 0
    assert not np.array_equal(predictor.predict(changed)["rx.scores"], outputs["rx.scores"])


def check_bands_read(path: Path, selected: list[int]) -> None:
    """The first thing that is computed from the cube is a Gather of the selected bands; Reshape moves nothing."""
    graph = onnx.load(path).graph
    constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    pixels = ["cube"]
    readers = []
    for node in graph.node:
        if not set(node.input).intersection(pixels):
            continue
        if node.op_type == "Reshape":
            pixels.append(node.output[0])
        elif node.op_type != "Shape":
            readers.append(node)
    (gather,) = readers
    assert gather.op_type == "Gather"
    assert constants[gather.input[1]].tolist() == selected
    assert len(selected) == 60


@pytest.mark.parametrize("name", ["abu-airport-2", "abu-airport-3", "hydice-urban", "sandiego-aviris1"])
def test_channel_selection_beats_plain_rx_on_scenes_with_masks(name: str, tmp_path: Path) -> None:
    check_phase4(local_scene(name), tmp_path / "run")


def test_channel_selection_beats_plain_rx_on_the_public_scene(tmp_path: Path) -> None:
    check_phase4(public_scene(), tmp_path / "run")
