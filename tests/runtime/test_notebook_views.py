"""What notebooks show of graphs, runs, predictors and predictions: complete, escaped, alone, and without torch."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from memory_data import ANOMALY, MemoryScene
from report_pages import Page
from small_artifacts import THRESHOLD, SmallArtifact, write_artifact

import cuvisc
from cuvisc import Graph, TrainerConfig, TrainingConfig
from cuvisc.nodes import MinMaxNormalizer, RXGlobal
from cuvisc.runtime.inference import Prediction, Predictor

TRIAL = "<script>alert('x')</script>"


def page(shown: Any) -> Page:
    """The HTML of an object, parsed strictly, as the whole output of a cell."""
    return Page(f"<section>{shown._repr_html_()}</section>")


def words(found: Page) -> str:
    return found.says("section")


def pictures(found: Page) -> list[np.ndarray]:
    """The pixels [h,w,3 or 4] of every picture, as matplotlib decodes them."""
    prefix = "data:image/png;base64,"
    sources = [str(image["href"]) for image in found.all("image")]
    assert all(source.startswith(prefix) for source in sources)
    return [
        matplotlib.image.imread(io.BytesIO(base64.b64decode(source.removeprefix(prefix))), format="png")
        for source in sources
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.yaml").write_text(ANOMALY)
    graph = Graph.from_file(folder / "small.yaml")
    config = TrainingConfig(trainer=TrainerConfig(max_epochs=2, enable_progress_bar=False))
    graph.train(MemoryScene(), config, run_dir=folder / "run")
    return graph


@pytest.fixture
def artifact(tmp_path: Path) -> SmallArtifact:
    return write_artifact(tmp_path / "artifact")


def test_a_graph_shows_every_node_leaf_and_type_and_both_phases(trained: Graph) -> None:
    found = page(trained)
    said = words(found)
    for node in trained.compile().nodes:
        assert node.id in said
        assert node.type in said
        assert all(str(port.type) in said for port in node.outputs.values())
    for leaf in trained.compile().leaves:
        assert leaf.id in said
        assert str(leaf.parent) in said
    assert "reads the training data once; measures extrema, moments of input.cube" in said
    assert "trains pca, head against bce, orthogonality" in said
    assert f"trained in {trained.run.folder}" in said
    assert len(found.all("rect")) == 1 + 5 + 2 + 3, "input, nodes, outputs, leaves"


def test_graphs_and_runs_are_one_line_of_plain_text(trained: Graph) -> None:
    folder = trained.run.folder
    assert repr(Graph("new")) == "<Graph 'new': 0 nodes, 0 leaves>"
    assert repr(trained) == f"<Graph 'small': 5 nodes, 3 leaves, trained in {folder}>"
    metrics = trained.run.facts["metrics"]
    start = f"<Run '{folder}': finished, val/loss/bce {metrics['val/loss/bce']:.4g}, "
    assert repr(trained.run).startswith(start)
    assert "\n" not in repr(trained.run)


def test_a_graph_that_does_not_compile_says_what_is_wrong() -> None:
    assert "does not compile yet: graph: error[E311]: the graph has no nodes" in words(page(Graph()))


def test_names_are_text_and_never_markup() -> None:
    graph = Graph(TRIAL)
    graph.add_node(MinMaxNormalizer())
    graph.add_node(RXGlobal(), name="r&x")
    found = page(graph)
    assert found.all("script") == []
    assert TRIAL in words(found)
    graph = Graph("graph")
    graph.add_node(MinMaxNormalizer(), name=TRIAL)
    assert page(graph).all("script") == []


def test_a_run_shows_its_verdict_numbers_loss_and_the_way_to_its_report(trained: Graph) -> None:
    found = page(trained.run)
    said = words(found)
    report = json.loads((trained.run.folder / "run.json").read_text())
    assert report["status"] in said
    assert "anomalous pixels" in said
    assert "All 5 validation images are also training images." in said
    assert f"training {report['metrics']['train/loss/total']:.4g}"[:14] in said
    (link,) = found.all("a")
    assert link["href"] == (trained.run.folder / "report.html").as_uri()


def test_a_relative_run_is_linked_relative_to_the_notebook(
    trained: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = Path("java script:#1")
    odd.symlink_to(trained.run.folder, target_is_directory=True)
    run = type(trained.run)(odd, trained.run.module, trained.run.trainer, trained.run.facts)
    (link,) = page(run).all("a")
    assert link["href"] == "./java%20script%3A%231/report.html"


def test_a_run_whose_folder_is_gone_says_so(trained: Graph, tmp_path: Path) -> None:
    run = type(trained.run)(tmp_path / "gone", trained.run.module, trained.run.trainer, {})
    assert f"{tmp_path / 'gone'}" in words(page(run))
    assert repr(run) == f"<Run '{tmp_path / 'gone'}': unknown>"


def test_a_predictor_shows_what_it_reads_gives_and_lets_move(artifact: SmallArtifact) -> None:
    predictor = Predictor(artifact.folder)
    said = words(page(predictor))
    for part in ("small", "5 bands", "rx.scores", "float32[B,H,W,1]", "decider.decisions", "300"):
        assert part in said
    assert repr(predictor) == "<Predictor 'small': 5 bands to rx.scores, decider.decisions, on cpu>"


def test_a_prediction_is_a_dict_that_is_shown_as_maps(artifact: SmallArtifact) -> None:
    cube = np.random.default_rng(3).integers(60, 140, (9, 11, 5)).astype(np.uint16)
    prediction = Predictor(artifact.folder).predict(cube)
    assert isinstance(prediction, dict)
    assert list(prediction) == ["rx.scores", "decider.decisions"]
    assert repr(prediction) == "<Prediction rx.scores: float32 9x11x1; decider.decisions: bool 9x11x1>"
    heat, decisions = pictures(page(prediction))
    scores = artifact.scores(cube)[..., 0]
    # The ramp is brighter where the score is higher; a hundredth is cut off at either end.
    order = np.argsort(scores.ravel())
    brightness = heat[..., :3].sum(axis=-1).ravel()[order]
    assert (np.diff(brightness) >= -0.02).all()
    red = decisions[..., 0] > decisions[..., 2] + 0.2
    np.testing.assert_array_equal(red, scores >= THRESHOLD)


def test_a_prediction_of_pixels_and_of_a_stack(artifact: SmallArtifact) -> None:
    predictor = Predictor(artifact.folder)
    spectra = np.full((7, 5), 90, np.uint16)
    found = page(predictor.predict(spectra))
    assert pictures(found) == []
    assert "rx.scores float32 7x1 scores" in words(found)
    many = page(predictor.predict(np.full((5, 4, 6, 5), 90, np.uint16)))
    assert len(pictures(many)) == 2 * 3
    assert "rx.scores, image 3 of 5" in words(many)
    assert "bool 5x4x6x1" in words(many)


def test_a_map_without_a_single_score(artifact: SmallArtifact) -> None:
    cube = np.full((3, 4, 5), np.nan, np.float32)
    heat, decisions = pictures(page(Predictor(artifact.folder).predict(cube)))
    assert heat.shape[:2] == decisions.shape[:2] == (3, 4)


@pytest.mark.parametrize("kind", ["graph", "run", "predictor", "prediction"])
def test_an_output_stands_alone_and_its_style_reaches_nothing_else(
    kind: str, trained: Graph, artifact: SmallArtifact
) -> None:
    predictor = Predictor(artifact.folder)
    shown = {
        "graph": trained,
        "run": trained.run,
        "predictor": predictor,
        "prediction": Prediction({"a.b": np.zeros((2, 2, 1), np.float32)}, {}),
    }[kind]
    found = page(shown)
    loaded = [address for address in found.addresses() if not address.startswith(("data:image/png", "#"))]
    assert loaded == ([(trained.run.folder / "report.html").as_uri()] if kind == "run" else [])
    assert not {name for _, attributes in found.elements for name in attributes if name.startswith("on")}
    (style,) = re.findall(r"<style>(.*?)</style>", shown._repr_html_(), re.DOTALL)
    assert style.startswith(".cuvisc{")
    depths = np.cumsum([{"{": 1, "}": -1}.get(character, 0) for character in style])
    assert depths[-1] == 0
    assert (depths[len(".cuvisc") : -1] > 0).all(), "every rule is inside the one for this output"
    assert ":root" not in style


def test_ipython_offers_both_forms(artifact: SmallArtifact) -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    predictor = Predictor(artifact.folder)
    data, _ = formatters.DisplayFormatter().format(predictor)
    assert data == {"text/plain": repr(predictor), "text/html": predictor._repr_html_()}


def test_showing_a_prediction_loads_no_torch(artifact: SmallArtifact) -> None:
    program = (
        "import sys\nimport numpy as np\nfrom cuvisc.runtime.inference import Predictor\n"
        "predictor = Predictor(sys.argv[1])\nprediction = predictor.predict(np.ones((4, 4, 5), np.uint16))\n"
        "shown = predictor._repr_html_() + prediction._repr_html_()\n"
        "print([name for name in ('torch', 'lightning', 'onnx', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(artifact.folder)],
        env={**os.environ, "PYTHONPATH": str(Path(cuvisc.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
