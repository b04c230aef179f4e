"""A pixel with a band that is not finite takes part in nothing: others of its image are as if it did not exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_runs import run as run_cli
from fitted_graphs import fitted, typed
from format_files import write_tiff
from memory_data import MemoryScene, scene
from numpy.typing import NDArray

from cuvisc import Graph, TrainingConfig
from cuvisc.compiler.graph import ValueRef
from cuvisc.compiler.module import build_module
from cuvisc.language.node import Node
from cuvisc.nodes import MinMaxNormalizer, NoDataMask, RXPerBatch, SigmoidNormalizer
from cuvisc.runtime.frozen import FrozenValues
from cuvisc.runtime.gradients import Evaluation, prepare
from cuvisc.runtime.missing import missing_pixels
from cuvisc.runtime.training import train

Array = NDArray[Any]
CONFIG = TrainingConfig(trainer={"max_epochs": 2, "accelerator": "cpu"}, optimizer={"lr": 0.01})
FIT = TrainingConfig(trainer={"max_epochs": 0, "accelerator": "cpu"})
HOLES = [(0, 0, 0, 0, np.nan), (0, 5, 6, 3, np.inf), (1, 11, 11, 5, -np.inf), (3, 4, 4, 1, np.nan)]


def min_max(pixels: Array) -> Array:
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return (pixels - low) / (high - low)


def sigmoid(pixels: Array) -> Array:
    median = np.sort(pixels, axis=0)[(len(pixels) - 1) // 2]
    return 1 / (1 + np.exp(-(pixels - median) / pixels.std(axis=0)))


def rx(pixels: Array) -> Array:
    centered = pixels - pixels.mean(axis=0)
    inverse = np.linalg.inv(np.cov(pixels.T))
    return np.einsum("nc,cd,nd->n", centered, inverse, centered)[:, None]


NODES: dict[str, tuple[Callable[[], Node], Callable[[Array], Array]]] = {
    "MinMaxNormalizer, use_running_stats: false": (
        lambda: MinMaxNormalizer(use_running_stats=False),
        min_max,
    ),
    "SigmoidNormalizer": (SigmoidNormalizer, sigmoid),
    "RXPerBatch": (RXPerBatch, rx),
}


def damaged() -> tuple[Array, Array]:
    cubes, masks = scene(dtype="float32")
    for image, row, column, band, value in HOLES:
        cubes[image, row, column, band] = value
    return cubes, masks


def without(cubes: Array, of_others: Callable[[Array], Array]) -> Array:
    """What NumPy computes in float64 of every image without its broken pixels, NaN for those."""
    found = []
    for image in cubes.astype(np.float64):
        known = np.isfinite(image).all(axis=-1)
        values = of_others(image[known])
        whole = np.full((*known.shape, values.shape[-1]), np.nan)
        whole[known] = values
        found.append(whole)
    return np.stack(found)


def graph_of(node: Node, *, before: Node | None = None) -> Graph:
    graph = Graph("broken")
    if before is not None:
        graph.add_node(before, name="nodata")
        graph.add_node(node, "nodata.marked", name="node")
    else:
        graph.add_node(node, name="node")
    return graph


@pytest.mark.parametrize("name", NODES)
def test_a_graph_in_python(name: str) -> None:
    make, oracle = NODES[name]
    cubes, _ = damaged()
    found = graph_of(make())(cubes)[0].numpy()
    np.testing.assert_allclose(found, without(cubes, oracle), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", NODES)
def test_marked_pixels_are_broken_ones(name: str) -> None:
    make, oracle = NODES[name]
    cubes, _ = scene(dtype="uint16")
    exact = cubes.astype(np.float64)
    for image, row, column, band, _ in HOLES:
        cubes[image, row, column, band], exact[image, row, column] = 0, np.nan
    graph = graph_of(make(), before=NoDataMask(nodata=0))
    graph.module.bind(cubes.shape[-1])
    values = graph.module(torch.from_numpy(cubes))
    port = next(key for key in values if key.startswith("node."))
    np.testing.assert_allclose(values[port].numpy(), without(exact, oracle), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("before", ["", "nodata"])
@pytest.mark.parametrize("name", NODES)
def test_phase_1_and_predict(
    name: str,
    before: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RXGlobal, or the head, behind such a node is fitted to the other pixels, and the artifact gives their scores."""
    oracle = NODES[name][1]
    cubes, masks = damaged()
    last = "head" if name == "RXPerBatch" else "rx"
    text = f"""
    graph: {{name: broken, outputs: [{last}]}}
    nodes:
      {"nodata: {type: NoDataMask}" if before else ""}
      node: {{type: {name}, parent: {"nodata.marked" if before else "input"}}}
      {last}: {{type: {"RXLogitHead" if last == "head" else "RXGlobal"}, parent: node}}
    """
    own = without(cubes, oracle)
    known = np.isfinite(own).all(axis=-1)
    done = train(typed(text), MemoryScene(cubes, masks), FIT, run_dir=tmp_path / "run")
    assert done.facts["input"]["excluded_pixels"] == len(HOLES)
    if last == "head":
        bias = own[known].mean() + 2 * own[known].std(ddof=1)
        assert float(done.module.node("head").state_values()["bias"]) == pytest.approx(bias, rel=1e-5)
        expected = (own - bias)[..., 0]
    else:
        mu = done.module.node("rx").state_values()["mu"]
        np.testing.assert_allclose(mu, own[known].mean(axis=0), rtol=1e-5)
        expected = np.full(known.shape, np.nan)
        expected[known] = rx(own[known])[:, 0]
    monkeypatch.chdir(tmp_path)
    np.savez("scene.npz", cube=cubes)
    assert run_cli(capsys, monkeypatch, "export", "run", "-o", "artifact").code == 0
    told = run_cli(capsys, monkeypatch, "predict", "artifact", "scene.npz", "-o", "scores.npz")
    assert told.code == 0
    assert told.err == (
        f"warning: {len(HOLES)} of {known.size} pixels have a band that is NaN or infinite; "
        "they have no score and are never decided for\n"
    )
    with np.load("scores.npz") as written:
        (scores,) = (written[key] for key in written if key.startswith(last))
    np.testing.assert_allclose(scores[..., 0], expected, rtol=2e-3, atol=2e-3)


def test_phase_1_says_how_many_pixels_are_left_out_behind_the_input(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, however many nodes and passes leave them out."""
    cubes, masks = damaged()
    cubes[4, 7, 7:9] = -1
    text = """
    nodes:
      nodata: {type: NoDataMask, nodata: -1}
      node: {type: SigmoidNormalizer, parent: nodata.marked}
      rx: {type: RXGlobal}
      head: {type: RXLogitHead}
    """
    with caplog.at_level("WARNING", logger="cuvisc"):
        train(typed(text), MemoryScene(cubes, masks), FIT, run_dir=tmp_path)
    assert [message for message in caplog.messages if "pixels" in message] == [
        "4 of 720 training pixels have no data or a band that is not finite; statistics leave them out",
        "6 of 720 pixels of `node.normalized` are marked as without data or not finite; statistics leave them out",
    ]


def test_predict_counts_the_pixels_that_the_model_marks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Besides those with a band that is not finite, each in one count only."""
    cubes, masks = damaged()
    cubes[4, 7, 7:9] = cubes[1, 11, 11, 0] = -1
    text = """
    graph: {name: marks, outputs: [rx]}
    nodes:
      nodata: {type: NoDataMask, nodata: -1}
      rx: {type: RXPerBatch, parent: nodata.marked}
    """
    train(typed(text), MemoryScene(cubes, masks), FIT, run_dir=tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    np.savez("scene.npz", cube=cubes)
    assert run_cli(capsys, monkeypatch, "export", "run", "-o", "artifact").code == 0
    told = run_cli(capsys, monkeypatch, "predict", "artifact", "scene.npz", "-o", "scores.npz")
    assert told.err == (
        f"warning: {len(HOLES)} of 720 pixels have a band that is NaN or infinite; "
        "they have no score and are never decided for\n"
        "warning: 2 of 720 pixels have data and no score: the model marks them, or what it computes of them is not a "
        "number; they are never decided for\n"
    )
    with np.load("scores.npz") as written:
        assert int(np.isnan(written["rx.scores"]).sum()) == len(HOLES) + 2


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_pixels_without_data_in_a_file_are_none_of_its_image(
    dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in training, where they are NaN; also where the file's numbers are whole."""
    train(typed("nodes: {rx: {type: RXPerBatch}}"), MemoryScene(*scene()), FIT, run_dir=tmp_path / "run")
    cube = scene()[0][0].astype(dtype)
    exact = cube.astype(np.float64)
    cube[3:5, 2], exact[3:5, 2] = -99, np.nan
    monkeypatch.chdir(tmp_path)
    write_tiff(Path("scene.tif"), cube, nodata=-99)
    assert run_cli(capsys, monkeypatch, "export", "run", "-o", "artifact").code == 0
    told = run_cli(capsys, monkeypatch, "predict", "artifact", "scene.tif", "-o", "scores.npz")
    assert told.err == (
        "warning: 2 of 144 pixels have no data; they have no score and are never decided for\n"
    )
    with np.load("scores.npz") as written:
        found = written["rx.scores"]
    np.testing.assert_allclose(found, without(exact[None], rx)[0], rtol=2e-5)


@pytest.mark.parametrize("name", NODES)
def test_what_training_measures_is_what_the_trained_model_computes(name: str, tmp_path: Path) -> None:
    cubes, masks = damaged()
    last = "" if name == "RXPerBatch" else "rx: {type: RXGlobal}"
    text = f"""
    nodes:
      node: {{type: {name}}}
      {last}
    metric_leaves:
      scores: {{type: ScoreStatisticsMetric, parent: {"rx" if last else "node"}}}
    """
    done = train(typed(text), MemoryScene(cubes, masks), FIT, run_dir=tmp_path)
    with torch.no_grad():
        found = done.module(
            torch.from_numpy(np.where(np.isfinite(cubes).all(-1, keepdims=True), cubes, np.nan))
        )
    scores = found["rx.scores" if last else "node.scores"].numpy()
    assert int(np.isnan(scores).sum()) == len(HOLES)
    assert done.facts["metrics"]["val/metric/score_mean"] == pytest.approx(np.nanmean(scores), rel=1e-5)


@pytest.mark.parametrize("name", NODES)
def test_gradients_behind_a_trained_node_are_those_without_the_pixel(name: str) -> None:
    """Of an image with broken pixels, and of the row of its other pixels."""
    cubes, _ = damaged()
    text = f"nodes: {{pca: {{type: TrainablePCA, n_components: 2, trainable: true}}, node: {{type: {name}}}}}"
    whole = torch.from_numpy(cubes[:1])
    row = whole[torch.isfinite(whole).all(dim=-1)][None, None]
    gradients = []
    for cube in (whole, row):
        module = fitted(text, row.numpy())
        trained = prepare(module, ["pca"])
        missing = missing_pixels(cube)
        (node,) = (node for node in module.graph.nodes if node.id == "node")
        value = Evaluation(module, ["pca"])(cube, {node.output}, missing)[node.output]
        known = value if missing is None else value[~missing[..., 0]]
        (known.square().sum() + known.sum()).backward()
        gradients.append([parameter.grad for parameter in trained])
    for found, expected in zip(*gradients, strict=True):
        assert found is not None
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("name", NODES)
def test_an_image_without_a_finite_pixel(name: str, tmp_path: Path) -> None:
    """It has no value anywhere, others have theirs, and training goes on."""
    make, oracle = NODES[name]
    cubes, masks = damaged()
    cubes[2, :, :, 1] = np.nan
    rest = [0, 1, 3, 4]
    found = graph_of(make())(cubes)[0].numpy()
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(found[rest], without(cubes[rest], oracle), rtol=2e-5, atol=1e-6)
    text = f"""
    nodes:
      pca: {{type: TrainablePCA, n_components: 3, trainable: true}}
      node: {{type: {name}}}
      rx: {{type: {"RXLogitHead" if name == "RXPerBatch" else "RXGlobal"}}}
    loss_leaves:
      orthogonality: {{type: OrthogonalityLoss, parent: pca}}
      {"bce: {type: AnomalyBCEWithLogits, parent: rx}" if name == "RXPerBatch" else ""}
    """
    done = train(typed(text), MemoryScene(cubes, masks, batch_size=1), CONFIG, run_dir=tmp_path)
    assert all(bool(torch.isfinite(p).all()) for p in done.module.parameters())
    assert np.isfinite(list(done.facts["metrics"].values())).all()


def test_an_image_with_a_broken_pixel_is_kept_as_well() -> None:
    """What is frozen is computed of NaN, and found again by its bits."""
    cube = torch.from_numpy(damaged()[0][:1])
    module = build_module(typed("nodes: {rx: {type: RXPerBatch}}"))
    module.bind(cube.shape[-1])
    frozen = FrozenValues(module, [], None)
    wanted = {ValueRef("rx", "scores")}
    first = frozen(cube, wanted)
    second = frozen(cube.clone(), wanted)
    assert all(first[ref] is second[ref] for ref in wanted)
