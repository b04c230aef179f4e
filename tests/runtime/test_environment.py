"""No value that a spec takes from the environment is in any byte of any file, whichever way the file came about."""

from __future__ import annotations

import importlib.util
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import Cuvisc
from memory_data import ANOMALY, scene

from cuvisc import Graph, TrainingConfig
from cuvisc.language.leaf import LeafNode
from cuvisc.leaves import OrthogonalityLoss
from cuvisc.nodes import MinMaxNormalizer, TrainablePCA
from cuvisc.runtime import DummyMonitor
from cuvisc.runtime.components import make_config, make_datamodule, make_monitors
from cuvisc.runtime.environment import conceal, reveal
from cuvisc.schema.errors import DataError
from cuvisc.schema.front_end import load_spec, load_text
from cuvisc.schema.spec import Spec
from cuvisc.schema.spelling import as_spelled, spelled

SECRETS = {
    "CV_NAME": "hunter2-name",
    "CV_DATA": "hunter2-data",
    "CV_OUT": "hunter2-out",
    "CV_KEPT": "hunter2-kept",
    "CV_WEIGHT": "5.43210987",
    "CV_UNITS": "0.0054321098",
}
TEXT = (
    ANOMALY.replace("name: small", 'name: "${oc.env:CV_NAME}"')
    .replace("pos_weight: 5", 'pos_weight: "${oc.env:CV_WEIGHT}"')
    .replace(
        "{type: MinMaxNormalizer}", '{type: MinMaxNormalizer, eps: "${training.trainer.gradient_clip_val}"}'
    )
    .lstrip()
    + """
monitoring:
  files: {type: DummyMonitor, output_dir: "${datamodule.data_dir}/../${oc.env:CV_OUT,./out}"}
  board: {type: TensorBoardMonitor}
  web: {type: WandBMonitor, mode: offline}
datamodule: {type: CubeFiles, train: scene.npz, data_dir: "${oc.env:CV_DATA}"}
training:
  trainer:
    max_epochs: 1
    accelerator: cpu
    callbacks: [{type: ModelCheckpoint, dirpath: "${oc.env:CV_KEPT}", save_last: true}]
    gradient_clip_val: "${oc.env:CV_UNITS}"
"""
)


@pytest.fixture
def cuvisc(cuvisc: Cuvisc, monkeypatch: pytest.MonkeyPatch) -> Cuvisc:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    cubes, masks = scene(images=1)
    Path(SECRETS["CV_DATA"]).mkdir()
    np.savez(f"{SECRETS['CV_DATA']}/scene.npz", cube=cubes[0], mask=masks[0])
    Path("spec.yaml").write_text(TEXT)
    return cuvisc


def leaks(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for place, content in unpacked(path.read_bytes(), str(path)):
                yield from (
                    f"{name} in {place}" for name, value in SECRETS.items() if value.encode() in content
                )


def unpacked(content: bytes, place: str) -> Iterator[tuple[str, bytes]]:
    yield place, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name), f"{place}/{name}")


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def test_the_command_line_writes_none(cuvisc: Cuvisc, tmp_path: Path) -> None:
    for command in (
        ("train", "spec.yaml", "-o", "run"),
        ("train", "--resume", "run", "training.trainer.max_epochs=2"),
        ("export", "run", "-o", "artifact"),
        ("verify", "artifact"),
        ("report", "run", "-o", "report.html"),
        ("sweep", "spec.yaml", "training.seed=1,2", "~monitoring.web", "-o", "sweep", "-q"),
    ):
        done = cuvisc(*command)
        assert done.code == 0, (command, done.err)
    assert read("run/run.json")["status"] == "finished"
    assert any(Path(SECRETS["CV_KEPT"]).glob("last.ckpt"))
    assert Path(SECRETS["CV_OUT"], "metrics.jsonl").is_file()
    assert list(Path("run/tensorboard").glob("events*"))
    assert importlib.util.find_spec("wandb") is None or list(Path("run/wandb").rglob("*.wandb"))
    assert list(leaks(tmp_path)) == []


def test_a_failed_run_writes_none(cuvisc: Cuvisc, tmp_path: Path) -> None:
    Path(SECRETS["CV_DATA"], "scene.npz").unlink()
    assert cuvisc("train", "spec.yaml", "-o", "run").code == 3
    assert cuvisc("sweep", "spec.yaml", "training.seed=1,2", "-o", "sweep", "-q").code == 3
    message = read("run/run.json")["error"]["message"]
    assert message == read("sweep/sweep.json")["runs"][0]["error"]["message"]
    assert "${oc.env:CV_DATA}" in message
    assert list(leaks(tmp_path)) == []


def test_a_graph_of_a_spec_writes_none(
    cuvisc: Cuvisc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = loaded()
    graph, data, config = Graph.from_spec(spec), make_datamodule(spec), make_config(spec)
    assert (graph.name, config.trainer.gradient_clip_val) == (SECRETS["CV_NAME"], float(SECRETS["CV_UNITS"]))
    for name in SECRETS:
        monkeypatch.delenv(name)
    graph.train(data, config, run_dir="run")
    graph.train(data, run_dir="run", force=True)
    graph.train(data, resume="run")
    graph.save_to_file("graph.zip")
    graph.export("artifact")
    wanted = spec.to_dict()
    found = graph.to_spec(config).to_dict()
    assert found["graph"] == wanted["graph"]
    assert found["training"] == wanted["training"]
    assert found["loss_leaves"]["bce"]["pos_weight"] == "${oc.env:CV_WEIGHT}"
    assert found["nodes"]["normalizer"]["eps"] == "${oc.env:CV_UNITS}"
    assert found["monitoring"]["files"]["output_dir"] == "${oc.env:CV_DATA}/../${oc.env:CV_OUT,./out}"

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    again = Graph.load_from_file("graph.zip")
    again.save_to_file("again.zip")
    again.train(data, run_dir="more")
    assert Path("again.zip").read_bytes() == Path("graph.zip").read_bytes()
    assert list(leaks(tmp_path)) == []


def test_a_failed_run_of_a_graph_writes_none(cuvisc: Cuvisc, tmp_path: Path) -> None:
    data = make_datamodule(loaded())
    Path(SECRETS["CV_DATA"], "scene.npz").unlink()
    with pytest.raises(DataError):
        small(Graph("small")).train(data, run_dir="run")
    assert "${oc.env:CV_DATA}" in read("run/run.json")["error"]["message"]
    assert list(leaks(tmp_path)) == []


def test_what_a_spec_made_keeps_its_spelling_in_any_graph(cuvisc: Cuvisc, tmp_path: Path) -> None:
    spec = loaded()
    graph = small(Graph("small"))
    for monitor in make_monitors(spec):
        graph.register_monitor(monitor)
    graph.train(make_datamodule(spec), make_config(spec), run_dir="run")
    graph.save_to_file("graph.zip")
    assert list(leaks(tmp_path)) == []


def test_what_is_changed_later_is_written_as_it_is(cuvisc: Cuvisc) -> None:
    graph = Graph.from_spec(loaded())
    graph.name = "mine"
    normalizer: Any = graph.nodes["normalizer"]
    normalizer.eps = 0.5
    graph.monitors["mine"] = DummyMonitor(output_dir="here")
    config = TrainingConfig(optimizer={"lr": 0.5})
    found: Any = graph.to_spec(config).to_dict()
    assert found["graph"]["name"] == "mine"
    assert found["nodes"]["normalizer"] == {"type": "MinMaxNormalizer", "eps": 0.5}
    assert found["monitoring"]["mine"] == {"type": "DummyMonitor", "output_dir": "here"}
    assert found["training"] == {"optimizer": {"lr": 0.5}}
    assert found["loss_leaves"]["bce"]["pos_weight"] == "${oc.env:CV_WEIGHT}"


@pytest.mark.parametrize(
    ("now", "then", "spelling", "wanted"),
    [
        ("x", "x", "${oc.env:A}", "${oc.env:A}"),
        ("y", "x", "${oc.env:A}", "y"),
        (1.0, 1.0, 1, 1.0),
        (["new", "x"], ["x", "b"], ["${oc.env:A}", "b"], ["new", "${oc.env:A}"]),
        ({"b": ["x"], "d": 1}, {"b": ["x"]}, {"b": ["${oc.env:A}"]}, {"b": ["${oc.env:A}"], "d": 1}),
        ({}, {}, {"a": "${oc.env:A}", "b": 1}, {"a": "${oc.env:A}"}),
        ({}, {"a": "x"}, {"a": "${oc.env:A}"}, {}),
    ],
)
def test_every_part_that_is_still_what_it_was_gets_its_spelling(
    now: Any, then: Any, spelling: Any, wanted: Any
) -> None:
    assert as_spelled(now, then, spelling) == wanted


def test_references_are_resolved_and_the_environment_is_not() -> None:
    text = """
nodes: {rx: {type: RXGlobal, eps: "${training.optimizer.lr}"}}
datamodule: {type: IndianPines, data_dir: 'a\\${x}/${oc.env:A, "q"}/${training.seed}/${oc.env:B,${training.seed}}'}
training: {seed: 3, optimizer: {lr: "${oc.env:C, 0.5}"}}
"""
    spec, diagnostics = load_text(text, "a.yaml", environment={"A": "s"})
    assert spec is not None, list(diagnostics)
    found = spelled(spec.document)
    assert found["nodes"]["rx"]["eps"] == "${oc.env:C, 0.5}"
    assert found["datamodule"]["data_dir"] == 'a\\${x}/${oc.env:A, "q"}/3/${oc.env:B,3}'


def test_what_is_concealed_can_be_revealed() -> None:
    environment = {"A": "abc", "B": "abcd", "C": "env", "D": ""}
    hidden = conceal("abc abcd env ", environment)
    assert hidden == "${oc.env:A} ${oc.env:B} ${oc.env:C} "
    assert reveal(hidden, environment) == "abc abcd env "


def loaded() -> Spec:
    spec, diagnostics = load_spec(Path("spec.yaml"))
    assert spec is not None, list(diagnostics)
    return spec


def small(graph: Graph) -> Graph:
    graph.add_node(MinMaxNormalizer())
    pca = graph.add_node(TrainablePCA(n_components=2, trainable=True))
    loss: LeafNode = OrthogonalityLoss()
    graph.add_leaf_node(loss, parent=pca)
    return graph
