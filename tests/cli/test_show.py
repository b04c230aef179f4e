"""`cuvisc show`: the whole page for two specs, and drawings that hold whatever a graph is called."""

# ruff: noqa: E501 - terminal text is compared line by line, whole

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from cuvisc.cli.app import build_app
from cuvisc.schema.render import printable

CHAIN = """
    graph:
      name: trainable_pca
    nodes:
      normalizer:
        _target_: cuvis_ai.normalization.normalization.MinMaxNormalizer
        eps: 1.0e-6
      pca:
        _target_: cuvis_ai.node.pca.TrainablePCA
        n_components: 3
        trainable: true
        whiten: false
    loss_leaves:
      orthogonality_loss:
        _target_: cuvis_ai.training.losses.OrthogonalityLoss
        weight: 1.0
    metric_leaves:
      explained_variance:
        _target_: cuvis_ai.training.metrics.ExplainedVarianceMetric
    training:
      trainer: {max_epochs: 10}
"""
DIAMOND = """
    graph:
      name: two detectors
      input: {dtype: uint16, channels: 61}
      outputs: [decider, rx]
    nodes:
      normalizer: {type: MinMaxNormalizer}
      pca: {type: TrainablePCA, n_components: 3}
      rx: {type: RXGlobal, parent: [pca, normalizer]}
      head: {type: RXLogitHead}
      decider: {type: BinaryDecider, apply_sigmoid: true}
      again: {type: TrainablePCA, n_components: 2, parent: pca}
    metric_leaves:
      statistics: {type: ScoreStatisticsMetric, parent: rx}
      variance: {type: ExplainedVarianceMetric, parent: again}
"""
SVG = "{http://www.w3.org/2000/svg}"


def show(folder: Path, text: str, *arguments: str) -> Result:
    """What the command answers for a spec of this text."""
    path = folder / "graph.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return CliRunner().invoke(build_app(), ["show", str(path), *arguments])


def shown(folder: Path, text: str, *arguments: str) -> str:
    """What the command prints for a spec that is right."""
    result = show(folder, text, *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_the_tutorials_graph(tmp_path: Path) -> None:
    """The page of the tutorial's graph: types, leaves, passes, training and export."""
    assert shown(tmp_path, CHAIN) == textwrap.dedent("""\
        trainable_pca: 2 nodes, 2 leaves

        input
          → cube        float32[B,H,W,C]
        normalizer      MinMaxNormalizer  eps: 1e-06
          ← cube        float32[B,H,W,C]  input.cube
          → normalized  float32[B,H,W,C]
        pca             TrainablePCA  n_components: 3, whiten: false  trainable
          ← cube        float32[B,H,W,C]  normalizer.normalized
          → scores      float32[B,H,W,3]  output
          · loss        orthogonality_loss: OrthogonalityLoss  weight: 1.0
          · metric      explained_variance: ExplainedVarianceMetric

        phase 1
          pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; solves normalizer, pca

        phase 2
          trains pca against orthogonality_loss, for 10 epochs

        export
          folds normalizer, pca into one affine map
          leaves out orthogonality_loss, explained_variance
          every node can be exported to every target
          gives pca.scores  float32[B,H,W,3]
    """)


def test_a_diamond(tmp_path: Path) -> None:
    """The page of a graph with joined values, a cast, two passes, two outputs and a node that no output needs."""
    assert shown(tmp_path, DIAMOND) == textwrap.dedent("""\
        two detectors: 6 nodes, 2 leaves

        input
          → cube        float32[B,H,W,61]        cast from uint16
        normalizer      MinMaxNormalizer
          ← cube        float32[B,H,W,61]        input.cube
          → normalized  float32[B,H,W,61]
        pca             TrainablePCA  n_components: 3
          ← cube        float32[B,H,W,61]        normalizer.normalized
          → scores      float32[B,H,W,3]
        rx              RXGlobal
          ← cube        float32[B,H,W,64]        pca.scores with normalizer.normalized
          → scores      float32[B,H,W,1] scores  output
          · metric      statistics: ScoreStatisticsMetric
        head            RXLogitHead  trainable
          ← scores      float32[B,H,W,1] scores  rx.scores
          → logits      float32[B,H,W,1] logits
        decider         BinaryDecider  apply_sigmoid: true
          ← values      float32[B,H,W,1] logits  head.logits
          → decisions   bool[B,H,W,1] decisions  output
        again           TrainablePCA  n_components: 2
          ← cube        float32[B,H,W,3]         pca.scores
          → scores      float32[B,H,W,2]
          · metric      variance: ExplainedVarianceMetric

        phase 1
          pass 1 of 2: reads the training data once; measures extrema, moments of input.cube; solves normalizer, pca, rx, again
          pass 2 of 2: reads the training data once; measures moments of rx.scores; solves head

        phase 2
          none: there is no loss

        export
          leaves out statistics, variance, again
          every node can be exported to every target
          gives decider.decisions  bool[B,H,W,1] decisions
          gives rx.scores          float32[B,H,W,1] scores
    """)


def test_overrides_change_what_is_shown(tmp_path: Path) -> None:
    """The graph is that of the spec with its overrides applied."""
    text = shown(tmp_path, CHAIN, "nodes.pca.n_components=5", "graph.input.channels=61")
    assert "gives pca.scores  float32[B,H,W,5]" in text
    assert "  → cube        float32[B,H,W,61]\n" in text


def test_a_wrong_spec_is_answered_like_validate_does(tmp_path: Path) -> None:
    """Errors go to stderr with their places, nothing to stdout, and the exit code is 2."""
    result = show(tmp_path, "nodes: {rx: {type: RXGlobal, parent: rxx}}\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == textwrap.dedent(f"""\
        {tmp_path}/graph.yaml:1:38: error[E301]: `nodes.rx.parent` refers to `rxx`, which is not a node of this graph
            1 | nodes: {{rx: {{type: RXGlobal, parent: rxx}}}}
              |                                      ^^^ did you mean `rx`?
        1 error
    """)


def test_mermaid(tmp_path: Path) -> None:
    """The chart names values and types; its own identifiers are no words of the user."""
    assert shown(tmp_path, CHAIN, "--format", "mermaid") == textwrap.dedent("""\
        flowchart TD
          input(["input.cube<br/>pass 1 measures extrema, moments"])
          n0["normalizer<br/>MinMaxNormalizer<br/>fitted after pass 1 of 1<br/>folds into pca"]
          n1["pca<br/>TrainablePCA<br/>fitted after pass 1 of 1"]
          class n1 trainable
          input -->|"float32[B,H,W,C]"| n0
          n0 -->|"float32[B,H,W,C]"| n1
          out0(["pca.scores"])
          n1 -->|"float32[B,H,W,3]"| out0
          leaf0("orthogonality_loss<br/>loss: OrthogonalityLoss"):::leaf
          n1 -.- leaf0
          leaf1("explained_variance<br/>metric: ExplainedVarianceMetric"):::leaf
          n1 -.- leaf1
          classDef trainable stroke-width:3px
          classDef leaf stroke-dasharray:4 3
          classDef stripped opacity:0.5
          classDef blocked stroke:#d1242f
          %% pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; solves normalizer, pca
          %% phase 2: trains pca against orthogonality_loss, for 10 epochs
    """)


@pytest.mark.parametrize("name", ["plain", "<b>&amp; \"quoted\" 'ends' ]]> --", "ünï\u2066 漢字"])
def test_svg_is_xml_whatever_the_graph_is_called(tmp_path: Path, name: str) -> None:
    """Names are escaped: the drawing parses, and its title is the name, invisible characters made visible."""
    text = shown(tmp_path, CHAIN.replace("trainable_pca", json.dumps(name)), "--format", "svg")
    title = ElementTree.fromstring(text).findtext(f"{SVG}title")
    assert title == printable(name)


def test_svg_shows_every_node_leaf_and_type(tmp_path: Path) -> None:
    """Every box says what it is, no two boxes overlap, and everything lies inside the frame."""
    drawing = ElementTree.fromstring(shown(tmp_path, DIAMOND, "--format", "svg"))
    texts = [text.text or "" for text in drawing.iter(f"{SVG}text")]
    for wanted in (
        "normalizer",
        "pca",
        "rx",
        "head",
        "decider",
        "again",
        "statistics",
        "variance",
        "decider.decisions",
    ):
        assert wanted in texts
    assert "→ scores  float32[B,H,W,1] scores" in texts
    assert texts.count("pass 1 measures extrema, moments") == 1
    assert {"pass 2 measures moments", "fitted after pass 2 of 2", "left out of an export"} <= set(texts)
    edges = [title.text for path in drawing.iter(f"{SVG}path") for title in path.iter(f"{SVG}title")]
    assert "rx.scores to head.scores: float32[B,H,W,1] scores" in edges
    assert len(edges) == 7 + 2
    assert (drawing.findtext(f"{SVG}desc") or "").startswith("pass 1 of 2: reads the training data once; ")
    left, top, wide, high = map(float, drawing.attrib["viewBox"].split())
    boxes = [
        tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        for box in drawing.iter(f"{SVG}rect")
    ]
    assert len(boxes) == 1 + 6 + 2 + 2
    for index, (x, y, width, height) in enumerate(boxes):
        assert left <= x
        assert top <= y
        assert x + width <= left + wide
        assert y + height <= top + high
        for x2, y2, width2, height2 in boxes[:index]:
            assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y


def test_json(tmp_path: Path) -> None:
    """A program reads the same facts."""
    graph = json.loads(shown(tmp_path, DIAMOND, "--format", "json"))
    assert graph["input"] == {
        "name": "input.cube",
        "cast_from": "uint16",
        "type": "float32[B,H,W,61]",
        "unit": None,
    }
    assert graph["nodes"][2] == {
        "id": "rx",
        "type": "RXGlobal",
        "params": {},
        "inputs": {
            "cube": {
                "reads": ["pca.scores", "normalizer.normalized"],
                "type": "float32[B,H,W,64]",
                "unit": None,
            }
        },
        "outputs": {"scores": {"type": "float32[B,H,W,1]", "unit": "scores"}},
        "statistics": {"kind": "moments", "of": ["cube"]},
        "mapping": None,
        "trainable": False,
    }
    assert graph["phase1"][1] == {
        "measures": [{"values": ["rx.scores"], "kinds": ["moments"]}],
        "solves": ["head"],
    }
    assert graph["leaves"][1] == {
        "id": "variance",
        "kind": "metric",
        "type": "ExplainedVarianceMetric",
        "params": {},
        "parent": "again.scores",
    }
    assert graph["export"] == {
        "folds": [],
        "leaves_out": ["statistics", "variance", "again"],
        "blocked": [],
    }


def test_help_shows_how_to_use_it() -> None:
    """The help ends with an example that can be typed."""
    result = CliRunner().invoke(build_app(), ["show", "--help"])
    assert result.exit_code == 0
    assert "Example: cuvisc show specs/rx.yaml --format svg > rx.svg" in result.stdout


@pytest.mark.parametrize("format", ["text", "mermaid", "svg", "json"])
def test_show_imports_nothing_heavy(tmp_path: Path, format: str) -> None:
    """A graph is drawn without torch, NumPy and ONNX."""
    path = tmp_path / "graph.yaml"
    path.write_text(textwrap.dedent(DIAMOND), encoding="utf-8")
    program = (
        "import sys; from typer.testing import CliRunner; from cuvisc.cli.app import build_app\n"
        f"result = CliRunner().invoke(build_app(), ['show', {str(path)!r}, '--format', {format!r}])\n"
        "assert result.exit_code == 0, result.output\n"
        "print(sorted({'torch', 'numpy', 'lightning', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
